"""Write audit entries, in the transaction of the change they speak of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.audit.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change: a person or a part of the service, and from where."""

    name: str
    source: str
    address: str | None = None


def record(
    session: Session,
    *,
    actor: Actor,
    action: str,
    subject: tuple[str, object],
    now: datetime,
    change: tuple[dict[str, Any] | None, dict[str, Any] | None] = (None, None),
    reason: str | None = None,
) -> None:
    """Add one entry.

    ``action`` is ``<object>.<verb>`` such as ``links.rotate_key``; ``subject`` is the object's type
    and id; ``change`` is the JSON-safe state before and after, without any secret.
    """
    object_type, object_id = subject
    before, after = change
    session.add(
        AuditEntry(
            at=now,
            actor=actor.name,
            source=actor.source,
            address=actor.address,
            action=action,
            object_type=object_type,
            object_id=str(object_id),
            before=before,
            after=after,
            reason=reason,
        )
    )
