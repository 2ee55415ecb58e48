"""Give credit, and take away what is left of it: on a locked wallet, in its transaction.

The rows of ``credit.models`` move on here and nowhere else. A wallet without grants has none of
them, and nothing that charges it looks.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.ledger import writer
from app.ledger.burndown import Credit, Held, Move
from app.ledger.credit import store
from app.ledger.credit.models import Grant, GrantCheckpoint
from app.ledger.grants import Because, Closing, Terms, expiry_key, source_of
from app.ledger.models import Account, Transaction
from app.ledger.redemptions import Redemption
from app.ledger.transactions import COUNTER_ACCOUNT, Entry

MOMENT = timedelta(microseconds=1)
"""An expiry is posted for the last moment of its grant: it belongs to that day and month."""


@dataclass(frozen=True, slots=True)
class Gift:
    """Credit that is given: ``amount`` in nano-units, more than zero."""

    terms: Terms
    amount: int
    idempotency_key: str
    actor: str
    reason: str
    code: Redemption | None = None
    """The redeemed code that gives it."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A grant that has ended with that expiry; ``lapsed`` was left, in nano-units."""

    grant: Grant
    lapsed: int
    transaction: Transaction


def entry_of(gift: Gift) -> Entry:
    """The change of the wallet that the gift is."""
    return Entry(
        kind="grant",
        amount=gift.amount,
        counter_account=COUNTER_ACCOUNT["grant"],
        idempotency_key=gift.idempotency_key,
        actor=gift.actor,
        reason=gift.reason,
        details=gift.terms.details() | (gift.code.details() if gift.code else {}),
    )


def load(session: Session, wallet: Account) -> Credit | None:
    """The wallet's credit as of its newest transaction; None where nothing was ever granted.

    Reads what was posted since the checkpoint; from the first grant on where an answer was
    corrected since.
    """
    checkpoint = store.find_checkpoint(session, wallet.id)
    if checkpoint is None:
        return None
    since = list(store.moves(session, wallet.id, after=checkpoint.sequence))
    if any(move.is_correction for move in since):
        return replay(session, wallet.id, first=checkpoint.first)
    credit = Credit(
        sequence=checkpoint.sequence,
        balance=checkpoint.balance,
        open={
            row.sequence: Held(_terms(row), row.amount, row.remaining)
            for row in store.list_open(session, wallet.id)
        },
    )
    for move in since:
        credit.apply(move)
    return credit


def replay(session: Session, wallet_id: int, *, first: int, upto: int | None = None) -> Credit:
    """The wallet's credit derived from its transactions alone, from the first grant on."""
    credit = Credit(
        sequence=first - 1,
        balance=store.balance_at(session, wallet_id, first - 1),
        corrected=store.corrected_answers(session, wallet_id, upto=upto),
    )
    for move in store.moves(session, wallet_id, after=first - 1, upto=upto):
        credit.apply(move)
    return credit


def give(session: Session, wallet: Account, gift: Gift, *, now: datetime) -> writer.Posted:
    """Post a grant; ``wallet`` must come from ``writer.lock_wallet`` in this transaction.

    Raises:
        EntryInvalid: the gift breaks a rule of the ledger.
        IdempotencyConflict: the key was used for something else.
    """
    entry = entry_of(gift)
    credit = load(session, wallet) or Credit(wallet.version, wallet.balance)
    posted = writer.post(session, wallet, entry, now=now)
    if posted.is_replay:
        return posted
    transaction = posted.transaction
    move = Move(transaction.sequence, now, gift.amount, terms=gift.terms)
    credit.apply(move)
    session.add(_row(transaction, wallet, gift))
    session.flush()
    save(session, wallet, credit)
    return posted


def close(
    session: Session,
    wallet: Account,
    sequences: Collection[int],
    because: Because,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
) -> list[Closed]:
    """End these grants of a locked wallet: what is left of each leaves the wallet.

    Grants that have ended already are left as they are. ``reason`` None is that of the grant.
    """
    credit = load(session, wallet)
    if credit is None:
        return []
    closed = []
    for row in store.list_open(session, wallet.id):
        if row.sequence not in sequences or row.sequence not in credit.open:
            continue
        closing = Closing(row.sequence, because)
        entry = Entry(
            kind="expiry",
            amount=-credit.open[row.sequence].remaining,
            counter_account=COUNTER_ACCOUNT["expiry"],
            idempotency_key=expiry_key(row.user_id, row.sequence),
            actor=actor,
            reason=reason or row.reason,
            details=closing.details(),
        )
        at = _last_moment(row, now) if because == "expired" else now
        transaction = writer.post(session, wallet, entry, now=at).transaction
        credit.apply(Move(transaction.sequence, at, entry.amount, closing=closing))
        row.remaining, row.lapsed = 0, -entry.amount
        row.closed_at, row.closed_as = at, because
        session.flush()
        closed.append(Closed(row, row.lapsed, transaction))
    save(session, wallet, credit)
    return closed


def save(session: Session, wallet: Account, credit: Credit) -> None:
    """Note how far the wallet was replayed, and what is left of each grant there."""
    for row in store.list_open(session, wallet.id):
        if (held := credit.open.get(row.sequence)) is not None:
            row.remaining = held.remaining
    checkpoint = store.find_checkpoint(session, wallet.id)
    if checkpoint is None:
        first = min(credit.open)
        checkpoint = GrantCheckpoint(wallet_id=wallet.id, first=first)
        session.add(checkpoint)
    checkpoint.sequence, checkpoint.balance = credit.sequence, credit.balance
    session.flush()


def _last_moment(row: Grant, now: datetime) -> datetime:
    return now if row.expires_at is None else max(min(now, row.expires_at - MOMENT), row.granted_at)


def _row(transaction: Transaction, wallet: Account, gift: Gift) -> Grant:
    terms = gift.terms
    return Grant(
        transaction_id=transaction.id,
        wallet_id=wallet.id,
        user_id=wallet.user_id,
        sequence=transaction.sequence,
        amount=gift.amount,
        priority=terms.priority,
        source=terms.source,
        plan_id=terms.plan_id,
        month=terms.month,
        reason=gift.reason,
        granted_at=transaction.posted_at,
        expires_at=terms.expires_at,
        remaining=gift.amount,
        lapsed=0,
    )


def _terms(row: Grant) -> Terms:
    return Terms(
        expires_at=row.expires_at,
        priority=row.priority,
        source=source_of(row.source),
        plan_id=row.plan_id,
        month=row.month,
    )
