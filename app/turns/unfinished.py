"""Write down the questions whose finish never came, and those whose finish came late.

The gate tells of them until this has committed; the ticket is unique in the table. So a crash at
any point loses none and counts none twice.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy.orm import Session

from app.admission.gate import Collected, ExpiredTicket, Gate
from app.db import Database
from app.unfinished import store
from app.unfinished.store import UnfinishedRow

BATCH_MAX = 500
BATCHES_MAX = 40
"""What is left comes with the next run."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Noted:
    """What one run wrote down."""

    recorded: int = 0
    """Questions without a finish, those finished late included."""
    hold: int = 0
    """What they were expected to cost (nano-units)."""
    finished_late: int = 0
    forgotten: int = 0
    """Let go unrecorded: too many were watched, or their user or link is not in these books."""

    def __add__(self, other: "Noted") -> "Noted":
        return Noted(
            self.recorded + other.recorded,
            self.hold + other.hold,
            self.finished_late + other.finished_late,
            self.forgotten + other.forgotten,
        )


def note_unfinished(*, db: Database, gate: Gate, now: datetime) -> Noted:
    """Record all that the gate tells; nothing while Redis is away.

    Raises:
        DatabaseAway: the rest is told again.
    """
    noted = Noted()
    for _ in range(BATCHES_MAX):
        collected = gate.collect_expired(BATCH_MAX)
        if collected is None or collected.is_empty:
            break
        noted += db.run(partial(_note, collected=collected, now=now))
        if not gate.acknowledge_expired(collected):
            break
    if noted != Noted():
        log.warning("turns.unfinished", **asdict(noted))
    return noted


def _note(session: Session, *, collected: Collected, now: datetime) -> Noted:
    recording = store.record(session, [_row(ticket, now) for ticket in collected.tickets])
    for row in recording.homeless:
        log.error("turns.unfinished_homeless", user_id=row.user_id, link_id=row.link_id)
    finished_late = sum(
        store.finish_late(
            session,
            user_id=finish.user_id,
            link_id=finish.link_id,
            received_at=finish.received_at,
            finished_by=finish.settle_key,
        )
        for finish in collected.late
    )
    return Noted(
        recorded=len(recording.new),
        hold=sum(row.hold for row in recording.new),
        finished_late=finished_late,
        forgotten=len(recording.homeless)
        + len(collected.lost_tickets)
        + collected.dropped_tickets
        + collected.dropped_late,
    )


def _row(ticket: ExpiredTicket, now: datetime) -> UnfinishedRow:
    return UnfinishedRow(
        ticket=ticket.ticket,
        user_id=ticket.user_id,
        link_id=ticket.link_id,
        plan_id=ticket.plan_id,
        is_guest=ticket.is_guest,
        asked_at=ticket.asked_at,
        expired_at=ticket.expired_at,
        hold=ticket.hold,
        points_hold=ticket.points_hold,
        recorded_at=now,
    )
