"""API tokens: one's own, and everybody's for those who may see operators."""

from datetime import timedelta

from flask import render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, shown_once, validated
from app.admin.resources import operators, programs
from app.admin.resources.programs import ApiTokenQuery
from app.errors import Invalid
from app.operators.api_tokens import ApiTokenSpec
from app.operators.roles import SELF
from app.pagekit.languages import gettext as _

blueprint = section("programs", "/api-tokens")

DAYS_OFFERED = (30, 90, 365)


@blueprint.get("/")
@access.allow(SELF)
def index() -> str:
    query = validated(ApiTokenQuery, fields.asked("cursor", "operator"))
    return render_template("programs/index.html", page=programs.index(access.desk(), query))


@blueprint.get("/new")
@access.allow(SELF)
def new() -> str:
    desk = access.desk()
    return render_template(
        "programs/new.html",
        links=[(id_, name) for id_, name in operators.choices(desk) if desk.sees_link(id_)],
        days=DAYS_OFFERED,
    )


@blueprint.post("/new")
@access.allow(SELF)
def create() -> AnyResponse:
    def work() -> AnyResponse:
        if not request.form.getlist("scopes"):
            raise Invalid("tick at least one", code="scopes_missing")
        made = programs.create(access.desk(), validated(ApiTokenSpec, _stated()))
        return shown_once("programs/token.html", made=made, url=access.desk().settings.public_url)

    return attempt(work, new)


@blueprint.post("/<int:token_id>/revoke")
@access.allow(SELF)
def revoke(token_id: int) -> AnyResponse:
    programs.revoke(access.desk(), token_id, fields.optional("reason"))
    return done(_("The token is revoked."), "programs.index")


def _stated() -> dict[str, object]:
    typed = request.form.get("days", "")
    days = int(typed) if typed in {str(one) for one in DAYS_OFFERED} else None
    is_kept = request.form.get("sees") == "some"
    return {
        "name": request.form.get("name", "").strip(),
        "scopes": request.form.getlist("scopes"),
        "link_ids": request.form.getlist("link_ids") if is_kept else None,
        "expires_at": None if days is None else access.desk().now + timedelta(days=days),
    }
