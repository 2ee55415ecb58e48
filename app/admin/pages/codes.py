"""Redemption codes: batches, printing them, finding one, redeeming one for a user."""

import csv
import io
from collections.abc import Callable
from datetime import datetime

from flask import Response, render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import codes
from app.admin.resources.codes import (
    BatchOut,
    BatchQuery,
    BatchReason,
    CodeQuery,
    NewBatch,
    TypedCode,
)
from app.codes.commands import PRIORITY
from app.errors import Invalid
from app.moments import after_day
from app.pagekit import formats
from app.pagekit.languages import gettext as _

CREDIT_COLUMNS = ("credit", "credit_until", "credit_days")

blueprint = section("codes", "/codes")


@blueprint.get("/")
@access.allow("codes:read")
def index() -> str:
    query = validated(BatchQuery, fields.query(request.args))
    page = codes.index(access.desk(), query)
    return render_template("codes/index.html", page=page, query=query)


@blueprint.get("/new")
@access.allow("codes:write")
def new() -> str:
    return render_template("codes/new.html", zone=access.desk().settings.zone.key)


@blueprint.post("/new")
@access.allow("codes:write")
def create() -> AnyResponse:
    def work() -> AnyResponse:
        spec = validated(
            NewBatch,
            {
                "name": request.form.get("name", "").strip(),
                "amount": fields.optional("amount"),
                "count": fields.optional("count"),
                "expires_at": _expiry(fields.optional("expires_at")),
                "per_user_max": fields.optional("per_user_max"),
                "note": fields.optional("note"),
                "credit": _credit(),
            },
        )
        made = codes.create(access.desk(), spec)
        said = _("%(count)s codes are made. Print them now: nothing else shows them.")
        return done(said % {"count": made.count}, "codes.show", name=made.name)

    return attempt(work, new)


@blueprint.get("/find")
@access.allow("codes:read")
def find() -> str:
    return render_template("codes/find.html", found=None)


@blueprint.post("/find")
@access.allow("codes:read")
def do_find() -> AnyResponse:
    """The code comes in the body, and stays out of every address."""

    def work() -> AnyResponse:
        typed = validated(TypedCode, {"code": request.form.get("code", "")})
        found = codes.find(access.desk(), typed.code)
        return Response(render_template("codes/find.html", found=found))

    return attempt(work, find)


@blueprint.get("/redeem")
@access.allow("wallets:write")
def redeem() -> str:
    return render_template("codes/redeem.html", user=request.args.get("user", "")[:300])


@blueprint.post("/redeem")
@access.allow("wallets:write")
def do_redeem() -> AnyResponse:
    def work() -> AnyResponse:
        desk = access.desk()
        typed = validated(TypedCode, {"code": request.form.get("code", "")})
        subject = request.form.get("user", "").strip()
        user_id = codes.find_user_id(desk, subject, fields.optional("issuer"))
        booked = codes.redeem(desk, user_id, typed.code)
        said = (
            _("%(user)s had redeemed this code before: nothing moved. The balance is %(balance)s.")
            if booked.is_replay
            else _("%(user)s got %(amount)s. The balance is %(balance)s.")
        )
        named = {
            "user": subject,
            "amount": formats.decimal(booked.amount),
            "balance": formats.decimal(booked.balance),
        }
        return done(said % named, "codes.redeem")

    return attempt(work, redeem)


@blueprint.get("/batches/<name>")
@access.allow("codes:read")
def show(name: str) -> str:
    desk = access.desk()
    query = validated(CodeQuery, fields.query(request.args))
    return render_template(
        "codes/show.html",
        batch=codes.show(desk, name),
        page=codes.list_codes(desk, name, query),
        query=query,
    )


@blueprint.post("/batches/<name>/sheet")
@access.allow("codes:write")
def sheet(name: str) -> AnyResponse:
    """To be printed. A POST, for it shows secrets and leaves a line in the audit."""

    def work() -> AnyResponse:
        shown = codes.show_texts(access.desk(), name)
        return Response(render_template("codes/sheet.html", shown=shown))

    return attempt(work, lambda: show(name))


@blueprint.post("/batches/<name>/csv")
@access.allow("codes:write")
def download(name: str) -> AnyResponse:
    """The same as a file, for a printer's shop or a mailing."""

    def work() -> AnyResponse:
        shown = codes.show_texts(access.desk(), name)
        batch = shown.batch
        until = "" if batch.expires_at is None else batch.expires_at.isoformat()
        text = io.StringIO()
        lines = csv.writer(text)
        lines.writerow(["serial", "code", "amount", "currency", "expires_at", *CREDIT_COLUMNS])
        said = [batch.amount, batch.currency, until, *_credit_cells(batch)]
        lines.writerows([one.serial, one.code, *said] for one in shown.codes)
        return Response(
            text.getvalue(),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="codes-{batch.id}.csv"'},
        )

    return attempt(work, lambda: show(name))


@blueprint.post("/batches/<name>/printed")
@access.allow("codes:write")
def printed(name: str) -> AnyResponse:
    codes.confirm_printed(access.desk(), name)
    said = _("The codes are forgotten here. They can be redeemed as before.")
    return done(said, "codes.show", name=name)


@blueprint.post("/batches/<name>/pause")
@access.allow("codes:write")
def pause(name: str) -> AnyResponse:
    return _change(
        name,
        lambda reason: codes.set_paused(access.desk(), name, reason, paused=True),
        _("The codes of the batch are refused until you resume it."),
    )


@blueprint.post("/batches/<name>/resume")
@access.allow("codes:write")
def resume(name: str) -> AnyResponse:
    return _change(
        name,
        lambda reason: codes.set_paused(access.desk(), name, reason, paused=False),
        _("The codes of the batch are taken again."),
    )


@blueprint.post("/batches/<name>/cancel")
@access.allow("codes:write")
def cancel(name: str) -> AnyResponse:
    return _change(
        name,
        lambda reason: codes.cancel(access.desk(), name, reason),
        _("The batch is cancelled."),
    )


def _change(name: str, change: Callable[[str | None], BatchOut], said: str) -> AnyResponse:
    def work() -> AnyResponse:
        change(validated(BatchReason, {"reason": fields.optional("reason")}).reason)
        return done(said, "codes.show", name=name)

    return attempt(work, lambda: show(name))


def _credit() -> dict[str, object] | None:
    """On which terms codes give granted credit, as it was typed; None for paid credit."""
    if request.form.get("gives") != "granted":
        return None
    last_day = fields.day("credit_last_day")
    zone = access.desk().settings.zone
    return {
        "priority": fields.optional("credit_priority") or str(PRIORITY),
        "expires_at": None if last_day is None else after_day(last_day.date(), zone),
        "days": fields.optional("credit_days"),
    }


def _credit_cells(batch: BatchOut) -> tuple[object, ...]:
    """What each code gives: paid or granted, the last day of it, for how many days."""
    credit = batch.credit
    if credit is None:
        return "paid", "", ""
    until = "" if credit.expires_at is None else formats.until(credit.expires_at)
    return "granted", until, "" if credit.days is None else credit.days


def _expiry(typed: str | None) -> datetime | None:
    """What a field for date and time says, by the operator's clock."""
    if typed is None:
        return None
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=formats.zone())
    except ValueError:
        raise Invalid("this is no date, or no time", code="date_invalid") from None
