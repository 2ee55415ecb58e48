"""What an operator may do about finishes kept aside."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.errors import Conflict, Invalid
from app.metering import store
from app.metering.models import QuarantinedFinish

RESOLUTION_LENGTH_MAX = 1000


def resolve_quarantined(
    session: Session, reference: str, resolution: str, *, actor: Actor, now: datetime
) -> QuarantinedFinish:
    """Note what was done about a kept finish, such as an adjustment booked by hand.

    Raises:
        QuarantinedNotFound: nothing is kept under that reference.
        Conflict: it was resolved before (``already_resolved``).
        Invalid: the resolution says nothing, or too much.
    """
    said = resolution.strip()
    if not said or len(said) > RESOLUTION_LENGTH_MAX or "\0" in said:
        raise Invalid(
            f"say in 1 to {RESOLUTION_LENGTH_MAX} characters what was done about it",
            code="resolution_invalid",
        )
    kept = store.get_quarantined(session, reference)
    if kept.resolved_at is not None:
        raise Conflict(
            f"{reference} was resolved before: {kept.resolution}", code="already_resolved"
        )
    kept.resolved_at = now
    kept.resolution = said
    journal.record(
        session,
        actor=actor,
        action="quarantine.resolve",
        subject=("quarantined_finish", kept.id),
        now=now,
        change=({"resolved_at": None}, {"resolved_at": now.isoformat()}),
        reason=said,
    )
    session.flush()
    return kept
