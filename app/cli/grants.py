"""``shareauth grants``: credit that is spent before paid credit, and may expire."""

import csv
import secrets
from datetime import datetime, timedelta
from typing import Any, TextIO

import click
from sqlalchemy.orm import Session

from app.background import granting
from app.background.handlers import enqueue
from app.cli.frame import Group, Report
from app.cli.inputs import Amount, Duration, LastTime, by_clock
from app.cli.output import amount as decimal
from app.cli.output import card, iso, table
from app.cli.people import find_user, subject_argument
from app.cli.session import Desk, validated, with_desk
from app.errors import Invalid
from app.funding import grants as funding
from app.funding.grants import Grace, GrantNotFound
from app.ledger import store as ledger_store
from app.ledger.credit import store
from app.ledger.credit.models import Grant
from app.ledger.credit.store import Filters
from app.ledger.grants import PRIORITY, PRIORITY_MAX
from app.ledger.grants import find as find_terms
from app.moments import good_until
from app.money import format_nano, from_nano
from app.people.credit import credit_standing
from app.users import store as user_store

PAGE = 100

grants = Group(
    "grants",
    help="Granted credit is spent before paid credit: the lowest priority first, then what "
    "expires first. What is left when it expires leaves the wallet, and stands in the ledger "
    "under `breakage`. Plans give some every month: `plans update NAME --monthly-credit 5`.",
)

_grant_argument = click.argument(
    "transaction", type=int, help="The grant's transaction, as `grants list` shows it."
)
_reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it stays for ever."
)


@grants.command("give", example="shareauth grants give alice 20 --for 30d --reason 'welcome'")
@subject_argument
@click.argument("amount", type=Amount(), help="How much, such as 20 or 2.50.")
@click.option(
    "--until",
    type=LastTime(),
    metavar="TIME",
    help="Good until the end of 2026-12-31, or until 2026-12-31T18:00 (by service.time_zone).",
)
@click.option("--for", "lasts", type=Duration(), metavar="TIME", help="It expires after 30d.")
@click.option(
    "--priority",
    type=click.IntRange(0, PRIORITY_MAX),
    default=PRIORITY,
    show_default=True,
    metavar="N",
    help="Of several grants the lowest is spent first.",
)
@_reason_option
@click.option("--key", metavar="TEXT", help="Idempotency key: with it, repeating changes nothing.")
@with_desk
def give(
    desk: Desk,
    subject: str,
    issuer: str | None,
    amount: int,
    *,
    until: datetime | None,
    lasts: timedelta | None,
    **typed: Any,  # noqa: ANN401 - the options above
) -> Report:
    """Give a user credit; the next question sees it, and what they owe is covered at once."""
    if until is not None and lasts is not None:
        raise click.UsageError("Say --until or --for, not both.")
    expires_at = by_clock(until, desk.settings.zone) if until else None
    with desk.db.read() as session:
        user_id = find_user(session, subject, issuer).id
        if lasts is not None:
            expires_at = _said_before(session, typed["key"]) or desk.now + lasts
    grace = Grace(
        user_id=user_id,
        amount=amount,
        currency=desk.settings.billing.currency,
        reason=typed["reason"],
        idempotency_key=typed["key"] or secrets.token_urlsafe(12),
        expires_at=expires_at,
        priority=typed["priority"],
    )
    funded = funding.grant(desk.db, grace, actor=desk.actor, now=desk.now)
    desk.gate.set_balance(funded.user_id, funded.balance, funded.version)
    with desk.db.read() as session:
        row = _get(session, funded.transaction_id)
    data = {**_described(row, row.remaining), "balance": format_nano(funded.balance)}
    shown = card(data | _clock(desk, row))
    said = "It was given before with this key; nothing changed." if funded.is_replay else "Given."
    return Report(data, [said, shown])


@grants.command("list", example="shareauth grants list --open")
@click.option("--user", "subject", metavar="SUBJECT", help="Of this user only.")
@click.option("--open", "is_open", is_flag=True, help="Only those that have not ended.")
@click.option("--before", type=int, metavar="N", help="Those before this transaction.")
@with_desk
def list_(desk: Desk, *, subject: str | None, is_open: bool, before: int | None) -> Report:
    """List the newest hundred grants.

    What is left is as it was noted last, some minutes ago; `grants show` looks now.
    """
    with desk.db.read() as session:
        user_id = None if subject is None else find_user(session, subject, None).id
        wanted = Filters(user_id=user_id, is_open=True if is_open else None)
        rows = store.list_grants(session, wanted, before=before, limit=PAGE)
        subjects = user_store.load_subjects(session, {row.user_id for row in rows})
    data = [
        {**_described(row, row.remaining), "subject": subjects.get(row.user_id)} for row in rows
    ]
    shown = table(
        ["grant>", "user", "amount>", "left>", "lapsed>", "priority>", "good until", "reason"],
        [
            [
                row.transaction_id,
                subjects.get(row.user_id, ""),
                decimal(row.amount),
                decimal(row.remaining),
                decimal(row.lapsed),
                row.priority,
                _until(desk, row.expires_at),
                row.reason,
            ]
            for row in rows
        ],
        empty="There are none: `shareauth grants give`.",
    )
    return Report({"grants": data}, [shown])


