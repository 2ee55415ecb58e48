"""Sums of the whole house, by user and by model alone: every statement that makes them.

They are made of the sums by user and by model, so that they can always be made anew: that is how
those of what was counted before there were totals come about, from the newest day back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import Base, Otherwise, upsert_adding
from app.reports.models import UsageByModel, UsageByUser, UsageModelTotals, UsageUserTotals
from app.reports.rollup.fold import EVENT_SUMS, LINE_SUMS, Fold
from app.reports.spans import DAY, MONTH, QUARTER


@dataclass(frozen=True, slots=True)
class _Totals:
    """``whole`` has the rows of ``parts`` of some widths, added up over what it has no key of."""

    whole: sa.Table
    parts: sa.Table
    widths: Sequence[int]
    columns: Sequence[str]


def _table(model: type[Base]) -> sa.Table:
    return model.metadata.tables[model.__tablename__]


_ALL = (
    _Totals(_table(UsageUserTotals), _table(UsageByUser), (DAY, MONTH), EVENT_SUMS),
    _Totals(_table(UsageModelTotals), _table(UsageByModel), (QUARTER, DAY, MONTH), LINE_SUMS),
)
TABLES: tuple[type[Base], ...] = (UsageUserTotals, UsageModelTotals)


def add(session: Session, folded: Fold, since: int) -> None:
    """Add these events to the totals of spans that begin from the quarter ``since`` on."""
    users, models = folded.user_totals, folded.model_totals
    rows = [
        row | {"first_start": _first_start(folded, row)}
        for row in users.rows()
        if row["start"] >= since
    ]
    least = Otherwise(least="first_start")
    upsert_adding(UsageUserTotals, session, rows, key=users.key, add=users.columns, otherwise=least)
    rows = [row for row in models.rows() if row["start"] >= since]
    upsert_adding(UsageModelTotals, session, rows, key=models.key, add=models.columns)


def _first_start(folded: Fold, row: Mapping[str, int]) -> int | None:
    is_of_day = row["width"] == DAY
    return folded.first_starts[row["start"], row["user_id"]] if is_of_day else None


def derive_day_before(session: Session, before: int | None) -> int:
    """Make the totals of the last day with answers before that quarter; of all after it, for None.

    Returns from where on there are totals then, which is 0 when there is nothing more to do.
    """
    by_user = _table(UsageByUser)
    newest = sa.select(sa.func.max(by_user.c.start)).where(by_user.c.width == DAY)
    if before is not None:
        newest = newest.where(by_user.c.start < before)
    low = session.scalar(newest) or 0
    for totals in _ALL:
        for width in totals.widths:
            _derive(session, totals, width, low, before)
    _derive_first_starts(session, low, before)
    return low


def _derive_first_starts(session: Session, low: int, high: int | None) -> None:
    """Of the one day with answers in between."""
    whole, parts = UsageUserTotals, UsageByUser
    first = (
        sa.select(parts.user_id.label("user_id"), sa.func.min(parts.start).label("start"))
        .where(parts.width == QUARTER, parts.start >= low)
        .group_by(parts.user_id)
    )
    if high is not None:
        first = first.where(parts.start < high)
    firsts = first.subquery()
    session.execute(
        sa.update(whole)
        .where(whole.width == DAY, whole.start == low, whole.user_id == firsts.c.user_id)
        .values(first_start=firsts.c.start),
        execution_options={"synchronize_session": False},
    )


def _derive(session: Session, totals: _Totals, width: int, low: int, high: int | None) -> None:
    whole, parts = totals.whole, totals.parts
    key = [parts.c[column.name] for column in whole.primary_key.columns]

    def within(table: sa.Table) -> list[sa.ColumnElement[bool]]:
        found = [table.c.width == width, table.c.start >= low]
        return found if high is None else [*found, table.c.start < high]

    session.execute(sa.delete(whole).where(*within(whole)))
    added = (
        sa.select(*key, *(sa.func.sum(parts.c[name]) for name in totals.columns))
        .where(*within(parts))
        .group_by(*key)
    )
    names = [*(column.name for column in key), *totals.columns]
    session.execute(sa.insert(whole).from_select(names, added))
