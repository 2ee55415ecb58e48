"""When users asked on a day before the one they asked on: every statement that keeps it.

Whoever asked in some days asked on one of them for the first time since before these. So they are
added up from as many rows as there are days and days before, however many users there are.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.reports.given import store as given
from app.reports.models import UsageReturns, UsageUserTotals
from app.reports.spans import DAY
from app.upserts import upsert_adding

NEVER = -1
"""In place of the day before, of who had none."""

_KEY = ("start", "previous_start")
_Moved = Counter[tuple[int, int]]
_Neighbour = tuple[int, int | None, int | None]
"""A day, the last with an answer of the same user until then, and the next."""


def add(session: Session, rows: Sequence[Mapping[str, int]], since: int) -> None:
    """Count the users of these rows of totals, before they are added to the totals.

    There are totals from ``since`` on. Whoever calls it holds the position: nobody else adds any.
    """
    places = [(row["start"], row["user_id"]) for row in rows if row["width"] == DAY]
    moved: _Moved = Counter()
    for neighbours in _neighbours(session, places, since).values():
        _move(moved, neighbours)
    _write(session, moved)


def derive(session: Session, low: int, *, is_first: bool) -> None:
    """Count the users of the day that begins with ``low``; of the later ones that was done.

    ``is_first`` where there are none: all that was counted before is forgotten.
    """
    if is_first:
        session.execute(sa.delete(UsageReturns))
    here, later = orm.aliased(UsageUserTotals), orm.aliased(UsageUserTotals)
    following = (
        sa.select(sa.func.min(later.start))
        .where(later.user_id == here.user_id, later.width == DAY, later.start > low)
        .scalar_subquery()
    )
    users = (
        sa.select(following.label("following"))
        .where(here.width == DAY, here.start == low)
        .subquery()
    )
    counted = sa.select(users.c.following, sa.func.count()).group_by(users.c.following)
    moved: _Moved = Counter()
    for day, number in session.execute(counted):
        moved[low, NEVER] += number
        if day is not None:
            moved[day, NEVER] -= number
            moved[day, low] += number
    _write(session, moved)


def _move(moved: _Moved, neighbours: Sequence[_Neighbour]) -> None:
    """Count the days of one user that are new, in their order, and what they change of others."""
    new = [one for one in neighbours if one[0] != one[1]]
    last = NEVER
    followed: dict[int, tuple[int, int]] = {}
    for day, before, following in new:
        known = NEVER if before is None else before
        moved[day, max(known, last)] += 1
        last = day
        if following is not None:  # of several, the last one is what stands before it now
            followed[following] = known, day
    for following, (known, day) in followed.items():
        moved[following, known] -= 1
        moved[following, day] += 1


def _neighbours(
    session: Session, places: Sequence[tuple[int, int]], since: int
) -> Mapping[int, list[_Neighbour]]:
    """By user, in the order of the days."""
    if not places:
        return {}
    asked, parameters = given.places(session, places)
    totals = UsageUserTotals

    def theirs(found: Any, *conditions: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's
        mine = (totals.user_id == asked.c.user_id, totals.width == DAY, totals.start >= since)
        return sa.select(found).where(*mine, *conditions).scalar_subquery()

    statement = sa.select(
        asked.c.user_id,
        asked.c.start,
        theirs(sa.func.max(totals.start), totals.start <= asked.c.start),
        theirs(sa.func.min(totals.start), totals.start > asked.c.start),
    ).order_by(asked.c.user_id, asked.c.start)
    found: defaultdict[int, list[_Neighbour]] = defaultdict(list)
    for user_id, *neighbour in session.execute(statement, parameters):
        found[user_id].append(tuple(neighbour))
    return found


def _write(session: Session, moved: _Moved) -> None:
    changed = [
        {"start": start, "previous_start": previous, "users": users}
        for (start, previous), users in sorted(moved.items())
        if users
    ]
    upsert_adding(UsageReturns, session, changed, key=list(_KEY), add=["users"])
    left = [place for place, users in moved.items() if users < 0]
    if left:
        key = sa.tuple_(UsageReturns.start, UsageReturns.previous_start)
        session.execute(sa.delete(UsageReturns).where(key.in_(left), UsageReturns.users == 0))
