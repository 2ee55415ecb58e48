"""Every SQL statement that reads audit entries."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry


def list_page(
    session: Session,
    *,
    before_id: int | None = None,
    limit: int = 50,
    object_type: str | None = None,
    object_id: str | None = None,
    actor: str | None = None,
) -> Sequence[AuditEntry]:
    """Entries that match everything given, newest first, those with an id below ``before_id``."""
    statement = sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(AuditEntry.id < before_id)
    wanted = {"object_type": object_type, "object_id": object_id, "actor": actor}
    return session.scalars(
        statement.filter_by(**{name: value for name, value in wanted.items() if value is not None})
    ).all()


def list_about(
    session: Session,
    objects: Collection[tuple[str, str]],
    *,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[AuditEntry]:
    """Entries about any of these objects (type and id), newest first, below ``before_id``."""
    place = sa.tuple_(AuditEntry.object_type, AuditEntry.object_id)
    statement = sa.select(AuditEntry).where(place.in_(list(objects)))
    if before_id is not None:
        statement = statement.where(AuditEntry.id < before_id)
    return session.scalars(statement.order_by(AuditEntry.id.desc()).limit(limit)).all()
