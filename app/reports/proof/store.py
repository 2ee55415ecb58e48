"""Every SQL statement that compares the sums with what they were made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.ledger.models import Transaction
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of, months_from
from app.pricing import store as pricing_store
from app.reports.given import store as given
from app.reports.models import (
    ReportPosition,
    UsageByLink,
    UsageByModel,
    UsageBySegment,
    UsageByUser,
    UsageCorrection,
    UsageFirstAnswers,
    UsageModelTotals,
    UsageReturns,
    UsageSegmentModels,
    UsageTimesByLink,
    UsageTimesBySegment,
    UsageTotals,
    UsageUserModels,
    UsageUserTotals,
)
from app.reports.named.store import TIME_BUCKET
from app.reports.rollup.fold import EVENT_SUMS, LINE_SUMS
from app.reports.rollup.returns.store import NEVER
from app.reports.spans import DAY, HOUR, QUARTER, Span, begin_of, hour_from, hour_of

Sums = dict[str, int]
Compared = tuple[str, Sums, Sums]
"""Whose sums, those that are kept, and those found."""

_TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
_COSTS = ("cost", "costed_points")
_TABLES = (UsageByLink, UsageByUser, UsageBySegment, UsageByModel)
_Summed = type[
    UsageByLink
    | UsageByUser
    | UsageBySegment
    | UsageByModel
    | UsageTotals
    | UsageUserTotals
    | UsageModelTotals
    | UsageUserModels
    | UsageSegmentModels
]
_Bounds = tuple[int, int, int]
"""A width, the first quarter, and the one that it ends before."""
_Times = type[UsageTimesByLink | UsageTimesBySegment]


@dataclass(frozen=True, slots=True)
class Window:
    """Quarters from ``low`` on, before ``high``; events and transactions up to these ids.

    Costs, segments and times are of the events up to ``filled_to``.
    """

    low: int
    high: int
    event_id: int
    transaction_id: int
    filled_to: int
    totals_from: int | None
    """From this quarter on there are totals; None: those of the window are not all there."""
    has_models: bool
    """By user and by segment."""


def find_position(session: Session) -> ReportPosition | None:
    return session.get(ReportPosition, 1)


def oldest_after(session: Session, event_id: int) -> datetime | None:
    """When the first of the events above that id was received."""
    first = sa.select(UsageEvent.received_at).where(UsageEvent.id > event_id)
    return session.scalar(first.order_by(UsageEvent.id).limit(1))


def compare(session: Session, window: Window, *, has_lines: bool) -> Iterator[Compared]:
    """The sums of quarters with events, lines and transactions."""
    quarters = (QUARTER, window.low, window.high)
    events, lines = _of_events(session, window), _of_lines(session, window) if has_lines else {}
    costs = _of_costs(session, window) if has_lines else {}
    tokens = {name: lines[name] for name in _TOKENS if name in lines}
    for table in (UsageByLink, UsageByUser):
        expected = events | tokens | costs
        yield table.__tablename__, _kept(session, table, quarters, tuple(expected)), expected
    if window.filled_to == window.event_id:
        kept = _kept(session, UsageBySegment, quarters, tuple(expected))
        yield UsageBySegment.__tablename__, kept, expected
    if has_lines:
        expected = lines | costs
        kept = _kept(session, UsageByModel, quarters, tuple(expected))
        yield UsageByModel.__tablename__, kept, expected
    if window.totals_from is not None:
        yield _as_parts(session, UsageTotals, UsageByLink, quarters)
        yield _as_parts(session, UsageModelTotals, UsageByModel, quarters)
        yield from _hours(session, window)
    yield UsageCorrection.__tablename__, *_corrections(session, window)


def compare_days(session: Session, window: Window, each: Sequence[Span]) -> Iterator[Compared]:
    """The sums of whole days with those of their quarters, and the times of them with events.

    ``each`` are the days of the window.
    """
    days, quarters = (DAY, window.low, window.high), (QUARTER, window.low, window.high)
    names = ("questions", "points", "charge", *_TOKENS, *_COSTS)
    for table in _TABLES:
        kept = _kept(session, table, days, names)
        yield f"{table.__tablename__} by the day", kept, _kept(session, table, quarters, names)
    if window.totals_from is not None:
        yield _as_parts(session, UsageTotals, UsageByLink, days)
        yield _as_parts(session, UsageModelTotals, UsageByModel, days)
        yield _as_parts(session, UsageUserTotals, UsageByUser, days)
        yield from _first_answers(session, window, each)
        yield UsageReturns.__tablename__, *_returns(session, window, window.totals_from)
    if window.has_models:
        # Each answer is of one user and one segment, as it is of one link.
        lines = _kept(session, UsageByModel, days, LINE_SUMS)
        for made in (UsageUserModels, UsageSegmentModels):
            yield made.__tablename__, _kept(session, made, days, LINE_SUMS), lines
    found = _of_times(session, window)
    for times in (UsageTimesByLink, UsageTimesBySegment):
        yield times.__tablename__, _kept_times(session, times, window), found


def _first_answers(session: Session, window: Window, days: Sequence[Span]) -> Iterator[Compared]:
    """When users asked first in each day, and how many of them did in each quarter."""
    spans, parameters = given.spans(session, [[day] for day in days])
    totals, parts, counts = UsageUserTotals, UsageByUser, UsageFirstAnswers
    within = (parts.start >= spans.c.low) & (parts.start < spans.c.high)
    firsts = (
        sa.select(sa.func.min(parts.start).label("first_start"))
        .select_from(spans.join(parts, (parts.width == QUARTER) & within))
        .group_by(spans.c.low, parts.user_id)
        .subquery()
    )
    found = sa.select(sa.func.count(), sa.func.sum(firsts.c.first_start))
    kept = sa.select(sa.func.count(), sa.func.sum(totals.first_start)).where(
        totals.width == DAY, totals.start >= window.low, totals.start < window.high
    )
    counted = sa.select(
        sa.func.sum(counts.users), sa.func.sum(counts.users * counts.first_start)
    ).where(counts.width == DAY, counts.start >= window.low, counts.start < window.high)
    names = ("users", "first_starts")
    expected = _sums(names, session.execute(found, parameters).one())
    yield "usage_user_totals.first_start", _sums(names, session.execute(kept).one()), expected
    yield counts.__tablename__, _sums(names, session.execute(counted).one()), expected


def _returns(session: Session, window: Window, since: int) -> tuple[Sums, Sums]:
    """How long ago users asked before, of the days with totals."""
    here, earlier, returns = UsageUserTotals, orm.aliased(UsageUserTotals), UsageReturns
    previous = (
        sa.select(sa.func.coalesce(sa.func.max(earlier.start), NEVER))
        .where(
            *(earlier.user_id == here.user_id, earlier.width == DAY),
            *(earlier.start >= since, earlier.start < here.start),
        )
        .scalar_subquery()
    )
    days = (
        sa.select(here.start.label("start"), previous.label("previous"))
        .where(here.width == DAY, here.start >= window.low, here.start < window.high)
        .subquery()
    )
    found = sa.select(sa.func.count(), sa.func.sum(days.c.start - days.c.previous))
    kept = sa.select(
        sa.func.sum(returns.users),
        sa.func.sum(returns.users * (returns.start - returns.previous_start)),
    ).where(returns.start >= window.low, returns.start < window.high)
    names = ("users", "quarters_away")
    return (
        _sums(names, session.execute(kept).one()),
        _sums(names, session.execute(found).one()),
    )


def _of_times(session: Session, window: Window) -> Sums:
    bucket = TIME_BUCKET.label("bucket")
    timed = sa.select(bucket).where(
        *_received(window, window.filled_to), UsageEvent.running_time_ms.is_not(None)
    )
    return _summed_times(session, timed.add_columns(sa.literal(1).label("answers")))


def _kept_times(session: Session, table: _Times, window: Window) -> Sums:
    kept = sa.select(table.bucket.label("bucket"), table.answers.label("answers")).where(
        table.width == DAY, table.start >= window.low, table.start < window.high
    )
    return _summed_times(session, kept)


def _summed_times(session: Session, counted: Any) -> Sums:  # noqa: ANN401 - a SELECT of any columns
    """How many answers, and their buckets added up, in which any that is missing shows."""
    timed = counted.subquery()
    added = sa.select(sa.func.sum(timed.c.answers), sa.func.sum(timed.c.answers * timed.c.bucket))
    return _sums(("answers", "buckets"), session.execute(added).one())


def _as_parts(session: Session, totals: _Summed, parts: _Summed, span: _Bounds) -> Compared:
    """Totals with the sums that they are made of, and how many of them there are."""
    names = LINE_SUMS if totals is UsageModelTotals else EVENT_SUMS
    key = [parts.metadata.tables[parts.__tablename__].c[column.name] for column in _key_of(totals)]
    width, low, high = span
    within = (parts.width == width, parts.start >= low, parts.start < high)
    keys = sa.select(*key).where(*within).distinct().subquery()
    kept = sa.select(sa.func.count()).where(
        totals.width == width, totals.start >= low, totals.start < high
    )
    counts = session.scalar(kept), session.scalar(sa.select(sa.func.count()).select_from(keys))
    rows = [{"rows": count or 0} for count in counts]
    said = f"{totals.__tablename__} of width {width}"
    return (
        said,
        rows[0] | _kept(session, totals, span, names),
        rows[1] | _kept(session, parts, span, names),
    )


def _hours(session: Session, window: Window) -> Iterator[Compared]:
    """The totals of whole hours with those of their quarters."""
    low, high = hour_from(window.low), hour_of(window.high)
    made: tuple[tuple[_Summed, tuple[str, ...]], ...] = (
        (UsageTotals, EVENT_SUMS),
        (UsageModelTotals, LINE_SUMS),
    )
    for totals, names in made:
        kept = _kept(session, totals, (HOUR, low, high), names)
        found = _kept(session, totals, (QUARTER, low, high), names)
        yield f"{totals.__tablename__} by the hour", kept, found


def _key_of(table: _Summed) -> Sequence[sa.Column[Any]]:
    return list(table.metadata.tables[table.__tablename__].primary_key.columns)


def _kept(
    session: Session,
    table: _Summed,
    span: _Bounds,
    names: tuple[str, ...],
) -> Sums:
    width, low, high = span
    added = sa.select(*(sa.func.sum(getattr(table, name)) for name in names))
    within = (table.width == width, table.start >= low, table.start < high)
    return _sums(names, session.execute(added.where(*within)).one())


def _received(window: Window, upto: int | None = None) -> tuple[Any, ...]:
    return (
        UsageEvent.received_at >= begin_of(window.low),
        UsageEvent.received_at < begin_of(window.high),
        UsageEvent.id <= (window.event_id if upto is None else upto),
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


def _of_costs(session: Session, window: Window) -> Sums:
    costs, parameters = given.costs(session, pricing_store.costs_per_point(session))
    months = months_from(month_of(begin_of(window.low)), month_of(begin_of(window.high)))
    points = UsageLine.points
    added = (
        sa.select(sa.func.sum(given.cost_of(points, costs)), sa.func.sum(points))
        .select_from(UsageLine)
        .join(UsageEvent, UsageEvent.id == UsageLine.event_id)
        .join(costs, costs.c.version == UsageEvent.price_version_id)
        .where(*_received(window, window.filled_to), UsageLine.received_month.in_(list(months)))
    )
    return _sums(_COSTS, session.execute(added, parameters).one())


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
