"""Days and months by another clock: every statement that makes them anew."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import Base
from app.metering.models import UsageEvent
from app.reports.models import (
    UsageByLink,
    UsageByModel,
    UsageBySegment,
    UsageByUser,
    UsageTimesByLink,
    UsageTimesBySegment,
)
from app.reports.named.store import TIME_BUCKET, app_number
from app.reports.rollup.fold import EVENT_SUMS, LINE_SUMS, TIMES
from app.reports.spans import DAY, MONTH, QUARTER, Unit, begin_in, begin_of, end_in
from app.users.models import User

SUMS: tuple[tuple[type[Base], Sequence[str]], ...] = (
    (UsageByLink, EVENT_SUMS),
    (UsageByUser, EVENT_SUMS),
    (UsageByModel, LINE_SUMS),
    (UsageBySegment, EVENT_SUMS),
)
TIMED: tuple[type[Base], ...] = (UsageTimesByLink, UsageTimesBySegment)


def derive_days_and_months(session: Session, zone: ZoneInfo, *, wide: int) -> None:
    """Make the sums of days and months anew by another clock.

    From those of quarters; times are not kept of quarters, and come from the events up to ``wide``.
    """
    take_time(session)
    days = _Widening(QUARTER, DAY, "day", zone)
    months = _Widening(DAY, MONTH, "month", zone)
    for table, columns in SUMS:
        sums = table.metadata.tables[table.__tablename__]
        session.execute(sa.delete(sums).where(sums.c.width != QUARTER))
        _widen(session, sums, columns, days)
        _widen(session, sums, columns, months)
    by_segment = UsageBySegment.metadata.tables[UsageBySegment.__tablename__]
    for table in TIMED:
        times = table.metadata.tables[table.__tablename__]
        session.execute(sa.delete(times))
        for low, high in _stretches(session, by_segment, days):
            _time_day(session, times, low, high, wide)
        _widen(session, times, TIMES, months)


def _time_day(session: Session, times: sa.Table, low: int, high: int, wide: int) -> None:
    columns: dict[str, Any] = {
        "link_id": UsageEvent.link_id,
        "app_id": app_number(UsageEvent.app_name),
        "segment_id": sa.func.coalesce(UsageEvent.segment_id, 0),
        "plan_id": sa.func.coalesce(UsageEvent.plan_id, 0),
        "issuer_id": User.issuer_id,
        "bucket": TIME_BUCKET,
    }
    names = [column.name for column in times.primary_key.columns]
    chosen = [columns[name].label(name) for name in names if name in columns]
    timed = (
        sa.select(*chosen)
        .join(User, User.id == UsageEvent.user_id)
        .where(
            UsageEvent.received_at >= begin_of(low),
            UsageEvent.received_at < begin_of(high),
            UsageEvent.id <= wide,
            UsageEvent.running_time_ms.is_not(None),
        )
        .subquery()
    )
    counted = sa.select(sa.literal(DAY), sa.literal(low), *timed.c, sa.func.count())
    session.execute(sa.insert(times).from_select([*names, "answers"], counted.group_by(*timed.c)))


@dataclass(frozen=True, slots=True)
class _Widening:
    narrow: int
    wide: int
    unit: Unit
    zone: ZoneInfo


def _widen(session: Session, sums: sa.Table, columns: Sequence[str], how: _Widening) -> None:
    key = [column for column in sums.primary_key.columns if column.name not in {"width", "start"}]
    for low, high in _stretches(session, sums, how):
        wider = (
            sa.select(
                sa.literal(how.wide),
                sa.literal(low),
                *key,
                *(sa.func.sum(sums.c[name]) for name in columns),
            )
            .where(sums.c.width == how.narrow, sums.c.start >= low, sums.c.start < high)
            .group_by(*key)
        )
        names = ["width", "start", *(column.name for column in key), *columns]
        session.execute(sa.insert(sums).from_select(names, wider))


def _stretches(session: Session, sums: sa.Table, how: _Widening) -> Iterator[tuple[int, int]]:
    """First quarter and end of each day or month that has sums of the narrow width."""
    last = -1
    while True:
        following = sa.select(sa.func.min(sums.c.start)).where(
            sums.c.width == how.narrow, sums.c.start > last
        )
        found = session.scalar(following)
        if found is None:
            return
        low = begin_in(found, how.unit, how.zone)
        high = end_in(found, how.unit, how.zone)
        yield low, high
        last = high - 1


def take_time(session: Session) -> None:
    """Let the transaction take as long as it takes."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL statement_timeout = 0"))
