"""Sums of the whole house, and of it by user and by model: every statement that makes them.

They are made of the sums by link, user and model, so that they can always be made anew: that is how
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
    UsageByLink,
    UsageByModel,
    UsageByUser,
    UsageFirstAnswers,
    UsageModelTotals,
    UsageReturns,
    UsageTotals,
    UsageUserTotals,
)
from app.reports.rollup.firsts import store as firsts
from app.reports.rollup.fold import EVENT_SUMS, LINE_SUMS, Fold, Sums
from app.reports.rollup.returns import store as returns
from app.reports.spans import (
    DAY,
    HOUR,
    MONTH,
    QUARTER,
    QUARTERS_IN_HOUR,
    hour_from,
    hour_of,
)
from app.upserts import Otherwise, upsert_adding

TABLES: tuple[type[Base], ...] = (
    UsageTotals,
    UsageUserTotals,
    UsageModelTotals,
    UsageFirstAnswers,
    UsageReturns,
)


def _table(model: type[Base]) -> sa.Table:
    return model.metadata.tables[model.__tablename__]


_WHEN = ("width", "start")
_IN_HOUR: sa.ColumnElement[int] = sa.literal_column(str(QUARTERS_IN_HOUR), sa.Integer())
"""In the statement's own text: PostgreSQL groups by what it can see to be selected."""
_MADE_OF: tuple[tuple[sa.Table, sa.Table, Sequence[str]], ...] = (
    (_table(UsageTotals), _table(UsageByLink), EVENT_SUMS),
    (_table(UsageModelTotals), _table(UsageByModel), LINE_SUMS),
)
"""Totals that are kept of quarters and hours, too, what they are made of, and what is added up."""


def add(session: Session, folded: Fold, since: int) -> None:
    """Add these events to the totals of spans that begin from the quarter ``since`` on."""
    users = folded.user_totals
    rows = firsts.with_firsts(folded, _since(since, users))
    firsts.add(session, rows)
    returns.add(session, rows, since)
    least = Otherwise(least="first_start")
    upsert_adding(UsageUserTotals, session, rows, key=users.key, add=users.columns, otherwise=least)
    for table, sums in ((UsageTotals, folded.totals), (UsageModelTotals, folded.model_totals)):
        upsert_adding(table, session, _since(since, sums), key=sums.key, add=sums.columns)


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
        _derive(session, _Span(width, low, before))
    _derive_hours(session, low, before)
    firsts.derive(session, low, before, zone)
    returns.derive(session, low, is_first=before is None)
    return low


@dataclass(frozen=True, slots=True)
class _Span:
    width: int
    low: int
    high: int | None

    def of(self, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        found = [table.c.width == self.width, table.c.start >= self.low]
        return found if self.high is None else [*found, table.c.start < self.high]


def _derive_hours(session: Session, low: int, before: int | None) -> None:
    """Of quarters. Each is made whole, also where it is of two days, by a clock of half hours."""
    low, high = hour_of(low), None if before is None else hour_from(before)
    _derive(session, _Span(HOUR, low, high), _Span(QUARTER, low, high))


def _derive(session: Session, span: _Span, of: _Span | None = None) -> None:
    """Make the totals of a width anew, ``of`` hours from those of quarters."""
    for whole, parts, columns in _MADE_OF:
        session.execute(sa.delete(whole).where(*span.of(whole)))
        start = parts.c.start if of is None else parts.c.start - parts.c.start % _IN_HOUR
        key = [column for column in whole.primary_key.columns if column.name not in _WHEN]
        rows = (
            sa.select(
                sa.literal(span.width),
                start.label("start"),
                *(parts.c[column.name] for column in key),
                *(sa.func.sum(parts.c[name]) for name in columns),
            )
            .where(*(of or span).of(parts))
            .group_by(start, *(parts.c[column.name] for column in key))
        )
        names = [*_WHEN, *(column.name for column in key), *columns]
        session.execute(sa.insert(whole).from_select(names, rows))
