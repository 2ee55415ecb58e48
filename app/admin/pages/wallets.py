"""A user's money: statement, and what an operator puts in or takes out, previewed first."""

from datetime import timedelta

from flask import render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, form_key, section, validated
from app.admin.resources import users, wallets
from app.admin.resources.wallets import (
    AdjustBody,
    FundedOut,
    Movement,
    PaidBody,
    StatementQuery,
)
from app.errors import Invalid
from app.pagekit.formats import decimal
from app.pagekit.languages import gettext as _

blueprint = section("wallets", "/users")

MOVEMENTS: dict[str, Movement] = {
    "top_up": "top_up",
    "adjustment": "adjustment",
    "refund": "refund",
}
STATEMENT_ROWS = 100


@blueprint.get("/<int:user_id>/statement")
@access.allow("wallets:read")
def statement(user_id: int) -> str:
    """``until`` of the page is the last day that is in it."""
    desk = access.desk()
    desk.check_permissions("users:read")
    since, last = fields.period("since"), fields.period("until")
    query = StatementQuery(
        since=since,
        until=None if last is None else last + timedelta(days=1),
        cursor=request.args.get("cursor") or None,
        limit=STATEMENT_ROWS,
    )
    with desk.db.snapshot():
        found, user = wallets.statement(desk, user_id, query), users.show(desk, user_id)
    return render_template(
        "users/statement.html",
        user=user,
        statement=found,
        last_day=(found.until - timedelta(seconds=1)).astimezone(desk.settings.zone).date(),
        first_day=found.since.astimezone(desk.settings.zone).date(),
    )


@blueprint.get("/<int:user_id>/money")
@access.allow("wallets:write")
def money(user_id: int) -> str:
    return _form(user_id, None)


@blueprint.post("/<int:user_id>/money")
@access.allow("wallets:write")
def move(user_id: int) -> AnyResponse:
    """First the preview, then, from there, the booking."""

    def work() -> AnyResponse:
        movement, body = _stated()
        if request.form.get("step") != "book":
            return AnyResponse(
                _form(user_id, (movement, body)), content_type="text/html; charset=utf-8"
            )
        funded = wallets.fund(access.desk(), user_id, movement, body, key=form_key())
        return done(booked(funded), "users.show", user_id=user_id)

    return attempt(work, lambda: _form(user_id, None))


def booked(funded: FundedOut) -> str:
    """What is said after money moved."""
    balance = f"{decimal(funded.balance)} {funded.currency}"
    if funded.is_replay:
        return _("It was booked before; nothing changed. Balance: %(balance)s", balance=balance)
    return _("It is booked. Balance: %(balance)s", balance=balance)


def _form(user_id: int, stated: tuple[Movement, PaidBody | AdjustBody] | None) -> str:
    desk = access.desk()
    preview = None if stated is None else wallets.preview(desk, user_id, stated[1].amount)
    return render_template(
        "users/money.html",
        user=users.show(desk, user_id),
        wallet=wallets.show(desk, user_id),
        preview=preview,
        chosen=request.values.get("movement", "top_up"),
        movements=list(MOVEMENTS),
    )


def _stated() -> tuple[Movement, PaidBody | AdjustBody]:
    movement = MOVEMENTS.get(request.form.get("movement", ""))
    if movement is None:
        raise Invalid(_("The form is incomplete: open the page again."))
    values: dict[str, object] = {
        "amount": fields.optional("amount"),
        "reason": request.form.get("reason", ""),
    }
    if movement == "adjustment":
        allows = fields.checked("allow_negative")
        return movement, validated(AdjustBody, {**values, "allow_negative": allows})
    return movement, validated(PaidBody, values)
