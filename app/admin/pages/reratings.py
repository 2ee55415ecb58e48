"""Price answers again: choose, look at the preview, book exactly that."""

from datetime import timedelta

from flask import Response, flash, render_template, request

from app.admin import access, wording
from app.admin.pages import fields, times
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.paging import PageQuery
from app.admin.resources import prices, reratings
from app.admin.resources.jobs import JobOut
from app.admin.resources.reratings import (
    BookingIn,
    ReratingApplyIn,
    ReratingIn,
    ReratingPreviewOut,
)
from app.errors import Conflict, Invalid, NotFound
from app.pagekit.languages import gettext as _

blueprint = section("reratings", "/prices/again")


@blueprint.get("/")
@access.allow("prices:read")
def index() -> str:
    return _form()


@blueprint.post("/")
@access.allow("prices:read")
def preview() -> AnyResponse | str:
    desk = access.desk()
    try:
        asked = validated(ReratingIn, _typed())
        if desk.may("prices:write") and not reratings.is_small(desk, asked):
            return _begun(reratings.preview_in_background(desk, asked))
        found = reratings.show(desk, asked)
    except (Invalid, Conflict, NotFound) as problem:
        flash(wording.told(problem), "danger")
        return Response(_form(), status=problem.status)
    return _form(found)


@blueprint.post("/apply")
@access.allow("prices:write")
def apply() -> AnyResponse:
    def work() -> AnyResponse:
        asked = validated(
            ReratingApplyIn,
            {
                **_typed(),
                "expect": request.form.get("digest", ""),
                "reason": request.form.get("reason", ""),
                "allow_negative": fields.checked("allow_negative"),
            },
        )
        desk = access.desk()
        if not reratings.is_small(desk, asked):
            return _begun(reratings.apply_in_background(desk, asked))
        booked = reratings.apply(desk, asked)
        said = _(
            "%(adjustments)s adjustments are booked in %(wallets)s wallets.",
            adjustments=booked.adjustments,
            wallets=booked.wallets,
        )
        return done(said, "reratings.index")

    return attempt(work, _form)


@blueprint.post("/apply/<int:job_id>")
@access.allow("prices:write")
def apply_previewed(job_id: int) -> AnyResponse:
    """Book what the preview says that a job has made."""

    def work() -> AnyResponse:
        typed = {
            "reason": request.form.get("reason", ""),
            "allow_negative": fields.checked("allow_negative"),
        }
        why = validated(BookingIn, typed)
        return _begun(reratings.apply_previewed(access.desk(), job_id, why))

    return attempt(work, _form)


def _begun(job: JobOut) -> AnyResponse:
    said = _("A worker does it. You may leave this page: the job goes on, and is found again here.")
    return done(said, "jobs.show", job_id=job.id)


def _typed() -> dict[str, object]:
    zone = access.desk().settings.zone
    price = request.form.get("price", "")
    return {
        "price": int(price) if price.isdecimal() else price,
        "since": times.begins(fields.optional("since"), zone),
        "until": times.ends(fields.optional("until"), zone),
        "link": fields.optional("link"),
        "user": fields.optional("user"),
        "issuer": fields.optional("issuer"),
    }


def _form(found: ReratingPreviewOut | None = None) -> str:
    desk = access.desk()
    first, end = prices.last_month(desk)
    return render_template(
        "reratings/index.html",
        preview=found,
        versions=prices.index(desk, PageQuery(limit=100)).items,
        since=first.isoformat(),
        until=(end - timedelta(days=1)).isoformat(),
        answers_max=reratings.ANSWERS_MAX,
    )
