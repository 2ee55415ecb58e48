"""The ledger: accounts, transactions, reversals, and whether it all adds up."""

from datetime import timedelta

from flask import render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, form_key, section, validated
from app.admin.pages.wallets import booked
from app.admin.resources import ledger
from app.admin.resources.ledger import (
    AccountQuery,
    ReversalBody,
    TransactionQuery,
    VerificationBody,
    VerificationOut,
)

blueprint = section("ledger", "/ledger")

TEXT_FILTERS = ("kind", "user_id", "idempotency_key", "actor", "cursor")


@blueprint.get("/")
@access.allow("ledger:read")
def index() -> str:
    desk = access.desk()
    query = validated(AccountQuery, dict(request.args.items()))
    return render_template("ledger/index.html", page=ledger.accounts(desk, query), query=query)


@blueprint.get("/transactions")
@access.allow("ledger:read")
def transactions() -> str:
    """``until`` of the page is the last day that is in it."""
    values: dict[str, object] = {
        name: value.strip()
        for name in TEXT_FILTERS
        if (value := request.args.get(name, "")).strip()
    }
    if (since := fields.period("since")) is not None:
        values["since"] = since
    if (last := fields.period("until")) is not None:
        values["until"] = last + timedelta(days=1)
    query = validated(TransactionQuery, values)
    return render_template(
        "ledger/transactions.html",
        page=ledger.transactions(access.desk(), query),
        is_filtered=bool(values.keys() - {"cursor"}),
    )


@blueprint.get("/transactions/<int:transaction_id>")
@access.allow("ledger:read")
def transaction(transaction_id: int) -> str:
    found = ledger.transaction(access.desk(), transaction_id)
    return render_template("ledger/transaction.html", transaction=found)


@blueprint.get("/transactions/<int:transaction_id>/reverse")
@access.allow("wallets:write")
def confirm_reversal(transaction_id: int) -> str:
    desk = access.desk()
    found = ledger.transaction(desk, transaction_id)
    preview = ledger.preview_reversal(desk, found)
    return render_template("ledger/reverse.html", transaction=found, preview=preview)


@blueprint.post("/transactions/<int:transaction_id>/reverse")
@access.allow("wallets:write")
def reverse(transaction_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        values = {
            "reason": request.form.get("reason", ""),
            "allow_negative": fields.checked("allow_negative"),
        }
        body = validated(ReversalBody, values)
        funded = ledger.reverse(access.desk(), transaction_id, body, key=form_key())
        return done(booked(funded), "ledger.transaction", transaction_id=funded.transaction)

    return attempt(work, lambda: confirm_reversal(transaction_id))


@blueprint.get("/verify")
@access.allow("ledger:read")
def verification() -> str:
    return _verification(None)


@blueprint.post("/verify")
@access.allow("ledger:verify")
def verify() -> AnyResponse:
    def work() -> AnyResponse:
        body = validated(VerificationBody, {"days": fields.optional("days")})
        found = ledger.verify(access.desk(), body)
        return AnyResponse(_verification(found), content_type="text/html; charset=utf-8")

    return attempt(work, verification)


def _verification(found: VerificationOut | None) -> str:
    return render_template(
        "ledger/verify.html", found=found, days_max=ledger.DAYS_MAX, seconds_max=ledger.VERIFY_S
    )
