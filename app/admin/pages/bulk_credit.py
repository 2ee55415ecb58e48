"""Give many users credit: who and how much, what that comes to, and the job."""

from flask import Response, render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import bulk_credit
from app.admin.resources.bulk_credit import BulkGiveIn, BulkIn, BulkPreview
from app.errors import Invalid
from app.moments import after_day
from app.pagekit.languages import gettext as _

blueprint = section("bulk_credit", "/grants/many")

TEXTS = ("run", "reason", "plan", "amount")


@blueprint.get("/")
@access.allow("wallets:write")
def new() -> str:
    return _form()


@blueprint.post("/")
@access.allow("wallets:write")
def preview() -> AnyResponse | str:
    """What would be given; the list goes along in the form below it."""

    def work() -> AnyResponse:
        asked = validated(BulkIn, _typed())
        return Response(_form(bulk_credit.preview(access.desk(), asked), asked.gifts))

    return attempt(work, _form)


@blueprint.post("/give")
@access.allow("wallets:write")
def give() -> AnyResponse:
    def work() -> AnyResponse:
        asked = validated(BulkGiveIn, {**_typed(), "expect": request.form.get("digest", "")})
        job = bulk_credit.give(access.desk(), asked)
        return done(_("A worker gives it."), "jobs.show", job_id=job.id)

    return attempt(work, _form)


def _form(found: BulkPreview | None = None, gifts: str | None = None) -> str:
    desk = access.desk()
    return render_template(
        "bulk_credit/new.html",
        found=found,
        gifts=gifts,
        plan_options=[(name, name) for name in bulk_credit.plan_names(desk)],
        currency=desk.settings.billing.currency,
        zone=desk.settings.zone.key,
        run=f"gift-{desk.now.astimezone(desk.settings.zone):%Y-%m-%d-%H%M}",
    )


def _typed() -> dict[str, object]:
    values: dict[str, object] = {name: fields.optional(name) for name in TEXTS}
    values["run"], values["reason"] = values["run"] or "", values["reason"] or ""
    values["priority"] = fields.optional("priority") or "50"
    last_day = fields.day("last_day")
    if last_day is not None:
        values["expires_at"] = after_day(last_day.date(), access.desk().settings.zone)
    values["gifts"] = _uploaded() or fields.optional("gifts")
    return values


def _uploaded() -> str | None:
    """Raises: Invalid, when the file is no text."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return None
    try:
        return str(file.read(), "utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(_("The file is not UTF-8 text."), code="gifts_columns") from None
