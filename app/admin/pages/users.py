"""Users: search, add, change, suspend; what one user may and did; erase."""

from flask import Response, render_template, request

from app.admin import access
from app.admin.desk import Desk
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.paging import PageQuery
from app.admin.resources import grants, refusals, user_access, users, wallets
from app.admin.resources.user_access import ErasureBody
from app.admin.resources.users import ChangedUser, NewUser, UserQuery, WithReason
from app.admin.resources.wallets import LimitsQuery
from app.i18n import LOCALES
from app.limits import VisitorLimits
from app.pagekit.languages import NAMES
from app.pagekit.languages import gettext as _

blueprint = section("users", "/users")

GLANCE = PageQuery(limit=8)
"""How much of a list stands on the page of a user."""


@blueprint.get("/")
@access.allow("users:read")
def index() -> str:
    desk = access.desk()
    given = {name: value for name, value in request.args.items() if value.strip()}
    query = validated(UserQuery, dict(given))
    issuers, plans = users.choices(desk)
    return render_template(
        "users/index.html",
        page=users.index(desk, query),
        query=query,
        issuers=issuers,
        plans=plans,
        is_filtered=bool(given.keys() - {"cursor", "limit", "sort"}),
    )


@blueprint.get("/new")
@access.allow("users:write")
def new() -> str:
    issuers, plans = users.choices(access.desk())
    return render_template("users/new.html", issuers=issuers, plans=plans, locales=_locales())


@blueprint.post("/new")
@access.allow("users:write")
def create() -> AnyResponse:
    def work() -> AnyResponse:
        values = {
            "subject": request.form.get("subject", ""),
            "issuer": request.form.get("issuer", ""),
            **_stated(),
        }
        made = users.create(access.desk(), validated(NewUser, values))
        return done(_("User %(name)s is added.", name=made.subject), "users.show", user_id=made.id)

    return attempt(work, new)


@blueprint.get("/<int:user_id>")
@access.allow("users:read")
def show(user_id: int) -> str:
    desk = access.desk()
    with desk.db.snapshot():  # a dozen functions read a part each
        return _shown(desk, user_id)


def _shown(desk: Desk, user_id: int) -> str:
    user = users.show(desk, user_id)
    chosen = {name: value for name, value in request.args.items() if name == "link_id" and value}
    return render_template(
        "users/show.html",
        user=user,
        wallet=wallets.show(desk, user_id) if desk.may("wallets:read") else None,
        credit=grants.credit(desk, user_id) if desk.may("wallets:read") else None,
        limits=wallets.limits(desk, user_id, validated(LimitsQuery, dict(chosen))),
        links=wallets.link_names(desk),
        sessions=user_access.sessions(desk, user_id, GLANCE),
        tokens=user_access.tokens(desk, user_id, GLANCE),
        answers=user_access.answers(desk, user_id, GLANCE) if desk.may("usage:read") else None,
        refusals=refusals.of_user(desk, user_id),
        refused_uid=user.uid,
        changes=user_access.changes(desk, user_id, GLANCE.limit)
        if desk.may("audit:read")
        else None,
    )


@blueprint.get("/<int:user_id>/edit")
@access.allow("users:write")
def edit(user_id: int) -> str:
    desk = access.desk()
    plans = users.choices(desk)[1]
    return render_template(
        "users/edit.html", user=users.show(desk, user_id), plans=plans, locales=_locales()
    )


