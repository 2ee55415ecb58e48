"""Who runs a job: taken for a while, prolonged while its runner lives, then taken by another.

Each attempt has a name of its own (``Lease.runner``). Whatever a runner writes about a job it
writes by that name, with the job's row locked, and is refused when the job has gone to another: so
a runner that was only slow, or cut off, can do no step after somebody else has begun.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.errors import Conflict
from app.jobs import store
from app.jobs.commands import CANCELLED, DONE, FAILED, QUEUED, RUNNING
from app.jobs.models import BackgroundJob

LEASE = timedelta(seconds=60)
"""How long after its last sign of life a runner is believed to live."""
ATTEMPTS_MAX = 5
"""A job that ends its runner each time would do so for ever."""
RETRY_AFTER = timedelta(seconds=30)


class LeaseLost(Conflict):
    """The job was given to another runner, or ended."""

    code = "job_lease_lost"


@dataclass(frozen=True, slots=True)
class Lease:
    """A job as it was when it was taken; ``saved`` is None the first time."""

    job_id: int
    runner: str
    kind: str
    parameters: dict[str, Any]
    asked_by: str
    saved: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. ``saved`` is what its handler needs to go on from here."""

    done: int
    total: int | None = None
    message: str | None = None
    saved: dict[str, Any] = field(default_factory=dict)


def take(session: Session, now: datetime, kinds: Collection[str]) -> Lease | None:
    """The next job, for this caller alone until ``LEASE`` has passed; None when there is none.

    Only of ``kinds``, which the caller knows how to do: while one version of the service replaces
    another, the new one's jobs wait for its workers.
    A job that was begun ``ATTEMPTS_MAX`` times without getting ahead is given up on the way.
    """
    while (job := store.lock_next(session, now, kinds)) is not None:
        if job.cancel_asked_at is not None:  # of a runner that died before it noticed
            _end(session, job, CANCELLED, now)
        elif job.attempts >= ATTEMPTS_MAX:
            job.error_code = "job_gave_up"
            job.message = f"begun {job.attempts} times and got nowhere; the worker's log says more"
            _end(session, job, FAILED, now)
        else:
            return _taken(session, job, now)
    return None


def prolong(session: Session, lease: Lease, now: datetime) -> bool:
    """Give a sign of life; whether the job is to be stopped.

    Raises:
        LeaseLost: it is another's by now.
    """
    job = _held(session, lease)
    _prolong(session, job, now)
    return job.cancel_asked_at is not None


def advance(session: Session, lease: Lease, progress: Progress, now: datetime) -> bool:
    """Note how far the job is, in the transaction that got it there; whether it is to be stopped.

    Raises:
        LeaseLost: it is another's by now; whatever this transaction did must be undone.
    """
    job = _held(session, lease)
    if progress.done > job.done:  # whatever ended the attempts before, it gets ahead
        job.attempts = 1
    job.done, job.total, job.message = progress.done, progress.total, progress.message
    job.saved = progress.saved
    _prolong(session, job, now)
    return job.cancel_asked_at is not None


def finish(session: Session, lease: Lease, result: dict[str, Any], now: datetime) -> None:
    """Say that the job is done.

    Raises:
        LeaseLost: it is another's by now.
    """
    job = _held(session, lease)
    job.result = result
    job.message = None
    _end(session, job, DONE, now)


def fail(session: Session, lease: Lease, *, code: str, message: str, now: datetime) -> None:
    """Say that the job cannot be done.

    Raises:
        LeaseLost: it is another's by now.
    """
    job = _held(session, lease)
    job.error_code, job.message = code, message
    _end(session, job, FAILED, now)


def stop(session: Session, lease: Lease, now: datetime) -> None:
    """Say that the job was stopped because somebody cancelled it.

    Raises:
        LeaseLost: it is another's by now.
    """
    _end(session, _held(session, lease), CANCELLED, now)


def give_back(session: Session, lease: Lease, now: datetime, *, counts: bool) -> None:
    """Leave the rest of the job to another attempt.

    At once, when this worker stops; after ``RETRY_AFTER``, and as an attempt that ``counts``, when
    something that the job needs was away.

    Raises:
        LeaseLost: it is another's by now.
    """
    job = _held(session, lease)
    job.state, job.runner, job.leased_until = QUEUED, None, None
    if counts:
        job.due_at = now + RETRY_AFTER
    else:
        job.attempts -= 1
    session.flush()


def _taken(session: Session, job: BackgroundJob, now: datetime) -> Lease:
    job.state = RUNNING
    job.runner = secrets.token_hex(16)
    job.attempts += 1
    job.started_at = job.started_at or now
    _prolong(session, job, now)
    return Lease(job.id, job.runner, job.kind, job.parameters, job.asked_by, job.saved)


def _held(session: Session, lease: Lease) -> BackgroundJob:
    job = store.lock(session, lease.job_id)
    if job is None or job.runner != lease.runner:
        raise LeaseLost(f"job {lease.job_id} was taken over by another runner, or has ended")
    return job


def _prolong(session: Session, job: BackgroundJob, now: datetime) -> None:
    job.heartbeat_at = now
    job.leased_until = now + LEASE
    session.flush()


def _end(session: Session, job: BackgroundJob, state: str, now: datetime) -> None:
    job.state = state
    job.runner = job.leased_until = None
    job.finished_at = now
    if state == DONE and job.total is not None:
        job.done = job.total
    session.flush()
