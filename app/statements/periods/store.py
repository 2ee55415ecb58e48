"""What moved a wallet in a stretch of time, found without reading the rest of its chain.

A charge is posted at the time its answer was received (``turns.settle``), and answers have an index
by user and that time. All other movements have one of their own by wallet and time, which costs a
charge nothing. An index on all transactions would be one more to write at every finish.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.ids import among
from app.ledger.models import Account, Transaction
from app.metering.models import UsageEvent

_NO_CHARGE = Transaction.kind != sa.literal_column("'charge'")
"""Written out, so that the index of these alone is used."""


@dataclass(frozen=True, slots=True)
class KindSum:
    """How many transactions of a kind, and nano-units of them."""

    kind: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What a period's transactions add up to, by kind, and a page of them, newest first."""

    sums: Sequence[KindSum]
    page: Sequence[Transaction]


def sum_before(session: Session, wallet: Account, moment: datetime) -> int:
    """What went into the wallet and out of it before that moment, in nano-units."""
    return _sum(session, wallet, None, moment)


def sum_from(session: Session, wallet: Account, moment: datetime) -> int:
    """The same of that moment and what came after it."""
    return _sum(session, wallet, moment, None)


def read_period(
    session: Session,
    wallet: Account,
    *,
    since: datetime,
    until: datetime,
    before: int | None,
    limit: int,
) -> Moved:
    """A wallet's transactions from ``since`` up to, not including, ``until``.

    The page has those with a sequence below ``before``. Both are found by going through the period
    once: of who asks most, that is what takes the time.
    """
    moved = sa.select(_moved(wallet, since, until)).cte("moved").prefix_with("MATERIALIZED")
    page = sa.select(moved.c.id).order_by(moved.c.sequence.desc()).limit(limit)
    if before is not None:
        page = page.where(moved.c.sequence < before)
    newest = page.subquery()
    sums = sa.select(
        sa.literal(0).label("id"),
        moved.c.kind,
        sa.func.count().label("count"),
        sa.func.sum(moved.c.amount).label("amount"),
    ).group_by(moved.c.kind)
    ids = sa.select(newest.c.id, sa.literal(""), sa.literal(0), sa.literal(0))
    found = session.execute(sums.union_all(ids)).all()
    of_kinds = sorted(row[1:] for row in found if not row.id)
    rows = (
        sa.select(Transaction)
        .where(among(Transaction.id, [row.id for row in found if row.id]))
        .order_by(Transaction.sequence.desc())
    )
    return Moved(
        [KindSum(kind, count, int(amount)) for kind, count, amount in of_kinds],
        session.scalars(rows).all(),
    )


def _sum(session: Session, wallet: Account, since: datetime | None, until: datetime | None) -> int:
    moved = _moved(wallet, since, until)
    return int(session.scalar(sa.select(sa.func.sum(moved.c.amount))) or 0)


def _moved(wallet: Account, since: datetime | None, until: datetime | None) -> sa.Subquery:
    """The wallet's transactions of a period; None is without an end."""

    def within(at: InstrumentedAttribute[datetime]) -> list[sa.ColumnElement[bool]]:
        beginning = [] if since is None else [at >= since]
        return beginning if until is None else [*beginning, at < until]

    columns = (Transaction.id, Transaction.sequence, Transaction.kind, Transaction.amount)
    answers = sa.select(UsageEvent.id).where(
        UsageEvent.user_id == wallet.user_id, *within(UsageEvent.received_at)
    )
    charges = sa.select(*columns).where(among(Transaction.event_id, answers))
    others = sa.select(*columns).where(
        Transaction.wallet_id == wallet.id, _NO_CHARGE, *within(Transaction.posted_at)
    )
    return sa.union_all(charges, others).subquery("moved")
