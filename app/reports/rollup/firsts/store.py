"""When users asked first in a day, and in a month: every statement that keeps it.

Each user's is in their row of the totals. How many there are of each quarter is counted beside, so
that who asked up to some time of a day is added up from a few dozen rows, however many they are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.reports.models import UsageByUser, UsageFirstAnswers, UsageUserTotals
from app.reports.rollup.fold import EVENT_SUMS, Fold
from app.reports.spans import DAY, MONTH, QUARTER, end_in
from app.upserts import upsert_adding

_Row = Mapping[str, int]
_Place = tuple[int, int, int]
"""A width, a start and a user."""


def with_firsts(folded: Fold, rows: Sequence[_Row]) -> list[dict[str, int]]:
    """These rows of users' totals with the first answer that was folded."""
    return [{**row, "first_start": folded.first_starts[_place(row)]} for row in rows]


def add(session: Session, rows: Sequence[_Row]) -> None:
    """Count users whose first answers these are, before they are added to the totals.

    Whoever calls it holds the position: nobody else adds any meanwhile.
    """
    known = _known(session, [_place(row) for row in rows])
    moved: Counter[_Place] = Counter()
    for row in rows:
        before, first = known.get(_place(row)), row["first_start"]
        if before is None or first < before:
            moved[row["width"], row["start"], first] += 1
        if before is not None and first < before:
            moved[row["width"], row["start"], before] -= 1
    names = ("width", "start", "first_start", "users")
    changed = [
        dict(zip(names, (*place, users), strict=True))
        for place, users in sorted(moved.items())
        if users
    ]
    upsert_adding(UsageFirstAnswers, session, changed, key=list(names[:3]), add=["users"])
    left = [place for place, users in moved.items() if users < 0]
    if left:
        counts = UsageFirstAnswers
        key = sa.tuple_(counts.width, counts.start, counts.first_start)
        session.execute(sa.delete(counts).where(key.in_(left), counts.users == 0))


def derive(session: Session, low: int, before: int | None, zone: ZoneInfo) -> None:
    """Make totals and first answers of users of the one day with answers from ``low`` on.

    And of months that begin there. Each row is written once, with its first answer.
    """
    for table in (UsageUserTotals, UsageFirstAnswers):
        within = _within(table.start, low, before)
        session.execute(sa.delete(table).where(table.width.in_((DAY, MONTH)), *within))
    first = _first(UsageByUser.start, UsageByUser.width == QUARTER, low, before)
    _write(session, DAY, (low, before), first)
    months = sa.select(UsageByUser.start).where(
        UsageByUser.width == MONTH, *_within(UsageByUser.start, low, before)
    )
    for month in session.scalars(months.distinct()).all():
        days, end = UsageUserTotals, end_in(month, "month", zone)
        first = _first(days.first_start, days.width == DAY, month, end)
        _write(session, MONTH, (month, month + 1), first)


def _within(start: Any, low: int, high: int | None) -> list[sa.ColumnElement[bool]]:  # noqa: ANN401 - a column
    return [start >= low] if high is None else [start >= low, start < high]


def _first(answer: Any, of_width: Any, low: int, high: int | None) -> sa.Subquery:  # noqa: ANN401 - SQLAlchemy's
    """The first answer of each user in a stretch of time."""
    table = answer.class_
    first = sa.select(table.user_id.label("user_id"), sa.func.min(answer).label("first_start"))
    return (
        first.where(of_width, *_within(table.start, low, high)).group_by(table.user_id).subquery()
    )


def _write(session: Session, width: int, span: tuple[int, int | None], first: sa.Subquery) -> None:
    parts, totals, counts = UsageByUser, UsageUserTotals, UsageFirstAnswers
    key = (parts.width, parts.start, parts.user_id)
    rows = (
        sa.select(
            *key,
            *(sa.func.sum(getattr(parts, name)) for name in EVENT_SUMS),
            sa.func.min(first.c.first_start),
        )
        .join(first, first.c.user_id == parts.user_id)
        .where(parts.width == width, *_within(parts.start, *span))
        .group_by(*key)
        .order_by(*key)  # as they are read: PostgreSQL keeps rows where they were put
    )
    names = ["width", "start", "user_id", *EVENT_SUMS, "first_start"]
    session.execute(sa.insert(totals).from_select(names, rows))
    place = (totals.width, totals.start, totals.first_start)
    counted = (
        sa.select(*place, sa.func.count())
        .where(totals.width == width, *_within(totals.start, *span))
        .group_by(*place)
    )
    names = ["width", "start", "first_start", "users"]
    session.execute(sa.insert(counts).from_select(names, counted))


def _known(session: Session, places: Sequence[_Place]) -> dict[_Place, int]:
    """The first answers of these in the totals."""
    totals = UsageUserTotals
    key = (totals.width, totals.start, totals.user_id)
    rows = session.execute(
        sa.select(*key, totals.first_start).where(
            sa.tuple_(*key).in_(places), totals.first_start.is_not(None)
        )
    )
    return {(row[0], row[1], row[2]): row[3] or 0 for row in rows}


def _place(row: _Row) -> _Place:
    return row["width"], row["start"], row["user_id"]
