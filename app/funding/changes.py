"""What an operator may do to a wallet: top up, adjust, refund, reverse.

Each is one transaction of the ledger with its audit row, in one database transaction. Asked again
with the same idempotency key it changes nothing and returns what the first call did, so a caller
whose answer got lost asks again. Hand ``Funded.balance`` and ``version`` to the gate afterwards.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.db import Database
from app.errors import Conflict, Invalid, NotFound
from app.ledger import reratings, store, writer
from app.ledger.models import Account, Transaction
from app.ledger.transactions import COUNTER_ACCOUNT, Entry, Kind, check
from app.metering import store as metering_store
from app.money import NANO_MAX, format_nano
from app.pricing import store as pricing_store

_VERB: dict[Kind, str] = {
    "top_up": "top_up",
    "refund": "refund",
    "adjustment": "adjust",
    "reversal": "reverse",
}


class BalanceWouldBeNegative(Conflict):
    """The change takes more than there is, and was not told that it may."""

    code = "balance_would_be_negative"


class PricedSince(Conflict):
    """The charge, or a re-rating of it, is not what the answer costs any more."""

    code = "priced_since"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one wallet.

    ``amount`` is in nano-units of ``currency``, the operator's (``billing.currency``): greater than
    zero to top up or refund, signed to adjust.
    """

    user_id: int
    amount: int
    currency: str
    reason: str
    idempotency_key: str
    allow_negative: bool = False


@dataclass(frozen=True, slots=True)
class Reversal:
    """What undoes one transaction, to the last unit."""

    transaction_id: int
    reason: str
    idempotency_key: str
    allow_negative: bool = False


@dataclass(frozen=True, slots=True)
class Funded:
    """The transaction, and the wallet as it stood after this call."""

    user_id: int
    transaction_id: int
    balance: int
    version: int
    is_replay: bool


def top_up(db: Database, change: Change, *, actor: Actor, now: datetime) -> Funded:
    """Add what somebody paid.

    Raises:
        NotFound: there is no such user.
        EntryInvalid: the amount is not greater than zero, or there is no reason or key.
        IdempotencyConflict: the key was used for something else.
    """
    return _change(db, "top_up", change, actor=actor, now=now)


def refund(db: Database, change: Change, *, actor: Actor, now: datetime) -> Funded:
    """Give back what was charged; it lowers the revenue.

    Raises:
        NotFound, EntryInvalid, IdempotencyConflict: as for ``top_up``.
    """
    return _change(db, "refund", change, actor=actor, now=now)


def adjust(db: Database, change: Change, *, actor: Actor, now: datetime) -> Funded:
    """Correct a balance, up or down.

    Raises:
        BalanceWouldBeNegative: it would fall below zero without ``allow_negative``.
        NotFound, EntryInvalid, IdempotencyConflict: as for ``top_up``.
    """
    return _change(db, "adjustment", change, actor=actor, now=now)


def reverse(db: Database, reversal: Reversal, *, actor: Actor, now: datetime) -> Funded:
    """Undo one transaction by its exact opposite; of a charge, a top-up, anything but a reversal.

    Raises:
        NotFound: there is no such transaction.
        AlreadyReversed: it was reversed under another key.
        PricedSince: what it charged was priced again since; that is undone first.
        BalanceWouldBeNegative: the balance would fall below zero without ``allow_negative``.
        EntryInvalid: it is a reversal itself, or there is no reason or key.
        IdempotencyConflict: the key was used for something else.
    """

    def work(session: Session) -> Funded:
        transaction = store.find_transaction(session, reversal.transaction_id)
        if transaction is None:
            raise NotFound(
                f"there is no transaction {reversal.transaction_id}", code="transaction_not_found"
            )
        wallet = writer.lock_wallet_of(session, transaction)
        entry = Entry(
            kind="reversal",
            amount=-transaction.amount,
            counter_account=writer.counter_account(session, transaction),
            idempotency_key=reversal.idempotency_key,
            actor=actor.name,
            reason=reversal.reason,
            reverses_id=transaction.id,
        )
        _refuse_overtaken(session, transaction)
        funded = _post(
            session, wallet, entry, allow_negative=reversal.allow_negative, actor=actor, now=now
        )
        if not funded.is_replay:
            _give_allowance_back(session, funded.user_id, transaction)
        return funded

    return db.run(work)


