"""Granted credit: the list with what expired unused, giving it, taking it back."""

from datetime import timedelta

from flask import render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, form_key, section, validated
from app.admin.pages.wallets import booked
from app.admin.resources import grants, users, wallets
from app.admin.resources.grants import BreakageQuery, GrantQuery, NewGrant, Revocation
from app.admission.periods import periods_at
from app.moments import after_day
from app.pagekit.formats import decimal
from app.pagekit.languages import gettext as _

blueprint = section("grants", "/grants")


@blueprint.get("/")
@access.allow("wallets:read")
def index() -> str:
    """With what expired in this month and the one before."""
    desk = access.desk()
    query = validated(GrantQuery, fields.query(request.args))
    months = []
    if desk.may("ledger:read"):
        month = periods_at(desk.now, desk.settings.zone).month
        earlier = periods_at(month.starts_at - timedelta(seconds=1), desk.settings.zone).month
        for one in (month, earlier):
            asked = BreakageQuery(since=one.starts_at, until=one.ends_at)
            months.append((one.starts_at.astimezone(desk.settings.zone), asked))
    return render_template(
        "grants/index.html",
        page=grants.index(desk, query),
        query=query,
        months=[(f"{begin:%Y-%m}", grants.breakage(desk, asked)) for begin, asked in months],
    )


@blueprint.get("/new/<int:user_id>")
@access.allow("wallets:write")
def new(user_id: int) -> str:
    desk = access.desk()
    desk.check_permissions("users:read")
    return render_template(
        "grants/new.html",
        user=users.show(desk, user_id),
        wallet=wallets.show(desk, user_id),
        zone=desk.settings.zone.key,
    )


@blueprint.post("/new/<int:user_id>")
@access.allow("wallets:write")
def give(user_id: int) -> AnyResponse:
    """Until the end of the day that is named, by the operator's clock."""

    def work() -> AnyResponse:
        values: dict[str, object] = {
            "amount": fields.optional("amount"),
            "reason": request.form.get("reason", ""),
            "priority": fields.optional("priority") or "50",
        }
        last_day = fields.day("last_day")
        if last_day is not None:
            values["expires_at"] = after_day(last_day.date(), access.desk().settings.zone)
        funded = grants.give(access.desk(), user_id, validated(NewGrant, values), key=form_key())
        return done(booked(funded), "users.show", user_id=user_id)

    return attempt(work, lambda: new(user_id))


@blueprint.get("/<int:transaction_id>")
@access.allow("wallets:read")
def show(transaction_id: int) -> str:
    return render_template("grants/show.html", grant=grants.show(access.desk(), transaction_id))


@blueprint.post("/<int:transaction_id>/revoke")
@access.allow("wallets:write")
def revoke(transaction_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        body = validated(Revocation, {"reason": request.form.get("reason", "")})
        revoked = grants.revoke(access.desk(), transaction_id, body)
        amount = f"{decimal(revoked.lapsed)} {revoked.currency}"
        said = _("%(amount)s of it were taken back.", amount=amount)
        return done(said, "grants.show", transaction_id=transaction_id)

    return attempt(work, lambda: show(transaction_id))
