"""Billing periods: the months that are closed, and closing the next one."""

from flask import Response, render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.paging import PageQuery
from app.admin.resources import closings
from app.admin.resources.closings import CheckOut, CloseIn, PreviewQuery, TypedOtherwise
from app.pagekit.languages import gettext as _

blueprint = section("closings", "/closings")


@blueprint.get("/")
@access.allow("ledger:read")
def index() -> str:
    desk = access.desk()
    query = validated(PageQuery, dict(request.args))
    return render_template(
        "closings/index.html", page=closings.index(desk, query), job=closings.find_open_job(desk)
    )


@blueprint.get("/next")
@access.allow("ledger:read")
def preview() -> str:
    desk = access.desk()
    query = validated(PreviewQuery, {"month": fields_month()})
    found = closings.look(desk, query.month)
    return render_template("closings/preview.html", preview=found, job=closings.find_open_job(desk))


@blueprint.post("/next")
@access.allow("wallets:write")
def close() -> AnyResponse:
    def work() -> AnyResponse:
        asked = validated(
            CloseIn,
            {
                "month": request.form.get("month", ""),
                "reason": request.form.get("reason", ""),
                "insist": fields.checked("insist"),
            },
        )
        if request.form.get("typed", "").strip() != asked.month:
            raise TypedOtherwise("type the month to close it")
        job = closings.close(access.desk(), asked)
        return done(_("A worker closes the month."), "jobs.show", job_id=job.id)

    return attempt(work, preview)


@blueprint.get("/<month>")
@access.allow("ledger:read")
def show(month: str) -> str:
    return _shown(month)


@blueprint.post("/<month>/verify")
@access.allow("ledger:verify")
def verify(month: str) -> AnyResponse:
    def work() -> AnyResponse:
        return Response(_shown(month, closings.check(access.desk(), month)))

    return attempt(work, lambda: _shown(month))


@blueprint.get("/<month>/content.json")
@access.allow("ledger:read")
def content(month: str) -> Response:
    desk = access.desk()
    response = Response(closings.content(desk, month), content_type="application/json")
    name = closings.show(desk, month).month
    response.headers["Content-Disposition"] = f'attachment; filename="closing-{name}.json"'
    return response


def fields_month() -> str | None:
    """The month asked for, in a form or an address."""
    return request.form.get("month") or request.args.get("month") or None


def _shown(month: str, checked: CheckOut | None = None) -> str:
    closing = closings.show(access.desk(), month)
    return render_template("closings/show.html", closing=closing, checked=checked)