def _refuse_overtaken(session: Session, transaction: Transaction) -> None:
    """What an answer costs is undone newest first: what was made of it since goes before it."""
    reference = _reference(session, transaction)
    if reference is None or store.find_reversal(session, transaction.id) is not None:
        return
    since = [
        str(one.transaction_id)
        for one in pricing_store.load_reratings(session, [reference])[reference]
        if one.stood(None) and one.sequence > transaction.sequence
    ]
    if since:
        raise PricedSince(
            f"the answer of transaction {transaction.id} was priced again since: reverse "
            f"{' and '.join(reversed(since))} first"
        )


def _reference(session: Session, transaction: Transaction) -> str | None:
    """Of the usage event whose charge or re-rating this is."""
    if transaction.event_id is not None:
        (event,) = metering_store.load_events(session, [transaction.event_id]).values()
        return str(event.reference)
    rerating = reratings.read(transaction.details)
    return None if rerating is None else rerating.reference


def _give_allowance_back(session: Session, user_id: int, transaction: Transaction) -> None:
    rerating = reratings.read(transaction.details)
    if rerating is not None:
        change = {(user_id, rerating.month): -rerating.allowance_change}
        pricing_store.move_allowances(session, change)


def _change(
    db: Database,
    kind: Literal["top_up", "refund", "adjustment"],
    change: Change,
    *,
    actor: Actor,
    now: datetime,
) -> Funded:
    entry = Entry(
        kind=kind,
        amount=change.amount,
        counter_account=COUNTER_ACCOUNT[kind],
        idempotency_key=change.idempotency_key,
        actor=actor.name,
        reason=change.reason,
    )

    def work(session: Session) -> Funded:
        wallet = writer.lock_wallet(session, change.user_id, currency=change.currency, now=now)
        return _post(
            session, wallet, entry, allow_negative=change.allow_negative, actor=actor, now=now
        )

    return db.run(work)


def _post(
    session: Session,
    wallet: Account,
    entry: Entry,
    *,
    allow_negative: bool,
    actor: Actor,
    now: datetime,
) -> Funded:
    check(entry)
    # Looked up before the balance is judged: asking again is no second withdrawal.
    replayed = writer.find_posted(session, wallet, entry)
    if replayed is not None:
        return _funded(wallet, replayed, is_replay=True)
    before = wallet.balance
    if abs(before + entry.amount) > NANO_MAX:
        raise Invalid(
            "the balance would be more than the ledger can hold", code="balance_too_large"
        )
    posted = writer.post(session, wallet, entry, now=now)
    # Judged last, so that a better reason to refuse is heard first; raising undoes the post.
    if entry.amount < 0 and wallet.balance < 0 and not allow_negative:
        raise BalanceWouldBeNegative(
            f"{wallet.name} has {format_nano(before)} {wallet.currency}; taking "
            f"{format_nano(-entry.amount)} needs leave to go below zero (--allow-negative)"
        )
    journal.record(
        session,
        actor=actor,
        action=f"wallets.{_VERB[entry.kind]}",
        subject=("wallet", wallet.user_id),
        now=now,
        change=(
            {"balance": format_nano(before)},
            {"balance": format_nano(wallet.balance), "transaction": posted.transaction.id},
        ),
        reason=entry.reason,
    )
    return _funded(wallet, posted.transaction, is_replay=posted.is_replay)


def _funded(wallet: Account, transaction: Transaction, *, is_replay: bool) -> Funded:
    return Funded(
        user_id=wallet.user_id or 0,
        transaction_id=transaction.id,
        balance=wallet.balance,
        version=wallet.version,
        is_replay=is_replay,
    )
