"""Plans: list, add, change."""

from flask import render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.paging import PageQuery
from app.admin.resources import plans
from app.limits import VisitorLimits
from app.pagekit.languages import gettext as _
from app.plans.commands import PlanChange, PlanSpec

blueprint = section("plans", "/plans")


@blueprint.get("/")
@access.allow("plans:read")
def index() -> str:
    return render_template("plans/index.html", plans=plans.index(access.desk(), PageQuery()).items)


@blueprint.get("/new")
@access.allow("plans:write")
def new() -> str:
    return render_template("plans/edit.html", plan=None)


@blueprint.post("/new")
@access.allow("plans:write")
def create() -> AnyResponse:
    def work() -> AnyResponse:
        spec = validated(PlanSpec, {"name": request.form.get("name", ""), **_stated()})
        made = plans.create(access.desk(), spec)
        return done(_("Plan %(name)s is ready.", name=made.name), "plans.index")

    return attempt(work, new)


@blueprint.get("/<name>")
@access.allow("plans:read")
def show(name: str) -> str:
    return render_template("plans/edit.html", plan=plans.show(access.desk(), name))


@blueprint.post("/<name>")
@access.allow("plans:write")
def update(name: str) -> AnyResponse:
    def work() -> AnyResponse:
        change = validated(PlanChange, _stated())
        plans.update(access.desk(), name, change)
        return done(_("Plan %(name)s is changed.", name=name), "plans.index")

    return attempt(work, lambda: show(name))


def _stated() -> dict[str, object]:
    return {
        "limits": fields.limits(VisitorLimits),
        "credit_limit": fields.optional("credit_limit"),
        "price_multiplier": fields.optional("price_multiplier") or "1",
        "monthly_credit": fields.optional("monthly_credit") or "0",
        "monthly_priority": fields.optional("monthly_priority") or "50",
    }
