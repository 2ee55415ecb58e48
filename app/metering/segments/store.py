"""Every SQL statement on segments of users."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.metering.models import UsageSegment
from app.metering.segments.document import Segment, digest, overflow
from app.upserts import insert_ignoring

SEGMENTS_MAX = 10_000


def ensure(session: Session, segment: Segment) -> int:
    """The number of a segment, a new one where there is none; beyond the bound that of ``…``."""
    found = find(session, segment)
    if found is None and _count(session) >= SEGMENTS_MAX:
        segment = overflow(segment)
    row = {"digest": digest(segment), "attributes": dict(segment)}
    if found is None:
        insert_ignoring(UsageSegment, session, [row])
        found = find(session, segment)
    return found or 0


def find(session: Session, segment: Segment) -> int | None:
    return session.scalar(sa.select(UsageSegment.id).where(UsageSegment.digest == digest(segment)))


def _count(session: Session) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(UsageSegment)) or 0
