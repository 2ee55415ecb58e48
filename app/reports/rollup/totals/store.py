"""Sums of the whole house, by user and by model alone: every statement that makes them.

They are made of the sums by user and by model, so that they can always be made anew: that is how
those of what was counted before there were totals come about, from the newest day back.
"""

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
from app.reports.rollup.fold import LINE_SUMS, Fold, Sums
from app.reports.spans import DAY, MONTH, QUARTER
from app.upserts import Otherwise, upsert_adding

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
    newest = sa.select(sa.func.max(UsageByUser.start)).where(UsageByUser.width == DAY)
    if before is not None:
        newest = newest.where(UsageByUser.start < before)
    low = session.scalar(newest) or 0
    for width in (QUARTER, DAY, MONTH):
        _derive_models(session, width, low, before)
    firsts.derive(session, low, before, zone)
    return low


def _derive_models(session: Session, width: int, low: int, high: int | None) -> None:
    whole, parts = UsageModelTotals, UsageByModel

    def within(table: type[UsageModelTotals | UsageByModel]) -> list[sa.ColumnElement[bool]]:
        found = [table.width == width, table.start >= low]
        return found if high is None else [*found, table.start < high]

    session.execute(sa.delete(whole).where(*within(whole)))
    key = (parts.width, parts.start, parts.model_id, parts.kind_id)
    added = (
        sa.select(*key, *(sa.func.sum(getattr(parts, name)) for name in LINE_SUMS))
        .where(*within(parts))
        .group_by(*key)
    )
    names = [*(column.name for column in key), *LINE_SUMS]
    session.execute(sa.insert(whole).from_select(names, added))
