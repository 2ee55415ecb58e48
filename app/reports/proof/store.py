"""Every SQL statement that compares the sums with what they were made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ledger.models import Transaction
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of, months_from
from app.reports.models import (
    ReportPosition,
    UsageByLink,
    UsageByModel,
    UsageByUser,
    UsageCorrection,
)
from app.reports.spans import DAY, QUARTER, begin_of

Sums = dict[str, int]
Compared = tuple[str, Sums, Sums]
"""Whose sums, those that are kept, and those found."""

_TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
_TABLES = (UsageByLink, UsageByUser, UsageByModel)


@dataclass(frozen=True, slots=True)
class Window:
    """Quarters from ``low`` on, before ``high``; events and transactions up to these ids."""

    low: int
    high: int
    event_id: int
    transaction_id: int


def find_position(session: Session) -> ReportPosition | None:
    return session.get(ReportPosition, 1)


def oldest_after(session: Session, event_id: int) -> datetime | None:
    """When the first of the events above that id was received."""
    first = sa.select(UsageEvent.received_at).where(UsageEvent.id > event_id)
    return session.scalar(first.order_by(UsageEvent.id).limit(1))


def compare(session: Session, window: Window, *, has_lines: bool) -> Iterator[Compared]:
    """The sums of quarters with events, lines and transactions."""
    events, lines = _of_events(session, window), _of_lines(session, window) if has_lines else {}
    for table in (UsageByLink, UsageByUser):
        expected = events | {name: lines[name] for name in _TOKENS if name in lines}
        kept = _kept(session, table, (QUARTER, window.low, window.high), tuple(expected))
        yield table.__tablename__, kept, expected
    if has_lines:
        kept = _kept(session, UsageByModel, (QUARTER, window.low, window.high), tuple(lines))
        yield UsageByModel.__tablename__, kept, lines
    yield UsageCorrection.__tablename__, *_corrections(session, window)


def compare_days(session: Session, low: int, high: int) -> Iterator[Compared]:
    """The sums of whole days with those of their quarters."""
    names = ("questions", "points", "charge", *_TOKENS)
    for table in _TABLES:
        days = _kept(session, table, (DAY, low, high), names)
        quarters = _kept(session, table, (QUARTER, low, high), names)
        yield f"{table.__tablename__} by the day", days, quarters


def _kept(
    session: Session,
    table: type[UsageByLink | UsageByUser | UsageByModel],
    span: tuple[int, int, int],
    names: tuple[str, ...],
) -> Sums:
    width, low, high = span
    added = sa.select(*(sa.func.sum(getattr(table, name)) for name in names))
    within = (table.width == width, table.start >= low, table.start < high)
    return _sums(names, session.execute(added.where(*within)).one())


def _received(window: Window) -> tuple[Any, ...]:
    return (
        UsageEvent.received_at >= begin_of(window.low),
        UsageEvent.received_at < begin_of(window.high),
        UsageEvent.id <= window.event_id,
    )


def _of_events(session: Session, window: Window) -> Sums:
    added = sa.select(
        sa.func.count(), sa.func.sum(UsageEvent.points), sa.func.sum(UsageEvent.charge)
    ).where(*_received(window))
    return _sums(("questions", "points", "charge"), session.execute(added).one())


def _of_lines(session: Session, window: Window) -> Sums:
    names = ("points", "charge", *_TOKENS)
    months = months_from(month_of(begin_of(window.low)), month_of(begin_of(window.high)))
    added = (
        sa.select(*(sa.func.sum(getattr(UsageLine, name)) for name in names))
        .join(UsageEvent, UsageEvent.id == UsageLine.event_id)
        .where(*_received(window), UsageLine.received_month.in_(list(months)))
    )
    return _sums(names, session.execute(added).one())


def _corrections(session: Session, window: Window) -> tuple[Sums, Sums]:
    names = ("transactions", "amount")
    kept = sa.select(
        sa.func.sum(UsageCorrection.transactions), sa.func.sum(UsageCorrection.amount)
    ).where(UsageCorrection.start >= window.low, UsageCorrection.start < window.high)
    moved = sa.select(sa.func.count(), sa.func.sum(Transaction.amount)).where(
        Transaction.kind != "charge",
        Transaction.posted_at >= begin_of(window.low),
        Transaction.posted_at < begin_of(window.high),
        Transaction.id <= window.transaction_id,
    )
    return (
        _sums(names, session.execute(kept).one()),
        _sums(names, session.execute(moved).one()),
    )


def _sums(names: tuple[str, ...], values: Any) -> Sums:  # noqa: ANN401 - a row
    return {name: int(value or 0) for name, value in zip(names, values, strict=True)}