@grants.command("show", example="shareauth grants show 1234")
@_grant_argument
@with_desk
def show(desk: Desk, transaction: int) -> Report:
    """Show one grant, and what is left of it now."""
    with desk.db.read() as session:
        row = _get(session, transaction)
        stands = credit_standing(session, row.user_id, desk.now)
    left = {one.grant.transaction_id: one.left for one in stands.grants}
    data = _described(row, left.get(transaction, 0))
    return Report(data, [card(data | _clock(desk, row))])


@grants.command("revoke", example="shareauth grants revoke 1234 --reason 'given by mistake'")
@_grant_argument
@_reason_option
@with_desk
def revoke(desk: Desk, transaction: int, *, reason: str) -> Report:
    """Take back what is left of a grant; what was spent stays spent."""
    done = funding.revoke(desk.db, transaction, reason=reason, actor=desk.actor, now=desk.now)
    desk.gate.set_balance(done.funded.user_id, done.funded.balance, done.funded.version)
    data = {
        "transaction": done.funded.transaction_id,
        "lapsed": format_nano(done.lapsed),
        "balance": format_nano(done.funded.balance),
    }
    return Report(data, ["It is taken back.", card(data)])


@grants.command(
    "give-many",
    example="shareauth grants give-many gifts.csv --for 30d --reason 'spring' --run spring-2026",
)
@click.argument(
    "file",
    type=click.File(encoding="utf-8-sig"),
    required=False,
    help="CSV with the columns subject and amount, and issuer where subjects need one.",
)
@click.option("--plan", metavar="NAME", help="Instead of a file: everybody who has this plan …")
@click.option("--amount", type=Amount(), help="… and how much each is given.")
@click.option("--until", type=LastTime(), metavar="TIME", help="Good until the end of 2026-12-31.")
@click.option("--for", "lasts", type=Duration(), metavar="TIME", help="It expires after 30d.")
@click.option(
    "--priority",
    type=click.IntRange(0, PRIORITY_MAX),
    default=PRIORITY,
    show_default=True,
    metavar="N",
    help="Of several grants the lowest is spent first.",
)
@_reason_option
@click.option(
    "--run",
    required=True,
    metavar="NAME",
    help="What you call it: letters, digits, - and _. The same again gives nobody a second time.",
)
@with_desk
def give_many(
    desk: Desk,
    file: TextIO | None,
    *,
    until: datetime | None,
    lasts: timedelta | None,
    **typed: Any,  # noqa: ANN401 - the options above
) -> Report:
    """Give many users credit: those of a file, or all of a plan. A worker does it: see `jobs`."""
    if until is not None and lasts is not None:
        raise click.UsageError("Say --until or --for, not both.")
    expires_at = by_clock(until, desk.settings.zone) if until else None
    amount = typed.pop("amount")
    values = {
        **typed,
        "amount": None if amount is None else from_nano(amount),
        "expires_at": desk.now + lasts if lasts else expires_at,
        "gifts": None if file is None else _gifts(desk, file),
    }
    parameters = validated(granting.Parameters, values)
    with desk.db.begin() as session:
        job = enqueue(
            session,
            granting.KIND,
            parameters,
            actor=desk.actor,
            now=desk.now,
            reason=parameters.reason,
        )
    said = f"Job {job.id} gives it: shareauth jobs show {job.id}"
    return Report({"job": job.id, "run": parameters.run}, [said])


def _said_before(session: Session, key: str | None) -> datetime | None:
    """When what was given with this key expires: asking again means that, not as long from now."""
    found = None if key is None else ledger_store.find_by_key(session, key)
    terms = None if found is None else find_terms(found.details)
    return None if terms is None else terms.expires_at


def _gifts(desk: Desk, file: TextIO) -> list[tuple[int, str]]:
    """Raises: Invalid, UserNotFound; nothing is given when one line is wrong."""
    rows = csv.DictReader(file)
    if not {"subject", "amount"} <= set(rows.fieldnames or ()):
        raise Invalid("the file's first line must name the columns subject and amount")
    with desk.db.read() as session:
        return [
            (
                find_user(session, row["subject"] or "", row.get("issuer") or None).id,
                row["amount"] or "",
            )
            for row in rows
        ]


def _get(session: Session, transaction_id: int) -> Grant:
    row = store.find(session, transaction_id)
    if row is None:
        raise GrantNotFound(f"transaction {transaction_id} is no grant")
    return row


def _clock(desk: Desk, row: Grant) -> dict[str, Any]:
    """In place of the exact moments, for people."""
    return {"expires_at": None, "good_until": _until(desk, row.expires_at)}


def _until(desk: Desk, over: datetime | None) -> str | None:
    """Until and including which day or time, by the operator's clock."""
    return None if over is None else good_until(over, desk.settings.zone)


def _described(row: Grant, left: int) -> dict[str, Any]:
    return {
        "grant": row.transaction_id,
        "user": row.user_id,
        "source": row.source,
        "month": row.month,
        "amount": format_nano(row.amount),
        "left": format_nano(left),
        "lapsed": format_nano(row.lapsed),
        "priority": row.priority,
        "granted_at": iso(row.granted_at),
        "expires_at": iso(row.expires_at),
        "ended_at": iso(row.closed_at),
        "ended_as": row.closed_as,
        "reason": row.reason,
    }
