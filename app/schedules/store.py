"""Every SQL statement on schedules and their runs."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.jobs.models import BackgroundJob
from app.metering.models import UsageEvent
from app.schedules.models import Schedule, ScheduleRun
from app.upserts import insert_ignoring

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
_OPEN = (QUEUED, RUNNING)
_ID_MAX = 2**63 - 1


class ScheduleNotFound(NotFound):
    """There is no such schedule."""

    code = "schedule_not_found"


class RunNotFound(NotFound):
    """There is no such run, or no longer."""

    code = "schedule_run_not_found"


def list_schedules(session: Session) -> Sequence[Schedule]:
    """All schedules, by name: there are few."""
    return session.scalars(sa.select(Schedule).order_by(Schedule.name)).all()


def get(session: Session, schedule_id: int) -> Schedule:
    """The schedule.

    Raises:
        ScheduleNotFound: there is none.
    """
    found = session.get(Schedule, schedule_id) if 0 < schedule_id <= _ID_MAX else None
    if found is None:
        raise ScheduleNotFound(f"there is no schedule {schedule_id}")
    return found


def get_named(session: Session, name: str) -> Schedule:
    """The schedule.

    Raises:
        ScheduleNotFound: there is none.
    """
    found = session.scalar(sa.select(Schedule).where(Schedule.name == name))
    if found is None:
        raise ScheduleNotFound(
            f"there is no schedule {name!r}; `shareauth schedules list` shows them"
        )
    return found


def lock(session: Session, schedule_id: int) -> Schedule:
    """The schedule as it is now, nobody else's until the transaction ends.

    Raises:
        ScheduleNotFound: there is none.
    """
    session.execute(sa.select(Schedule.id).where(Schedule.id == schedule_id).with_for_update())
    session.expire_all()
    return get(session, schedule_id)


def insert_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when a schedule of that name exists."""
    return insert_ignoring(Schedule, session, [row]) == 1


def delete(session: Session, schedule: Schedule) -> None:
    """Remove it with its history."""
    session.execute(sa.delete(ScheduleRun).where(ScheduleRun.schedule_id == schedule.id))
    session.delete(schedule)
    session.flush()


def has_due(session: Session, now: datetime) -> bool:
    found = sa.select(Schedule.id).where(Schedule.is_enabled, Schedule.next_at <= now)
    return session.scalar(found.limit(1)) is not None


def lock_due(session: Session, now: datetime) -> Sequence[Schedule]:
    """Schedules that are due, which no other process is just looking at."""
    return session.scalars(
        sa.select(Schedule)
        .where(Schedule.is_enabled, Schedule.next_at <= now)
        .order_by(Schedule.next_at, Schedule.id)
        .with_for_update(skip_locked=True)
    ).all()


def lock_waiting(session: Session) -> Sequence[Schedule]:
    """Schedules that wait for closings, which no other process is just looking at."""
    return session.scalars(
        sa.select(Schedule)
        .where(Schedule.is_enabled, Schedule.every == "closing")
        .order_by(Schedule.id)
        .with_for_update(skip_locked=True)
    ).all()


def has_waiting(session: Session) -> bool:
    found = sa.select(Schedule.id).where(Schedule.is_enabled, Schedule.every == "closing")
    return session.scalar(found.limit(1)) is not None


def insert_run_if_new(session: Session, row: dict[str, object]) -> ScheduleRun | None:
    """The new run; None when this period of the schedule has one."""
    if not insert_ignoring(ScheduleRun, session, [row]):
        return None
    return find_run(session, int(str(row["schedule_id"])), str(row["period"]))


def find_run(session: Session, schedule_id: int, period: str) -> ScheduleRun | None:
    return session.scalar(
        sa.select(ScheduleRun)
        .where(ScheduleRun.schedule_id == schedule_id, ScheduleRun.period == period)
        .with_for_update()
    )


def get_run(session: Session, run_id: int) -> ScheduleRun:
    """The run.

    Raises:
        RunNotFound: there is none, or it was pruned.
    """
    found = session.get(ScheduleRun, run_id) if 0 < run_id <= _ID_MAX else None
    if found is None:
        raise RunNotFound(f"there is no run {run_id}")
    return found


def list_runs(
    session: Session, schedule_id: int, *, before_id: int | None = None, limit: int = 50
) -> Sequence[ScheduleRun]:
    """Runs of a schedule, newest first, those with an id below ``before_id``."""
    statement = (
        sa.select(ScheduleRun)
        .where(ScheduleRun.schedule_id == schedule_id)
        .order_by(ScheduleRun.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        statement = statement.where(ScheduleRun.id < before_id)
    return session.scalars(statement).all()


def last_runs(session: Session, schedule_ids: Collection[int]) -> dict[int, ScheduleRun]:
    """The newest run of each schedule that has one."""
    newest = (
        sa.select(sa.func.max(ScheduleRun.id))
        .where(ScheduleRun.schedule_id.in_(sorted(schedule_ids)))
        .group_by(ScheduleRun.schedule_id)
    )
    found = session.scalars(sa.select(ScheduleRun).where(ScheduleRun.id.in_(newest)))
    return {run.schedule_id: run for run in found}


def list_failed(session: Session) -> list[tuple[Schedule, ScheduleRun]]:
    """Schedules that are switched on and whose newest run failed."""
    on = {one.id: one for one in list_schedules(session) if one.is_enabled}
    last = last_runs(session, on.keys())
    return [(on[id_], run) for id_, run in sorted(last.items()) if run.state == FAILED]


def abandoned_runs(session: Session) -> Sequence[tuple[ScheduleRun, BackgroundJob | None]]:
    """Runs that wait for a background job that has failed, was cancelled, or is gone."""
    rows = session.execute(
        sa.select(ScheduleRun, BackgroundJob)
        .outerjoin(BackgroundJob, BackgroundJob.id == ScheduleRun.job_id)
        .where(
            ScheduleRun.state.in_(_OPEN),
            sa.or_(BackgroundJob.id.is_(None), BackgroundJob.state.in_(("failed", "cancelled"))),
        )
    )
    return [(run, job) for run, job in rows]


def names_using(session: Session, destination_id: int) -> list[str]:
    """Schedules that send something to a destination."""
    return [one.name for one in list_schedules(session) if destination_id in one.destination_ids]


def is_behind(session: Session, event_id: int, until: datetime) -> bool:
    """Whether there are answers of the time before ``until`` behind the event of that id."""
    found = sa.select(UsageEvent.id).where(UsageEvent.id > event_id, UsageEvent.received_at < until)
    return session.scalar(found.limit(1)) is not None


def prune(session: Session, *, before: datetime) -> int:
    """Forget runs that were over before then, but the last one of each schedule."""
    newest = sa.select(sa.func.max(ScheduleRun.id)).group_by(ScheduleRun.schedule_id)
    gone = session.execute(
        sa.delete(ScheduleRun).where(
            ScheduleRun.finished_at < before, ScheduleRun.id.not_in(newest)
        )
    )
    return int(getattr(gone, "rowcount", 0))
