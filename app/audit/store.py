"""Every SQL statement that reads audit entries."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.errors import NotFound


class AuditEntryNotFound(NotFound):
    """No audit entry has this number."""

    code = "audit_entry_not_found"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are meant; None leaves a filter out.

    ``action`` is a whole one or, with a dot at its end, the beginning: ``prices.``; ``since`` is
    inclusive, ``until`` is not; ``reason`` is a part of it, in any case.
    """

    actor: str | None = None
    source: str | None = None
    action: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    reason: str | None = None


def list_page(
    session: Session, wanted: Wanted, *, before_id: int | None = None, limit: int = 50
) -> Sequence[AuditEntry]:
    """Entries that match everything given, newest first, those with an id below ``before_id``."""
    statement = sa.select(AuditEntry).where(*_conditions(wanted))
    if before_id is not None:
        statement = statement.where(AuditEntry.id < before_id)
    return session.scalars(statement.order_by(AuditEntry.id.desc()).limit(limit)).all()


def get(session: Session, entry_id: int) -> AuditEntry:
    """Raises: AuditEntryNotFound."""
    entry = session.get(AuditEntry, entry_id) if entry_id < 2**63 else None
    if entry is None:
        raise AuditEntryNotFound(f"there is no audit entry {entry_id}")
    return entry


def _conditions(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    for name in ("actor", "source", "object_type", "object_id"):
        value = getattr(wanted, name)
        if value is not None:
            yield getattr(AuditEntry, name) == value
    if wanted.action is not None:
        is_beginning = wanted.action.endswith(".")
        yield (
            AuditEntry.action.startswith(wanted.action, autoescape=True)
            if is_beginning
            else AuditEntry.action == wanted.action
        )
    if wanted.since is not None:
        yield AuditEntry.at >= wanted.since
    if wanted.until is not None:
        yield AuditEntry.at < wanted.until
    if wanted.reason is not None:
        yield AuditEntry.reason.icontains(wanted.reason, autoescape=True)


def list_about(
    session: Session,
    objects: Collection[tuple[str, str]],
    *,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[AuditEntry]:
    """Entries about any of these objects (type and id), newest first, below ``before_id``."""
    # Each by itself: SQLite looks no pair of a list up in the index.
    about = [
        (AuditEntry.object_type == type_) & (AuditEntry.object_id == object_id)
        for type_, object_id in objects
    ]
    statement = sa.select(AuditEntry).where(sa.or_(sa.false(), *about))
    if before_id is not None:
        statement = statement.where(AuditEntry.id < before_id)
    return session.scalars(statement.order_by(AuditEntry.id.desc()).limit(limit)).all()
