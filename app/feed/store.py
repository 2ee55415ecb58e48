"""Every SQL statement of the feeds: rows in the order of their ids."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ids import among
from app.ledger.models import Account, Posting, Transaction
from app.links.models import Link
from app.metering.models import UsageEvent
from app.users.models import User


@dataclass(frozen=True, slots=True)
class EventRow:
    event: UsageEvent
    uid: str
    link_name: str


@dataclass(frozen=True, slots=True)
class TransactionRow:
    transaction: Transaction
    user_id: int
    currency: str


@dataclass(frozen=True, slots=True)
class PostingRow:
    account: str
    kind: str
    amount: int


def events_after(session: Session, after: int, *, upto: int, limit: int) -> list[EventRow]:
    """Events with ids above ``after`` and up to ``upto``, lowest first."""
    rows = session.execute(
        sa.select(UsageEvent, User.uid, Link.name)
        .join(User, User.id == UsageEvent.user_id)
        .join(Link, Link.id == UsageEvent.link_id)
        .where(UsageEvent.id > after, UsageEvent.id <= upto)
        .order_by(UsageEvent.id)
        .limit(limit)
    )
    return [EventRow(*row) for row in rows]


def transactions_after(
    session: Session, after: int, *, upto: int, limit: int
) -> list[TransactionRow]:
    """Transactions with ids above ``after`` and up to ``upto``, lowest first."""
    rows = session.execute(
        sa.select(Transaction, Account.user_id, Account.currency)
        .join(Account, Account.id == Transaction.wallet_id)
        .where(Transaction.id > after, Transaction.id <= upto)
        .order_by(Transaction.id)
        .limit(limit)
    )
    return [TransactionRow(row, user_id or 0, currency) for row, user_id, currency in rows]


def postings_of(session: Session, transaction_ids: Sequence[int]) -> dict[int, list[PostingRow]]:
    """The postings of these transactions, in their order."""
    found: dict[int, list[PostingRow]] = {transaction_id: [] for transaction_id in transaction_ids}
    rows = session.execute(
        sa.select(Posting.transaction_id, Account.name, Account.kind, Posting.amount)
        .join(Account, Account.id == Posting.account_id)
        .where(among(Posting.transaction_id, transaction_ids))
        .order_by(Posting.transaction_id, Posting.position)
    )
    for transaction_id, account, kind, amount in rows:
        found[transaction_id].append(PostingRow(account, kind, amount))
    return found


def references_of(session: Session, event_ids: Collection[int]) -> dict[int, str]:
    """The references of these events."""
    rows = session.execute(
        sa.select(UsageEvent.id, UsageEvent.reference).where(among(UsageEvent.id, event_ids))
    )
    return {row[0]: row[1] for row in rows}


def event_mark(session: Session, event_id: int) -> str | None:
    """What tells this event from any other that might have its id."""
    return session.scalar(sa.select(UsageEvent.reference).where(UsageEvent.id == event_id))


def transaction_mark(session: Session, transaction_id: int) -> str | None:
    """What tells this transaction from any other that might have its id."""
    return session.scalar(sa.select(Transaction.hash).where(Transaction.id == transaction_id))
