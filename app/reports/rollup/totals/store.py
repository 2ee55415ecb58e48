"""Sums of the whole house, by user and by model alone: every statement that makes them.

They are made of the sums by user and by model, so that they can always be made anew: that is how
those of what was counted before there were totals come about, from the newest day back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import Base
from app.reports.given import store as given
from app.reports.models import (
    UsageByModel,
    UsageByUser,
    UsageFirstAnswers,
    UsageModelTotals,
    UsageUserTotals,
)
from app.reports.rollup.firsts import store as firsts
from app.reports.rollup.fold import EVENT_SUMS, LINE_SUMS, Fold, Sums
from app.reports.spans import DAY, MONTH, QUARTER
from app.upserts import Otherwise, upsert_adding


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
TABLES: tuple[type[Base], ...] = (UsageUserTotals, UsageModelTotals, UsageFirstAnswers)


def add(session: Session, folded: Fold, since: int) -> None:
    """Add these events to the totals of spans that begin from the quarter ``since`` on."""
    users, models = folded.user_totals, folded.model_totals
    rows = firsts.with_firsts(folded, _since(since, users))
    firsts.add(session, rows)
    least = Otherwise(least="first_start")
    upsert_adding(UsageUserTotals, session, rows, key=users.key, add=users.columns, otherwise=least)
    upsert_adding(
        UsageModelTotals, session, _since(since, models), key=models.key, add=models.columns
    )


def _since(since: int, sums: Sums) -> list[dict[str, Any]]:
    return [row for row in sums.rows() if row["start"] >= since]


def derive_day_before(session: Session, before: int | None, zone: ZoneInfo) -> int:
    """Make the totals of the last day with answers before that quarter; of all after it, for None.

    Returns from where on there are totals then, which is 0 when there is nothing more to do.
    """
    given.look_up(session, each_alone=False)
    by_user = _table(UsageByUser)
    newest = sa.select(sa.func.max(by_user.c.start)).where(by_user.c.width == DAY)
    if before is not None:
        newest = newest.where(by_user.c.start < before)
    low = session.scalar(newest) or 0
    for totals in _ALL:
        for width in totals.widths:
            _derive(session, totals, width, low, before)
    firsts.derive(session, low, before, zone)
    return low


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
