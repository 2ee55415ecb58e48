"""``shareauth ledger``: wallets, what went in and out of them, and whether it all adds up."""

import secrets
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.frame import Group, Report, wants_json
from app.cli.inputs import Amount
from app.cli.output import amount as decimal
from app.cli.output import card, iso, local, table
from app.cli.people import find_user, subject_argument
from app.cli.session import Desk, with_desk
from app.cli.verification import export_proof, verify
from app.funding import changes
from app.funding.changes import Change, Funded, Reversal
from app.ledger import store as ledger_store
from app.statements.statement import LIMIT_MAX, StatementEntry, load_statement
from app.users import store as user_store
from app.users.models import User

PAGE = 50
NEGATIVE_ARGUMENTS = {"ignore_unknown_options": True}
"""So that -5 is an amount and not an option."""

Fund = Callable[..., Funded]

ledger = Group(
    "ledger",
    help="Every user has a wallet. Questions are charged to it, and money goes in by top-ups; "
    "every change is a balanced, append-only transaction in the wallet's hash chain. Amounts are "
    "in the currency of billing.currency.",
)


def _reason(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that moves money."""
    options = [
        click.option("--reason", required=True, metavar="TEXT", help="Why; it stays for ever."),
        click.option(
            "--key",
            metavar="TEXT",
            help="Idempotency key: repeating a command with the same key changes nothing, so that "
            "it may be repeated after a broken connection. Default: a random one.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


_allow_negative = click.option(
    "--allow-negative", is_flag=True, help="Even if the balance falls below zero."
)


@ledger.command(
    "top-up", example="shareauth ledger top-up alice 100 --reason 'order 4711' --key order-4711"
)
@subject_argument
@click.argument("amount", type=Amount(), help="What was paid, such as 100 or 12.50.")
@_reason
@with_desk
def top_up(
    desk: Desk, subject: str, issuer: str | None, amount: int, *, reason: str, key: str | None
) -> Report:
    """Add what somebody paid to a user's wallet; the next question sees it."""
    return _fund(desk, changes.top_up, subject, issuer, amount, reason=reason, key=key)


@ledger.command(
    "adjust",
    context_settings=NEGATIVE_ARGUMENTS,
    example="shareauth ledger adjust alice -2.5 --reason 'counted twice on 3 May'",
)
@subject_argument
@click.argument("amount", type=Amount(), help="The change of the balance: 5, or -2.5.")
@_reason
@_allow_negative
@with_desk
def adjust(
    desk: Desk,
    subject: str,
    issuer: str | None,
    amount: int,
    *,
    reason: str,
    key: str | None,
    allow_negative: bool,
) -> Report:
    """Correct a balance, up or down, when no other command says what happened."""
    return _fund(
        desk,
        changes.adjust,
        subject,
        issuer,
        amount,
        reason=reason,
        key=key,
        allow_negative=allow_negative,
    )


@ledger.command("refund", example="shareauth ledger refund alice 3 --reason 'answer was broken'")
@subject_argument
@click.argument("amount", type=Amount(), help="What is given back, such as 3.")
@_reason
@with_desk
def refund(
    desk: Desk, subject: str, issuer: str | None, amount: int, *, reason: str, key: str | None
) -> Report:
    """Give a user back something that was charged; it lowers the revenue.

    To undo one whole charge to the last unit, use `ledger reverse`.
    """
    return _fund(desk, changes.refund, subject, issuer, amount, reason=reason, key=key)


@ledger.command("reverse", example="shareauth ledger reverse 1234 --reason 'wrong customer'")
@click.argument("transaction", type=int, help="Its number, as `ledger statement` shows it.")
@_reason
@_allow_negative
@with_desk
def reverse(
    desk: Desk, transaction: int, *, reason: str, key: str | None, allow_negative: bool
) -> Report:
    """Undo one transaction by its exact opposite; both stay on the statement."""
    reversal = Reversal(
        transaction_id=transaction,
        reason=reason,
        idempotency_key=_key(key),
        allow_negative=allow_negative,
    )
    funded = changes.reverse(desk.db, reversal, actor=desk.actor, now=desk.now)
    return _funded(desk, funded, reversal.idempotency_key)


@ledger.command("statement", example="shareauth ledger statement alice")
@subject_argument
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    help=f"How many entries; default: {PAGE}, or all of them with --json.",
)
@click.option(
    "--before",
    type=int,
    metavar="N",
    help="Only entries before this one: `next` of the page before.",
)
@with_desk
def statement(
    desk: Desk, subject: str, issuer: str | None, *, limit: int | None, before: int | None
) -> Report:
    """Show what went in and out of a wallet, newest first.

    Each charge says which models the answer used and the FastGPT points it took; --json adds the
    arithmetic of its price. Where the lines of the answer were archived, it names the archive that
    has the models. An adjustment by `prices rerate` says which answer it prices again.
    """
    with desk.db.read() as session:
        user = find_user(session, subject, issuer)
    wanted = limit or (None if wants_json() else PAGE)
    balance, entries, following = _entries(desk, user, before=before, wanted=wanted)
    currency = desk.settings.billing.currency
    data = {
        "subject": user.subject,
        "uid": user.uid,
        "currency": currency,
        "balance": decimal(balance),
        "entries": [{**entry.as_json(), "at": iso(entry.at)} for entry in entries],
        "next": following,
    }
    shown = table(
        ["no>", "at", "kind", "points>", "amount>", "balance>", "models", "reason"],
        [_row(desk, entry) for entry in entries],
        empty="Nothing was booked yet.",
    )
    said = f"Balance of {user.subject}: {data['balance']} {currency}"
    more = [f"Older entries: --before {following}"] if following else []
    return Report(data, [shown, "", said, *more])


