"""What users, and people of a segment, asked of models: every statement that makes these sums.

A model's user stands in the event alone, and its tokens in the lines, so these sums are made of
both: as events are counted, and for what was counted before there were any, some answers at a time
from the newest back, as far as the lines are in the database. So a day that is reached half has the
later half of its answers, and a month those of its days that are whole; neither is read.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.db import Base
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of, months_from
from app.pricing import store as pricing_store
from app.reports.given import store as given
from app.reports.models import UsageByLink, UsageName, UsageSegmentModels, UsageUserModels
from app.reports.named.store import OTHER_NAME
from app.reports.query import NAME_CHARS_MAX
from app.reports.rollup.fold import LINE_SUMS, TOKENS, Fold, Sums
from app.reports.spans import DAY, MONTH, QUARTER, Unit, begin_in, begin_of, end_in
from app.upserts import upsert_adding, upsert_selected
from app.users.models import User

ANSWERS_AT_ONCE = 4000
"""On SQLite finishes wait while they are added: half a second, or less."""
TABLES: tuple[type[Base], ...] = (UsageUserModels, UsageSegmentModels)
_UNITS: tuple[tuple[int, Unit], ...] = ((DAY, "day"), (MONTH, "month"))


@dataclass(frozen=True, slots=True)
class Back:
    """From which quarter on there are sums, and whether nothing with lines is left before it."""

    since: int
    is_at_end: bool


def add(session: Session, folded: Fold, zone: ZoneInfo, since: int) -> None:
    """Add what was asked from the quarter ``since`` on to days, and of whole days to months."""
    for table, days in (
        (UsageUserModels, folded.user_models),
        (UsageSegmentModels, folded.segment_models),
    ):
        rows, months = days.rows(), Sums(days.key, days.columns)
        for row in rows:
            _, start, *key = (row[name] for name in days.key)
            if start >= since:
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


def derive_before(
    session: Session, before: int | None, *, upto: int, zone: ZoneInfo, gone: frozenset[int]
) -> Back:
    """Add the answers of a day or less, the last before that quarter; the newest, for None.

    Of events up to the id ``upto``. Nothing is made of a day that is in one of the months ``gone``
    (UTC), whose lines are not there, nor of any before it. ``since`` is 0 when all have been added.
    """
    newest = sa.select(sa.func.max(UsageByLink.start)).where(UsageByLink.width == QUARTER)
    if before is not None:
        newest = newest.where(UsageByLink.start < before)
    last = session.scalar(newest)
    if last is None:
        _clear(session, 0, before, zone)
        return Back(0, is_at_end=True)
    day, following = begin_in(last, "day", zone), end_in(last, "day", zone)
    high = following if before is None else min(before, following)
    given.look_up(session, each_alone=False)
    months = list(months_from(month_of(begin_of(day)), month_of(begin_of(following - 1))))
    if not gone.isdisjoint(months):
        _clear(session, high, before, zone)
        return Back(high, is_at_end=True)
    low = _cut(session, day, high)
    _clear(session, low, before, zone)
    lines, prices = _lines(session, (low, high), upto, months)
    for table in TABLES:
        _add_to_day(session, table, day, lines, prices)
        if low == day:
            _add_to_month(session, table, day, begin_in(day, "month", zone))
    return Back(low, is_at_end=False)


def _cut(session: Session, low: int, high: int) -> int:
    """The first of the last quarters that have not too many answers together, but one at least."""
    table = UsageByLink
    quarters = (
        sa.select(table.start, sa.func.sum(table.questions))
        .where(table.width == QUARTER, table.start >= low, table.start < high)
        .group_by(table.start)
        .order_by(table.start.desc())
    )
    answers, first = 0, high
    for start, more in session.execute(quarters):
        answers += more
        if answers > ANSWERS_AT_ONCE and first < high:
            return first
        first = start
    return low


def _clear(session: Session, low: int, before: int | None, zone: ZoneInfo) -> None:
    """Delete what stands in days and months that are reached now.

    It was made by another clock, or before others counted.
    """
    for width, unit in _UNITS:
        first = begin_in(low, unit, zone)
        end = None if before is None else begin_in(before, unit, zone)
        for table in map(_table, TABLES):
            within = [table.c.width == width, table.c.start >= first]
            if end is not None:
                within.append(table.c.start < end)
            session.execute(sa.delete(table).where(*within))


def _add_to_day(
    session: Session, model: type[Base], day: int, lines: sa.Subquery, prices: dict[str, Any]
) -> None:
    key = [column.name for column in _table(model).primary_key.columns]
    who = [lines.c[name] for name in key[2:]]
    rows = (
        sa.select(
            sa.literal(DAY),
            sa.literal(day),
            *who,
            *(sa.func.sum(lines.c[name]) for name in LINE_SUMS),
        )
        .where(sa.true())  # by which SQLite knows where the rows end
        .group_by(*who)
        .order_by(*who)
    )
    upsert_selected(model, session, rows, prices, key=key, add=list(LINE_SUMS))


def _add_to_month(session: Session, model: type[Base], day: int, month: int) -> None:
    table = _table(model)
    key = [column.name for column in table.primary_key.columns]
    rows = sa.select(
        sa.literal(MONTH), sa.literal(month), *(table.c[name] for name in (*key[2:], *LINE_SUMS))
    ).where(table.c.width == DAY, table.c.start == day)
    upsert_selected(model, session, rows, {}, key=key, add=list(LINE_SUMS))


def _lines(
    session: Session, span: tuple[int, int], upto: int, months: Collection[int]
) -> tuple[sa.Subquery, dict[str, Any]]:
    """The lines of some quarters: whose they are, and for each count whether they are the first.

    With the parameters that it needs.
    """
    costs, prices = given.costs(session, pricing_store.costs_per_point(session))
    event, line = UsageEvent, UsageLine
    received = (event.received_at >= begin_of(span[0]), event.received_at < begin_of(span[1]))
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
