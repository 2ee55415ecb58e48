"""What is done to background jobs by who asks for them; ``leases`` is the runners' side."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.errors import Conflict
from app.jobs import store
from app.jobs.models import BackgroundJob

QUEUED = "queued"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)


class JobFinished(Conflict):
    """What has ended cannot be cancelled."""

    code = "job_finished"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job to do. ``parameters`` are JSON-safe and were checked by the handler's own model.

    ``operator_id`` is of the operator who asks, where they have an account.
    """

    kind: str
    parameters: dict[str, Any]
    operator_id: int | None = None


def enqueue(
    session: Session, spec: JobSpec, *, actor: Actor, now: datetime, reason: str | None = None
) -> BackgroundJob:
    """A job that the next free runner takes up, once this transaction is committed."""
    job = BackgroundJob(
        kind=spec.kind,
        parameters=spec.parameters,
        operator_id=spec.operator_id,
        asked_by=actor.name,
        state=QUEUED,
        done=0,
        attempts=0,
        created_at=now,
        due_at=now,
    )
    session.add(job)
    session.flush()
    change = (None, {"kind": job.kind, "parameters": job.parameters})
    _record(session, "enqueue", job, change, actor=actor, now=now, reason=reason)
    return job


def cancel(
    session: Session, job_id: int, *, actor: Actor, now: datetime, reason: str | None = None
) -> BackgroundJob:
    """Have a job not begun, or stopped at its next step; what it did stays done.

    Asked twice it changes nothing.

    Raises:
        JobNotFound: there is no such job.
        JobFinished: it has ended otherwise.
    """
    job = store.lock(session, job_id) or store.get(session, job_id)
    if job.state == CANCELLED or (job.state == RUNNING and job.cancel_asked_at is not None):
        return job
    if job.state in store.FINISHED:
        raise JobFinished(f"job {job.id} is {job.state} already")
    before = job.state
    job.cancel_asked_at = now
    if job.state == QUEUED:
        job.state = CANCELLED
        job.finished_at = now
    session.flush()
    change = ({"state": before}, {"state": job.state, "cancel_asked": True})
    _record(session, "cancel", job, change, actor=actor, now=now, reason=reason)
    return job


def describe(job: BackgroundJob) -> dict[str, Any]:
    """The job as JSON."""
    return {
        "id": job.id,
        "kind": job.kind,
        "parameters": job.parameters,
        "asked_by": job.asked_by,
        "state": job.state,
        "is_stopping": job.state == RUNNING and job.cancel_asked_at is not None,
        "done": job.done,
        "total": job.total,
        "message": job.message,
        "result": job.result,
        "error_code": job.error_code,
        "attempts": job.attempts,
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "heartbeat_at": _iso(job.heartbeat_at),
        "finished_at": _iso(job.finished_at),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _record(
    session: Session,
    verb: str,
    job: BackgroundJob,
    change: tuple[dict[str, Any] | None, dict[str, Any] | None],
    *,
    actor: Actor,
    now: datetime,
    reason: str | None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"jobs.{verb}",
        subject=("job", job.id),
        now=now,
        change=change,
        reason=reason,
    )