@blueprint.post("/<int:user_id>/edit")
@access.allow("users:write")
def update(user_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        changed = users.update(access.desk(), user_id, validated(ChangedUser, _stated()))
        said = _("User %(name)s is changed.", name=changed.subject)
        return done(said, "users.show", user_id=user_id)

    return attempt(work, lambda: edit(user_id))


@blueprint.post("/<int:user_id>/suspend")
@access.allow("users:write")
def suspend(user_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        users.set_suspended(access.desk(), user_id, _reason(), suspended=True)
        return done(_("The user is suspended."), "users.show", user_id=user_id)

    return attempt(work, lambda: show(user_id))


@blueprint.post("/<int:user_id>/activate")
@access.allow("users:write")
def activate(user_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        users.set_suspended(access.desk(), user_id, _reason(), suspended=False)
        return done(_("The user is active again."), "users.show", user_id=user_id)

    return attempt(work, lambda: show(user_id))


@blueprint.post("/<int:user_id>/revoke")
@access.allow("users:write")
def revoke(user_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        users.revoke_access(access.desk(), user_id, _reason())
        said = _("Every session is ended, and every token of before is refused.")
        return done(said, "users.show", user_id=user_id)

    return attempt(work, lambda: show(user_id))


@blueprint.get("/<int:user_id>/sessions")
@access.allow("users:read")
def sessions(user_id: int) -> str:
    desk = access.desk()
    return render_template(
        "users/sessions.html",
        user=users.show(desk, user_id),
        sessions=user_access.sessions(desk, user_id, _page_query()),
    )


@blueprint.post("/<int:user_id>/sessions/<int:session_id>/end")
@access.allow("users:write")
def end_session(user_id: int, session_id: int) -> AnyResponse:
    user_access.end_session(access.desk(), user_id, session_id)
    return done(_("The session is ended."), "users.show", user_id=user_id)


@blueprint.get("/<int:user_id>/tokens")
@access.allow("users:read")
def tokens(user_id: int) -> str:
    desk = access.desk()
    return render_template(
        "users/tokens.html",
        user=users.show(desk, user_id),
        tokens=user_access.tokens(desk, user_id, _page_query()),
    )


@blueprint.post("/<int:user_id>/tokens/<int:token_id>/revoke")
@access.allow("users:write")
def revoke_token(user_id: int, token_id: int) -> AnyResponse:
    user_access.revoke_token(access.desk(), user_id, token_id)
    return done(_("The token is revoked."), "users.show", user_id=user_id)


@blueprint.get("/<int:user_id>/answers")
@access.allow("usage:read")
def answers(user_id: int) -> str:
    desk = access.desk()
    desk.check_permissions("users:read")
    return render_template(
        "users/answers.html",
        user=users.show(desk, user_id),
        answers=user_access.answers(desk, user_id, _page_query()),
    )


@blueprint.get("/<int:user_id>/personal-data.json")
@access.allow("users:read")
def personal_data(user_id: int) -> Response:
    desk = access.desk()
    desk.check_permissions("wallets:read", "usage:read")
    answer = Response(user_access.written_data(desk, user_id), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="user-{user_id}.json"'
    return answer


@blueprint.get("/<int:user_id>/erase")
@access.allow("users:erase")
def confirm_erasure(user_id: int) -> str:
    return render_template("users/erase.html", user=users.show(access.desk(), user_id))


@blueprint.post("/<int:user_id>/erase")
@access.allow("users:erase")
def erase(user_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        values: dict[str, object] = {
            "subject": request.form.get("subject", ""),
            "reason": fields.optional("reason"),
        }
        erased = user_access.erase(access.desk(), user_id, validated(ErasureBody, values))
        said = _("The user is erased. In FastGPT, delete the chats of %(uid)s.", uid=erased.uid)
        return done(said, "users.show", user_id=user_id)

    return attempt(work, lambda: confirm_erasure(user_id))


def _stated() -> dict[str, object]:
    return {
        "name": fields.optional("name"),
        "locale": fields.optional("locale"),
        "plan": fields.optional("plan"),
        "limits": fields.limits(VisitorLimits),
    }


def _reason() -> str:
    return validated(WithReason, {"reason": request.form.get("reason", "")}).reason


def _page_query() -> PageQuery:
    return validated(PageQuery, dict(request.args.items()))


def _locales() -> list[tuple[str, str]]:
    return [("", _("not set")), *((code, NAMES[code]) for code in LOCALES)]
