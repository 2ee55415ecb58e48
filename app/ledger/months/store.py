"""Statements that walk a month of the ledger, a page at a time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.ledger.models import Account, Posting, Transaction


@dataclass(frozen=True, slots=True)
class PostedSide:
    """One posting with its transaction, in nano-units."""

    transaction_id: int
    posted_at: datetime
    kind: str
    wallet: str
    sequence: int
    account: str
    currency: str
    amount: int
    balance_after: int
    """Of the wallet."""
    event_id: int | None
    reverses_id: int | None
    reason: str | None
    actor: str


@dataclass(slots=True)
class WalletMonth:
    """What a wallet had, what moved it by kind, and what it had then; nano-units."""

    opening: int
    closing: int
    moved: dict[str, int] = field(default_factory=dict)


def list_posted(
    session: Session,
    *,
    since: datetime,
    until: datetime,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[PostedSide]:
    """The postings of ``limit`` transactions in the order they were posted in.

    ``after`` are time and id of the last transaction that was read.
    """
    order = (Transaction.posted_at, Transaction.id)
    chosen = sa.select(Transaction.id).where(
        Transaction.posted_at >= since, Transaction.posted_at < until
    )
    if after is not None:
        chosen = chosen.where(
            Transaction.posted_at >= after[0],
            (Transaction.posted_at > after[0]) | (Transaction.id > after[1]),
        )
    page = chosen.order_by(*order).limit(limit).subquery()
    wallet, account = aliased(Account), aliased(Account)
    rows = session.execute(
        sa.select(
            Transaction.id,
            Transaction.posted_at,
            Transaction.kind,
            wallet.name,
            Transaction.sequence,
            account.name,
            wallet.currency,
            Posting.amount,
            Transaction.balance_after,
            Transaction.event_id,
            Transaction.reverses_id,
            Transaction.reason,
            Transaction.actor,
        )
        .join(page, page.c.id == Transaction.id)
        .join(Posting, Posting.transaction_id == Transaction.id)
        .join(wallet, wallet.id == Transaction.wallet_id)
        .join(account, account.id == Posting.account_id)
        .order_by(*order, Posting.position)
    )
    return [PostedSide(*tuple(row)) for row in rows]


def list_wallets(session: Session, *, after_id: int, limit: int) -> Sequence[Account]:
    """Wallets in the order of their ids."""
    statement = sa.select(Account).where(Account.kind == "wallet", Account.id > after_id)
    return session.scalars(statement.order_by(Account.id).limit(limit)).all()


def wallet_months(
    session: Session, wallets: Collection[Account], *, since: datetime, until: datetime
) -> dict[int, WalletMonth]:
    """Of each of these wallets, by id, what became of it from ``since`` up to ``until``.

    Counted back from the balance of now, so that no more is read than has happened since.
    """
    is_later = Transaction.posted_at >= until
    sums = (
        sa.select(
            Transaction.wallet_id, Transaction.kind, is_later, sa.func.sum(Transaction.amount)
        )
        .where(
            Transaction.wallet_id.in_([wallet.id for wallet in wallets]),
            Transaction.posted_at >= since,
        )
        .group_by(Transaction.wallet_id, Transaction.kind, is_later)
    )
    months = {wallet.id: WalletMonth(wallet.balance, wallet.balance) for wallet in wallets}
    for wallet_id, kind, came_later, amount in session.execute(sums):
        month = months[wallet_id]
        month.opening -= int(amount)
        if came_later:
            month.closing -= int(amount)
        else:
            month.moved[kind] = int(amount)
    return months
