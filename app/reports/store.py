"""Every SQL statement of reports: sums over spans of time, and the names of what they are of."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ledger.models import Transaction
from app.links.models import Link
from app.metering.models import UsageArchive, UsageEvent, UsageLine
from app.reports.models import (
    ReportPosition,
    UsageByLink,
    UsageByModel,
    UsageByUser,
    UsageCorrection,
    UsageName,
)
from app.reports.query import MEASURES, Basis, Counted, Filters, Group
from app.reports.rollup.fold import NAME_CHARS_MAX
from app.reports.spans import QUARTER, Span, begin_of
from app.users.models import User

Sums = dict[str, int]
CORRECTIONS = ("rerated", "reversed", "refunded")
"""What changes a charge; the other movements of a wallet do not."""

_LINK = UsageByLink.metadata.tables[UsageByLink.__tablename__]
_USER = UsageByUser.metadata.tables[UsageByUser.__tablename__]
_MODEL = UsageByModel.metadata.tables[UsageByModel.__tablename__]
_CORRECTION = UsageCorrection.metadata.tables[UsageCorrection.__tablename__]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be added up.

    ``buckets`` are the spans of each bucket, or of the whole period. ``questions`` names the
    column that has each answer once in this grouping; None when there is no such column.
    """

    buckets: Sequence[Sequence[Span]]
    by: tuple[Group, ...]
    filters: Filters
    link_ids: frozenset[int] | None
    counted: int
    """The last event that counts, where events themselves are read."""
    questions: str | None
    only: Sequence[tuple[int | str, ...]] | None = None
    """These groups alone."""


@dataclass(frozen=True, slots=True)
class Found:
    """Sums of a bucket and a group; ids of users and links, numbers or texts of names."""

    bucket: int
    keys: tuple[Any, ...]
    sums: Sums


def counted(session: Session) -> Counted:
    """How far the sums go."""
    position = session.get(ReportPosition, 1, populate_existing=True)
    event_id, transaction_id = (
        (0, 0) if position is None else (position.event_id, position.transaction_id)
    )
    newest = sa.select(
        sa.select(sa.func.max(UsageEvent.id)).scalar_subquery(),
        sa.select(sa.func.max(Transaction.id)).scalar_subquery(),
    )
    event, transaction = session.execute(newest).one()
    is_behind = (event or 0) > event_id or (transaction or 0) > transaction_id
    return Counted(event_id, transaction_id, is_behind)


def clock(session: Session) -> str | None:
    """The zone by which days and months are kept; None before anything was counted."""
    return session.scalar(sa.select(ReportPosition.zone))
