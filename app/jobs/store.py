"""Every SQL statement on background jobs."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.jobs.models import BackgroundJob

FINISHED = ("done", "failed", "cancelled")


class JobNotFound(NotFound):
    """There is no such job."""

    code = "job_not_found"


def get(session: Session, job_id: int) -> BackgroundJob:
    """The job.

    Raises:
        JobNotFound: there is none of that number.
    """
    job = session.get(BackgroundJob, job_id)
    if job is None:
        raise JobNotFound(f"there is no job {job_id}; `shareauth jobs list` shows them")
    return job


def lock(session: Session, job_id: int) -> BackgroundJob | None:
    """The job as it is now, locked until this transaction ends."""
    return session.scalar(
        sa.select(BackgroundJob)
        .where(BackgroundJob.id == job_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def lock_next(session: Session, now: datetime, kinds: Collection[str]) -> BackgroundJob | None:
    """The oldest job of these kinds that waits for a runner or has lost its own; locked.

    On PostgreSQL jobs that others are just taking are passed by; on SQLite this transaction is the
    only writer anyway.
    """
    return session.scalar(
        sa.select(BackgroundJob)
        .where(_is_free(now, kinds))
        .order_by(BackgroundJob.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def has_next(session: Session, now: datetime, kinds: Collection[str]) -> bool:
    """Whether ``lock_next`` may find one; for readers, who hold nobody up."""
    found = sa.select(BackgroundJob.id).where(_is_free(now, kinds)).limit(1)
    return session.scalar(found) is not None


def list_page(
    session: Session,
    *,
    state: str | None = None,
    kind: str | None = None,
    asked_by: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> Sequence[BackgroundJob]:
    """Newest first, those before ``before_id``."""
    statement = sa.select(BackgroundJob).order_by(BackgroundJob.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(BackgroundJob.state == state)
    if kind is not None:
        statement = statement.where(BackgroundJob.kind == kind)
    if asked_by is not None:
        statement = statement.where(BackgroundJob.asked_by == asked_by)
    if before_id is not None:
        statement = statement.where(BackgroundJob.id < before_id)
    return session.scalars(statement).all()


def prune(session: Session, *, finished_before: datetime) -> int:
    """Forget jobs that ended before then; how many."""
    result = session.execute(
        sa.delete(BackgroundJob).where(
            BackgroundJob.state.in_(FINISHED), BackgroundJob.finished_at < finished_before
        )
    )
    return int(getattr(result, "rowcount", 0))


def _is_free(now: datetime, kinds: Collection[str]) -> sa.ColumnElement[bool]:
    waits = sa.and_(BackgroundJob.state == "queued", BackgroundJob.due_at <= now)
    lost = sa.and_(BackgroundJob.state == "running", BackgroundJob.leased_until < now)
    return sa.and_(BackgroundJob.kind.in_(sorted(kinds)), sa.or_(waits, lost))
