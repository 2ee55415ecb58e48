"""Operators: list, add, change, disable, reset; where they are signed in; what roles may do."""

from flask import render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, shown_once, validated
from app.admin.resources import operators
from app.admin.resources.operators import NeededReason, OperatorQuery, Reason, SessionQuery
from app.errors import Invalid
from app.operators.commands import OperatorChange, OperatorSpec
from app.operators.roles import SELF
from app.pagekit.languages import gettext as _

blueprint = section("operators", "/operators")


@blueprint.get("/")
@access.allow("operators:read")
def index() -> str:
    query = validated(OperatorQuery, fields.asked("cursor", "role", "status"))
    return render_template("operators/index.html", page=operators.index(access.desk(), query))


@blueprint.get("/new")
@access.allow("operators:write")
def new() -> str:
    return render_template("operators/edit.html", operator=None, links=_links())


@blueprint.post("/new")
@access.allow("operators:write")
def create() -> AnyResponse:
    def work() -> AnyResponse:
        spec = validated(OperatorSpec, {"name": request.form.get("name", ""), **_stated()})
        made = operators.create(access.desk(), spec)
        return shown_once("operators/password.html", name=made.name, password=made.password)

    return attempt(work, new)


@blueprint.get("/@<name>")
@access.allow("operators:read")
def show(name: str) -> str:
    desk = access.desk()
    return render_template(
        "operators/show.html",
        operator=operators.show(desk, name),
        sessions=operators.sessions(desk, SessionQuery(operator=name)).items,
    )


@blueprint.get("/@<name>/edit")
@access.allow("operators:write")
def edit(name: str) -> str:
    shown = operators.show(access.desk(), name)
    return render_template("operators/edit.html", operator=shown, links=_links())


@blueprint.post("/@<name>/edit")
@access.allow("operators:write")
def update(name: str) -> AnyResponse:
    def work() -> AnyResponse:
        operators.update(access.desk(), name, validated(OperatorChange, _stated()))
        return done(_("Operator %(name)s is changed.", name=name), "operators.show", name=name)

    return attempt(work, lambda: edit(name))


@blueprint.post("/@<name>/disable")
@access.allow("operators:write")
def disable(name: str) -> AnyResponse:
    reason = validated(Reason, {"reason": fields.optional("reason")}).reason

    def work() -> AnyResponse:
        operators.set_enabled(access.desk(), name, reason, enabled=False)
        said = _("Operator %(name)s is disabled and signed out everywhere.", name=name)
        return done(said, "operators.show", name=name)

    return attempt(work, lambda: show(name))


@blueprint.post("/@<name>/enable")
@access.allow("operators:write")
def enable(name: str) -> AnyResponse:
    operators.set_enabled(access.desk(), name, None, enabled=True)
    said = _("Operator %(name)s may sign in again.", name=name)
    return done(said, "operators.show", name=name)


@blueprint.post("/@<name>/reset-password")
@access.allow("operators:write")
def reset_password(name: str) -> AnyResponse:
    made = operators.reset_password(access.desk(), name)
    return shown_once("operators/password.html", name=made.name, password=made.password)


@blueprint.post("/@<name>/remove-second-factor")
@access.allow("operators:write")
def remove_second_factor(name: str) -> AnyResponse:
    def work() -> AnyResponse:
        reason = fields.optional("reason")
        if reason is None:
            raise Invalid("say why", code="reason_missing")
        asked = validated(NeededReason, {"reason": reason})
        operators.remove_second_factor(access.desk(), name, asked.reason)
        said = _("The second factor of %(name)s is off.", name=name)
        return done(said, "operators.show", name=name)

    return attempt(work, lambda: show(name))


@blueprint.get("/sessions")
@access.allow("operators:read")
def sessions() -> str:
    query = validated(SessionQuery, fields.asked("cursor", "operator"))
    return render_template("operators/sessions.html", page=operators.sessions(access.desk(), query))


@blueprint.post("/sessions/<int:session_id>/end")
@access.allow("operators:write")
def end_session(session_id: int) -> AnyResponse:
    operators.end_session(access.desk(), session_id)
    return done(_("Signed out there."), "operators.sessions")


@blueprint.get("/roles")
@access.allow(SELF)
def roles() -> str:
    return render_template("operators/roles.html", matrix=operators.roles())


def _links() -> list[tuple[int, str]]:
    """Every link, by name."""
    return operators.choices(access.desk())


def _stated() -> dict[str, object]:
    is_kept = request.form.get("sees") == "some"
    return {
        "role": request.form.get("role", ""),
        "display_name": fields.optional("display_name"),
        "email": fields.optional("email"),
        "locale": fields.optional("locale"),
        "link_ids": request.form.getlist("link_ids") if is_kept else None,
    }
