"""Visitors' tokens: find out about one, make one, take one back."""

from flask import Response, render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import links, tokens
from app.admin.resources.tokens import (
    NewVisitorUrl,
    Revocation,
    TokenPage,
    TokenQuery,
    TokenToCheck,
    TokenToRevoke,
    VerdictOut,
    VisitorUrlOut,
)
from app.errors import Invalid, NotFound
from app.pagekit.languages import gettext as _
from app.tokens.issuers import LOCAL

blueprint = section("tokens", "/tokens")

LIFETIMES_S = (600, 3600, 86400, 7 * 86400, 30 * 86400)


@blueprint.get("/check")
@access.allow("tokens:check")
def check() -> str:
    return _check_page(None)


@blueprint.post("/check")
@access.allow("tokens:check")
def do_check() -> AnyResponse:
    """The token comes by POST, is judged, and forgotten; no page holds more than its start."""

    def work() -> AnyResponse:
        token = request.form.get("token", "").strip()
        if not token:
            raise Invalid(_("Paste a token."), code="token_missing")
        wanted = validated(TokenToCheck, {"link_id": _link_id(), "token": token})
        return _page(_check_page(tokens.check(access.desk(), wanted)))

    return attempt(work, check)


@blueprint.get("/")
@access.allow("tokens:mint")
def index() -> str:
    query = validated(TokenQuery, fields.query(request.args))
    try:
        page = tokens.index(access.desk(), query)
    except NotFound:  # of a user who is not there
        page = TokenPage(items=[])
    return render_template("tokens/index.html", page=page, query=query, links=_links())


@blueprint.get("/new")
@access.allow("tokens:mint")
def new() -> str:
    return _mint_page(None)


@blueprint.post("/new")
@access.allow("tokens:mint")
def mint() -> AnyResponse:
    def work() -> AnyResponse:
        made = tokens.mint(access.desk(), validated(NewVisitorUrl, _stated()))
        return _page(_mint_page(made))

    return attempt(work, new)


@blueprint.post("/<int:token_id>/revoke")
@access.allow("tokens:mint")
def revoke(token_id: int) -> AnyResponse:
    reason = validated(Revocation, {"reason": fields.optional("reason")}).reason
    tokens.revoke(access.desk(), token_id, reason)
    return done(_("The token is taken back."), "tokens.index")


@blueprint.post("/revoke")
@access.allow("tokens:mint")
def revoke_text() -> AnyResponse:
    """A token as text, also of another issuer."""

    def work() -> AnyResponse:
        values: dict[str, object] = {
            "token": request.form.get("token", "").strip(),
            "reason": fields.optional("reason"),
        }
        tokens.revoke_text(access.desk(), validated(TokenToRevoke, values))
        return done(_("The token is taken back."), "tokens.index")

    return attempt(work, index)


def _stated() -> dict[str, object]:
    lasts = fields.optional("ttl_s")
    return {
        "link_id": _link_id(),
        "subject": request.form.get("subject", "").strip(),
        "issuer": fields.optional("issuer") or LOCAL,
        "create_user": fields.checked("create_user"),
        "ttl_s": None if lasts == "never" else lasts,
        "is_one_time": fields.checked("is_one_time"),
        "label": fields.optional("label"),
    }


def _link_id() -> str:
    chosen = fields.optional("link_id")
    if chosen is None:
        raise Invalid(_("Choose a link."), code="link_missing")
    return chosen


def _links() -> list[tuple[int, str]]:
    desk = access.desk()
    with desk.db.read() as session:
        return links.names(session, desk)


def _check_page(verdict: VerdictOut | None) -> str:
    return render_template(
        "tokens/check.html",
        verdict=verdict,
        links=_links(),
        link_id=request.values.get("link_id", ""),
    )


def _mint_page(made: VisitorUrlOut | None) -> str:
    return render_template(
        "tokens/new.html",
        made=made,
        links=_links(),
        link_id=request.values.get("link_id", ""),
        subject=request.values.get("subject", ""),
        issuers=[(name, name) for name, _kind in links.choices(access.desk()).issuers],
        lifetimes=LIFETIMES_S,
    )


def _page(html: str) -> Response:
    return Response(html, content_type="text/html; charset=utf-8")
