"""What an erasure did, as a document for whoever asked for it: what went, what stays and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.errors import Conflict
from app.people import store
from app.people.erasure import ACTION
from app.people.personal_columns import ABOUT_NOBODY, WHY, columns
from app.users.models import User

FORMAT = "shareauth-erasure/1"
ELSEWHERE = (
    {
        "place": "FastGPT",
        "what": "Chats are under the uid. They are deleted there.",
    },
    {
        "place": "logs",
        "what": "They name references and numbers, no subject or name; they go with their age.",
    },
    {
        "place": "backups and exported files",
        "what": "What was written before the erasure has the person as they were. Delete it with "
        "its age, and erase again whatever is put back.",
    },
)


class NotErased(Conflict):
    """The user is who they are."""

    code = "user_not_erased"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One that was done. ``removed`` counts rows of each kind; None: before that was written."""

    user_id: int
    uid: str
    pseudonym: str
    erased_at: datetime
    actor: str | None
    reason: str | None
    removed: dict[str, int] | None


def erasures(
    session: Session, *, before_id: int | None = None, limit: int = 50
) -> Sequence[Erasure]:
    """What was erased, users seen last first."""
    users = store.list_erased(session, before_id=before_id, limit=limit)
    entries = store.load_entries(session, [user.id for user in users], ACTION)
    return [_erasure(user, entries.get(user.id)) for user in users]


def receipt(session: Session, user: User, *, now: datetime) -> dict[str, Any]:
    """The document; JSON-safe.

    Raises:
        NotErased: nothing was erased of this user.
    """
    if user.erased_at is None:
        raise NotErased(f"user {user.id} was not erased")
    done = _erasure(user, store.load_entries(session, [user.id], ACTION).get(user.id))
    return {
        "format": FORMAT,
        "written_at": now.isoformat(),
        "user": {"id": user.id, "uid": user.uid, "subject": user.subject},
        "erased_at": user.erased_at.isoformat(),
        "erased_by": done.actor,
        "reason": done.reason,
        "removed": done.removed,
        "kept": store.count_kept(session, user.id),
        "columns": [
            {
                "table": one.table,
                "column": one.name,
                "effect": one.handling.effect,
                "why": None if one.handling.why is None else WHY[one.handling.why],
            }
            for one in columns()
        ],
        "about_no_visitor": sorted(ABOUT_NOBODY),
        "elsewhere": [dict(one) for one in ELSEWHERE],
    }


def _erasure(user: User, entry: AuditEntry | None) -> Erasure:
    if user.erased_at is None:
        raise AssertionError("an erasure of somebody who was not erased")
    return Erasure(
        user_id=user.id,
        uid=user.uid,
        pseudonym=user.subject,
        erased_at=user.erased_at,
        actor=None if entry is None else entry.actor,
        reason=None if entry is None else entry.reason,
        removed=None if entry is None else {**(entry.after or {})},
    )