ledger.add_command(verify)
ledger.add_command(export_proof)


def _entries(
    desk: Desk, user: User, *, before: int | None, wanted: int | None
) -> tuple[int, list[StatementEntry], int | None]:
    """Balance, entries (all of them when None are ``wanted``), and where the next page begins."""
    entries: list[StatementEntry] = []
    balance: int | None = None
    while True:
        size = LIMIT_MAX if wanted is None else min(LIMIT_MAX, wanted - len(entries))
        page = load_statement(desk.db, user_id=user.id, before=before, limit=size)
        balance = page.balance if balance is None else balance
        entries += page.entries
        before = page.next_before
        if before is None or len(entries) == wanted:
            return balance, entries, before


def _row(desk: Desk, entry: StatementEntry) -> list[object]:
    return [
        entry.transaction,
        local(entry.at, desk.settings.zone),
        entry.kind,
        decimal(entry.usage.points) if entry.usage else "",
        decimal(entry.amount),
        decimal(entry.balance_after),
        _models(entry),
        _said(entry),
    ]


def _said(entry: StatementEntry) -> str:
    """The reason, and of a re-rating what it prices again."""
    one = entry.rerating
    if one is None:
        return entry.reason or ""
    charges = f"{decimal(one.before.charge)} → {decimal(one.after.charge)}"
    versions = f"{one.before.version or '-'} → {one.after.version or '-'}"
    return f"{entry.reason} (answer {one.reference}: {charges}, prices {versions})"


def _models(entry: StatementEntry) -> object:
    if entry.usage is None:
        return ""
    return f"(in {entry.usage.lines_in})" if entry.usage.lines_in else entry.usage.models


def _fund(  # noqa: PLR0913 - what the three commands share
    desk: Desk,
    fund: Fund,
    subject: str,
    issuer: str | None,
    amount: int,
    *,
    reason: str,
    key: str | None,
    allow_negative: bool = False,
) -> Report:
    with desk.db.read() as session:
        user = find_user(session, subject, issuer)
    change = Change(
        user_id=user.id,
        amount=amount,
        currency=desk.settings.billing.currency,
        reason=reason,
        idempotency_key=_key(key),
        allow_negative=allow_negative,
    )
    funded = fund(desk.db, change, actor=desk.actor, now=desk.now)
    return _funded(desk, funded, change.idempotency_key)


def _funded(desk: Desk, funded: Funded, key: str) -> Report:
    """Tell the gate of the new balance, and the person of both."""
    desk.gate.set_balance(funded.user_id, funded.balance, funded.version)
    with desk.db.read() as session:
        user = _owner(session, funded)
        booked = ledger_store.find_transaction(session, funded.transaction_id)
        amount = booked.amount if booked else 0
    data = {
        "transaction": funded.transaction_id,
        "subject": user.subject,
        "uid": user.uid,
        "amount": decimal(amount),
        "balance": decimal(funded.balance),
        "currency": desk.settings.billing.currency,
        "key": key,
        "is_replay": funded.is_replay,
    }
    said = "Booked before; nothing changed." if funded.is_replay else "Booked."
    shown = {
        "transaction": data["transaction"],
        "subject": data["subject"],
        "amount": data["amount"],
        "balance": f"{data['balance']} {data['currency']}",
        "key": key,
    }
    return Report(data, [said, card(shown)])


def _owner(session: Session, funded: Funded) -> User:
    user = user_store.find_by_id(session, funded.user_id)
    if user is None:  # a foreign key forbids it
        raise RuntimeError(f"transaction {funded.transaction_id} has no user")
    return user


def _key(given: str | None) -> str:
    return given or f"cli-{secrets.token_hex(12)}"
