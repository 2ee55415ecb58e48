"""When a model was used, as the sums of models know it: to find its answers among millions.

What models an answer used stands in its lines, which no index has by model. Of a model that is
asked now and then, walking back in time would look at the lines of all other answers.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ids import among
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of
from app.reports import store
from app.reports.models import UsageModelTotals, UsageName
from app.reports.named.store import OTHER_NAME
from app.reports.query import NAME_CHARS_MAX
from app.reports.spans import (
    DAY,
    QUARTER,
    QUARTERS_IN_DAY,
    Span,
    begin_of,
    end_in,
    quarter_from,
    quarter_of,
)

PARTS_MAX = 100
"""So many quarters are looked at by themselves."""
WALKED_MAX = 5000
"""So many answers are walked through as quickly."""
WAITING_MAX = 500
"""So many answers may not be counted yet."""
_EVER = 2**31 - 1

Used = Sequence[tuple[int, int]]
"""Where spans begin in which the model was used, the newest first, and by how many answers."""


def newest(
    session: Session,
    model: str,
    named: sa.ColumnElement[bool],
    *,
    since: datetime | None,
    until: datetime | None,
    answers: int,
) -> Sequence[Any] | None:
    """Conditions that part the newest answers with the model: by quarters of an hour.

    Together they have as many answers before ``until`` as are asked for, where there are so many,
    and all that are not counted yet. None where the sums do not know, or where so few
    answers are walked through to all of these that it is as quick. ``named`` is of a line.
    """
    position = store.position(session)
    known = _numbers(session, model)
    if position.totals_from is None or position.zone is None or OTHER_NAME in known:
        return None
    number, zone = known.get(model[:NAME_CHARS_MAX], 0), ZoneInfo(position.zone)
    low = 0 if since is None else quarter_of(since)
    high = _EVER if until is None else quarter_from(until)
    days, has_enough = _enough(_days(session, number, (low, high)), answers, is_cut=True)
    if not has_enough and (low < position.totals_from or len(days) > PARTS_MAX):
        return None
    spans = [Span(QUARTER, max(day, low), min(end_in(day, "day", zone), high)) for day in days]
    starts, _ = _enough(_quarters(session, number, spans), answers, is_cut=until is not None)
    if starts and _are_few(session, begin_of(starts[-1]), until):
        return None
    if len(starts) > PARTS_MAX or _months(starts) & store.removed_months(session):
        return None
    last = position.counted.event_id
    waiting = list(
        session.scalars(sa.select(UsageEvent.id).where(UsageEvent.id > last).limit(WAITING_MAX))
    )
    if len(waiting) == WAITING_MAX:
        return None
    uncounted = [among(UsageEvent.id, waiting) & _with_line(named)] if waiting else []
    return [*(_within(start, last, named) for start in starts), *uncounted]


def _enough(used: Used, answers: int, *, is_cut: bool) -> tuple[list[int], bool]:
    """As many of the newest as have the answers, and whether they do.

    Of the first and the last a part may lie outside of what is asked for (``is_cut``).
    """
    starts: list[int] = []
    counted = 0
    for place, (start, questions) in enumerate(used):
        starts.append(start)
        counted += 0 if is_cut and place == 0 else questions
        if counted >= answers:
            return starts, True
    return starts, False


def _months(starts: Sequence[int]) -> set[int]:
    return {month_of(begin_of(start)) for start in starts}


def _are_few(session: Session, since: datetime, until: datetime | None) -> bool:
    walked = sa.select(UsageEvent.id).where(UsageEvent.received_at >= since)
    if until is not None:
        walked = walked.where(UsageEvent.received_at < until)
    some = walked.limit(WALKED_MAX).subquery()
    return (session.scalar(sa.select(sa.func.count()).select_from(some)) or 0) < WALKED_MAX


def _within(start: int, last: int, named: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    begin, end = begin_of(start), begin_of(start + 1)
    # The month names the partition: in each of them PostgreSQL would look for a line.
    in_month = UsageLine.received_month == month_of(begin)
    return (
        (UsageEvent.received_at >= begin)
        & (UsageEvent.received_at < end)
        & (UsageEvent.id <= last)
        & _with_line(named, in_month)
    )


def _with_line(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists().where(UsageLine.event_id == UsageEvent.id, *conditions)


def _numbers(session: Session, model: str) -> dict[str, int]:
    """Of the model, if it has one; and of ``…``, where models are that have none."""
    named = sa.select(UsageName.name, UsageName.id).where(
        UsageName.kind == "model", UsageName.name.in_((model[:NAME_CHARS_MAX], OTHER_NAME))
    )
    return {row.name: row.id for row in session.execute(named)}


def _days(session: Session, number: int, period: tuple[int, int]) -> Used:
    """The newest days that have some of the period."""
    table, (low, high) = UsageModelTotals, period
    days = (
        sa.select(table.start, sa.func.sum(table.model_questions))
        .where(
            table.width == DAY,
            table.start > low - 2 * QUARTERS_IN_DAY,  # no day is longer
            table.start < high,
            table.model_id == number,
        )
        .group_by(table.start)
        .order_by(table.start.desc())
        .limit(PARTS_MAX + 1)
    )
    return [(start, int(questions)) for start, questions in session.execute(days)]


def _quarters(session: Session, number: int, spans: Sequence[Span]) -> Used:
    """All of these days."""
    # Each is named: of a period, PostgreSQL would read the rows of all its days, or of all models.
    named = [start for span in spans for start in range(span.low, span.high)]
    table = UsageModelTotals
    quarters = (
        sa.select(table.start, sa.func.sum(table.model_questions))
        .where(
            table.width == QUARTER,
            among(table.start, named),
            table.model_id == number,
        )
        .group_by(table.start)
        .order_by(table.start.desc())
    )
    return [(start, int(questions)) for start, questions in session.execute(quarters)]
