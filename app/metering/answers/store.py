"""Every SQL statement on one user's own answers: for the person who asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of

EVENTS_SUMMED_MAX = 3000


@dataclass(frozen=True, slots=True)
class Place:
    """An answer's place in a list by time: the next page goes on behind it."""

    received_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class ModelSum:
    """What a user used of one model; nano-units."""

    model: str
    answers: int
    points: int
    charge: int


def list_page(
    session: Session, user_id: int, *, after: Place | None, limit: int
) -> Sequence[UsageEvent]:
    """A user's answers, the latest first, ``after`` the last one of the page before."""
    order = (UsageEvent.received_at, UsageEvent.id)
    statement = sa.select(UsageEvent).where(UsageEvent.user_id == user_id)
    if after is not None:
        at = sa.literal(after.received_at, UsageEvent.received_at.type)
        statement = statement.where(sa.tuple_(*order) < sa.tuple_(at, sa.literal(after.id)))
    newest_first = [column.desc() for column in order]
    return session.scalars(statement.order_by(*newest_first).limit(limit)).all()


def sum_by_model(
    session: Session, user_id: int, *, since: datetime, until: datetime
) -> list[ModelSum]:
    """What each model used in a month, the dearest first.

    At most the last ``EVENTS_SUMMED_MAX`` answers count, and lines that were archived do not. The
    months of both ends are named, so that no other month's lines are looked at.
    """
    newest = _newest(user_id, since, until).limit(EVENTS_SUMMED_MAX).subquery()
    points, charge = sa.func.sum(UsageLine.points), sa.func.sum(UsageLine.charge)
    statement = (
        sa.select(UsageLine.model, sa.func.count(UsageLine.event_id.distinct()), points, charge)
        .join(newest, newest.c.id == UsageLine.event_id)
        .where(
            UsageLine.received_month.in_({month_of(since), month_of(until)}), UsageLine.model != ""
        )
        .group_by(UsageLine.model)
        .order_by(charge.desc(), points.desc(), UsageLine.model)
    )
    return [
        ModelSum(row[0], row[1], int(row[2]), int(row[3])) for row in session.execute(statement)
    ]


def exceeds_sum(session: Session, user_id: int, *, since: datetime, until: datetime) -> bool:
    """Whether there are more answers than ``sum_by_model`` adds up."""
    behind = _newest(user_id, since, until).offset(EVENTS_SUMMED_MAX).limit(1)
    return session.scalar(behind) is not None


def _newest(user_id: int, since: datetime, until: datetime) -> sa.Select[int]:
    return (
        sa.select(UsageEvent.id)
        .where(
            UsageEvent.user_id == user_id,
            UsageEvent.received_at >= since,
            UsageEvent.received_at < until,
        )
        .order_by(UsageEvent.received_at.desc(), UsageEvent.id.desc())
    )
