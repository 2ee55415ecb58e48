"""When users asked first in a day, and in a month: every statement that keeps it.

Each user's is in their row of the totals. How many there are of each quarter is counted beside, so
that who asked up to some time of a day is added up from a few dozen rows, however many they are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.reports.models import UsageByUser, UsageFirstAnswers, UsageUserTotals
from app.reports.rollup.fold import Fold
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
    """Make those of the one day with answers from ``low`` on, and of months that begin there."""
    stale = sa.delete(UsageFirstAnswers).where(UsageFirstAnswers.start >= low)
    if before is not None:
        stale = stale.where(UsageFirstAnswers.start < before)
    session.execute(stale)
    _derive_day(session, low, before)
    months = sa.select(UsageUserTotals.start).where(
        UsageUserTotals.width == MONTH, UsageUserTotals.start >= low
    )
    if before is not None:
        months = months.where(UsageUserTotals.start < before)
    for month in session.scalars(months.distinct()).all():
        _derive_month(session, month, end_in(month, "month", zone))


def _derive_day(session: Session, low: int, before: int | None) -> None:
    parts = UsageByUser
    first = (
        sa.select(parts.user_id.label("user_id"), sa.func.min(parts.start).label("first"))
        .where(parts.width == QUARTER, parts.start >= low)
        .group_by(parts.user_id)
    )
    if before is not None:
        first = first.where(parts.start < before)
    _write(session, DAY, low, first)


def _derive_month(session: Session, low: int, high: int) -> None:
    days = UsageUserTotals.__table__.alias("days")
    first = (
        sa.select(days.c.user_id, sa.func.min(days.c.first_start).label("first"))
        .where(days.c.width == DAY, days.c.start >= low, days.c.start < high)
        .group_by(days.c.user_id)
    )
    _write(session, MONTH, low, first)


def _write(session: Session, width: int, start: int, first: sa.Select[int, int]) -> None:
    totals, counts, firsts = UsageUserTotals, UsageFirstAnswers, first.subquery("firsts")
    of_span = (totals.width == width, totals.start == start)
    session.execute(
        sa.update(totals)
        .where(*of_span, totals.user_id == firsts.c.user_id)
        .values(first_start=firsts.c.first),
        execution_options={"synchronize_session": False},
    )
    counted = (
        sa.select(totals.width, totals.start, totals.first_start, sa.func.count())
        .where(*of_span)
        .group_by(totals.width, totals.start, totals.first_start)
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
