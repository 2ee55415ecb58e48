"""What visitors see and do."""

from flask import Response, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.admission.periods import periods_at
from app.errors import Conflict, Denied, Invalid, NotFound, ServiceError
from app.funding.redeem import Ask, redeem
from app.links import store as link_store
from app.links.addresses import visitor_url
from app.pagekit.files import file_response
from app.pagekit.minutes import Minutes
from app.tokens import commands
from app.tokens.commands import MintSpec
from app.turns.household import plan_of
from app.visitor import access, entry, papers, reading, section, wording
from app.visitor.access import Visit

ID_MAX = 2**63 - 1
TOKEN_LASTS_S = 600
"""A token only has to be good while FastGPT's page opens; the session goes on."""
CHATS_PER_MINUTE = 20
LABEL = "visitor page"

blueprint = section.blueprint()

_opened = Minutes()


class TooFast(Invalid):
    """One visitor opens chats faster than a person would."""

    status = 429
    code = "visitor_too_fast"


@blueprint.get("", strict_slashes=False)
def home() -> AnyResponse | str:
    """The account; with a token in the address, the way in."""
    token = entry.brought_token()
    if token is not None:
        return entry.by_token(token)
    return _home(access.visit(), redeemed=request.args.get("redeemed"))


@blueprint.post("/enter")
@access.entry
def enter() -> AnyResponse:
    return entry.by_token(request.form.get("token", ""))


@blueprint.get("/s/<signed>")
def signed_link(signed: str) -> AnyResponse:
    return entry.by_link(signed)


@blueprint.post("/leave")
def leave() -> AnyResponse:
    return entry.leave()


@blueprint.get("/usage")
def usage() -> str:
    here = access.visit()
    page = reading.usage(here, reading.place_of(request.args.get("cursor")))
    return render_template("me/usage.html", page=page)


@blueprint.get("/statement")
def statement() -> str:
    here = access.visit()
    before = request.args.get("before", type=int)
    is_usable = before is not None and 0 < before <= ID_MAX
    month = reading.statement(here, request.args.get("month"), before if is_usable else None)
    return render_template("me/statement.html", month=month)


@blueprint.get("/statements")
def statements() -> str:
    return render_template("me/papers.html", papers=papers.list_own(access.visit()))


@blueprint.get("/statements/<number>.<any(html, pdf):form>")
def paper(number: str, form: papers.Form) -> AnyResponse:
    """One of the visitor's own statements, to print or to keep."""
    return file_response(papers.own_file(access.visit(), number, form), is_shown=form == "html")


@blueprint.post("/redeem")
def redeem_code() -> AnyResponse:
    """Put what a code is worth into the wallet; a code that is refused can be corrected."""
    here = access.visit()
    with here.db.read() as session:
        user = here.user(session)
        actor, user_id = here.actor(user), user.id
    settings = here.settings
    ask = Ask(user_id, request.form.get("code", ""), settings.billing.currency, settings.zone)
    try:
        done = redeem(here.db, ask, keys=here.keys, actor=actor, now=here.now)
    except (Invalid, Conflict, NotFound, Denied) as problem:
        return Response(_home(here, problem=problem), status=problem.status)
    funded = done.funded
    here.runtime.gate.set_balance(funded.user_id, funded.balance, funded.version)
    return redirect(url_for("visitor.home", redeemed=funded.transaction_id), code=303)


@blueprint.post(f"/links/<int(max={ID_MAX}):link_id>/open")
def open_link(link_id: int) -> AnyResponse:
    """To FastGPT's page, with a fresh token that opens this link and no other."""
    here = access.visit()
    with here.db.begin() as session:
        user = here.user(session)
        link = link_store.find_by_id(session, link_id)
        if link is None or not here.given.opens(link):
            raise NotFound("this link is not open to the visitor", code="link_not_open")
        if _opened.count(str(user.id), here.now) > CHATS_PER_MINUTE:
            raise TooFast("the visitor opens chats very often")
        spec = MintSpec(user_id=user.id, link_id=link.id, ttl_s=TOKEN_LASTS_S, label=LABEL)
        minted = commands.mint(session, spec, keys=here.keys, actor=here.actor(user), now=here.now)
        target = visitor_url(link.share_url, minted.text)
    return redirect(target, code=303)


@blueprint.route("/<path:rest>", methods=["GET", "POST"])
@access.entry
def nothing(rest: str) -> AnyResponse:
    """Every other address below the page."""
    del rest
    raise NotFound("there is no such page", code="not_found")


def _welcome(here: Visit) -> None:
    """Whoever comes for the first time in a month is given their plan's credit of it."""
    with here.db.read() as session:
        user = here.user(session)
        user_id, plan = user.id, plan_of(here.household, user)
    here.runtime.visits.welcome(user_id, plan, periods_at(here.now, here.settings.zone), here.now)


def _home(here: Visit, *, redeemed: str | None = None, problem: ServiceError | None = None) -> str:
    number = redeemed if redeemed and redeemed.isascii() and redeemed.isdigit() else None
    transaction = int(number) if number and len(number) <= 18 else None  # noqa: PLR2004 - a BIGINT
    _welcome(here)
    shown = reading.home(here, redeemed=transaction)
    g.form_targets = shown.form_targets
    told = None if problem is None else wording.told(problem)
    return render_template("me/home.html", home=shown, problem=told)
