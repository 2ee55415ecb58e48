"""What users, and people of a segment, asked of models: every statement that makes these sums.

A model's user stands in the event alone, and its tokens in the lines, so these sums are made of
both: as events are counted, and for what was counted before there were any, a day at a time from
the newest back, as far as the lines are in the database. A month is what its days add up to; while
it has not all of them, days that have are added to it, and nobody reads it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.db import Base, upsert_adding, upsert_selected
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of, months_from
from app.pricing import store as pricing_store
from app.reports.given import store as given
from app.reports.models import UsageByLink, UsageName, UsageSegmentModels, UsageUserModels
from app.reports.named.store import OTHER_NAME
from app.reports.query import NAME_CHARS_MAX
from app.reports.rollup.fold import LINE_SUMS, TOKENS, Fold, Sums
from app.reports.spans import DAY, MONTH, begin_in, begin_of, end_in
from app.users.models import User

TABLES: tuple[type[Base], ...] = (UsageUserModels, UsageSegmentModels)
_ADDED = ("points", "charge", *TOKENS, "cost", "costed_points")


@dataclass(frozen=True, slots=True)
class Back:
    """From which quarter on there are sums, and whether no day with lines is left before it."""

    since: int
    is_at_end: bool


def add(session: Session, folded: Fold, zone: ZoneInfo, since: int) -> None:
    """Add these events to the days from the quarter ``since`` on, and those days to months."""
    for table, days in (
        (UsageUserModels, folded.user_models),
        (UsageSegmentModels, folded.segment_models),
    ):
        rows = [row for row in days.rows() if row["start"] >= since]
        months = Sums(days.key, days.columns)
        for row in rows:
            _, start, *key = (row[name] for name in days.key)
            place = (MONTH, begin_in(start, "month", zone), *key)
            months.add(place, [row[name] for name in days.columns])
        for one in (rows, months.rows()):
            upsert_adding(table, session, one, key=days.key, add=days.columns)


def hold_lines(session: Session) -> None:
    """Keep usage lines from going to archives until the transaction ends.

    On SQLite nobody else writes meanwhile.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("LOCK TABLE ONLY usage_lines IN ACCESS SHARE MODE"))


def derive_day_before(
    session: Session, before: int | None, *, upto: int, zone: ZoneInfo, gone: Collection[int]
) -> Back:
    """Make the sums of the last day with answers before that quarter; of the newest, for None.

    Of events up to the id ``upto``. Nothing is made of a day that is in one of the months ``gone``
    (UTC), whose lines are not there, nor of any before it. ``since`` is 0 when all days have been
    made.
    """
    newest = sa.select(sa.func.max(UsageByLink.start)).where(UsageByLink.width == DAY)
    if before is not None:
        newest = newest.where(UsageByLink.start < before)
    low = session.scalar(newest)
    if low is None:
        _clear(session, DAY, 0, before)
        _clear(session, MONTH, 0, before and begin_in(before, "month", zone))
        return Back(0, is_at_end=True)
    high = end_in(low, "day", zone)
    months = list(months_from(month_of(begin_of(low)), month_of(begin_of(high - 1))))
    is_gone = not set(months).isdisjoint(gone)
    since = high if is_gone else low
    month = begin_in(low, "month", zone)
    _clear(session, DAY, since, before)
    _clear(session, MONTH, since if is_gone else month, before and begin_in(before, "month", zone))
    if not is_gone:
        lines, prices = _lines(session, low, high, upto, months)
        for table in TABLES:
            _make_day(session, table, low, lines, prices)
            _add_to_month(session, table, low, month)
    return Back(since, is_at_end=is_gone)


def _clear(session: Session, width: int, low: int, high: int | None) -> None:
    """Delete what was made by another clock, or before others counted."""
    for table in map(_table, TABLES):
        within = [table.c.width == width, table.c.start >= low]
        if high is not None:
            within.append(table.c.start < high)
        session.execute(sa.delete(table).where(*within))


