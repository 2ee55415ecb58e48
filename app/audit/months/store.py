"""Statements that walk a stretch of the audit journal."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry


def list_between(
    session: Session,
    *,
    since: datetime,
    until: datetime,
    after: tuple[datetime, int] | None,
    limit: int,
) -> Sequence[AuditEntry]:
    """Entries by time; ``after`` are time and id of the last one that was read."""
    statement = sa.select(AuditEntry).where(AuditEntry.at >= since, AuditEntry.at < until)
    if after is not None:
        statement = statement.where(
            AuditEntry.at >= after[0], (AuditEntry.at > after[0]) | (AuditEntry.id > after[1])
        )
    return session.scalars(statement.order_by(AuditEntry.at, AuditEntry.id).limit(limit)).all()