def _make_day(
    session: Session, model: type[Base], low: int, lines: sa.Subquery, prices: dict[str, Any]
) -> None:
    table = _table(model)
    key = [column.name for column in table.primary_key.columns][2:]
    added = (
        sa.select(
            sa.literal(DAY),
            sa.literal(low),
            *(lines.c[name] for name in key),
            *(sa.func.sum(lines.c[name]) for name in LINE_SUMS),
        )
        .group_by(*(lines.c[name] for name in key))
        .order_by(*(lines.c[name] for name in key))
    )
    names = ["width", "start", *key, *LINE_SUMS]
    session.execute(sa.insert(table).from_select(names, added), prices)


def _add_to_month(session: Session, model: type[Base], low: int, month: int) -> None:
    table = _table(model)
    key = [column.name for column in table.primary_key.columns]
    rows = sa.select(
        sa.literal(MONTH), sa.literal(month), *(table.c[name] for name in (*key[2:], *LINE_SUMS))
    ).where(table.c.width == DAY, table.c.start == low)
    upsert_selected(model, session, rows, key=key, add=list(LINE_SUMS))


def _lines(
    session: Session, low: int, high: int, upto: int, months: Collection[int]
) -> tuple[sa.Subquery, dict[str, Any]]:
    """The lines of a day: whose they are, and whether the first of their answer for each count."""
    costs, prices = given.costs(session, pricing_store.costs_per_point(session))
    event, line = UsageEvent, UsageLine
    received = (event.received_at >= begin_of(low), event.received_at < begin_of(high))
    bounds = sa.select(sa.func.min(event.id), sa.func.max(event.id)).where(*received)
    first, last = session.execute(bounds.where(event.id <= upto)).one()
    model, kind = _Name("model", line.model), _Name("node_kind", line.node_kind)
    joined = (
        sa.join(event, User, User.id == event.user_id)
        .join(line, (line.event_id == event.id) & line.received_month.in_(list(months)))
        .join(costs, costs.c.version == event.price_version_id, isouter=True)
    )
    known = (
        sa.select(
            event.id.label("event_id"),
            line.position,
            event.user_id,
            sa.func.coalesce(event.segment_id, 0).label("segment_id"),
            sa.func.coalesce(event.plan_id, 0).label("plan_id"),
            User.issuer_id,
            model.number.label("model_id"),
            kind.number.label("kind_id"),
            line.points,
            line.charge,
            *(sa.func.coalesce(getattr(line, name), 0).label(name) for name in TOKENS),
            sa.func.coalesce(given.cost_of(line.points, costs), 0).label("cost"),
            sa.case((costs.c.version.is_not(None), line.points), else_=0).label("costed_points"),
        )
        .select_from(kind.joined(model.joined(joined)))
        # Lines lie in the order of their events: a range of these is read at once.
        .where(*received, event.id <= upto, line.event_id.between(first or 0, last or 0))
        .subquery()
    )
    once = {
        "questions": _is_first(known, "model_id", "kind_id"),
        "model_questions": _is_first(known, "model_id"),
        "kind_questions": _is_first(known, "kind_id"),
    }
    counted = (flag.label(name) for name, flag in once.items())
    return sa.select(*known.c, *counted).subquery(), dict(prices)


def _is_first(lines: sa.Subquery, *group: str) -> sa.ColumnElement[int]:
    """One for the first line of an answer and a group, zero for the others; as ``Fold`` counts."""
    of = [lines.c.event_id, *(lines.c[name] for name in group)]
    number = sa.func.row_number().over(partition_by=of, order_by=lines.c.position)
    return sa.case((number == 1, 1), else_=0)


class _Name:
    """The number of a name of lines; that of ``…`` where it has none of its own."""

    def __init__(self, kind: str, column: orm.InstrumentedAttribute[str]) -> None:
        self._own = orm.aliased(UsageName)
        self._is_own = (self._own.kind == kind) & (
            self._own.name == sa.func.substr(column, 1, NAME_CHARS_MAX)
        )
        other = sa.select(UsageName.id).where(UsageName.kind == kind, UsageName.name == OTHER_NAME)
        self.number = sa.func.coalesce(self._own.id, other.scalar_subquery(), 0)

    def joined(self, rows: sa.Join) -> sa.Join:
        return rows.join(self._own, self._is_own, isouter=True)


def _table(model: type[Base]) -> sa.Table:
    return model.metadata.tables[model.__tablename__]
