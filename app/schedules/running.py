"""When schedules are due, their runs: asked for once each, made, and handed to the deliveries.

A run is its schedule's one run of its period: there is a unique key. It is asked for in the
transaction that says when the schedule is due next, with the schedule's row locked. So after a
downtime each missed period is made once, and two workers never make one twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.closings import months
from app.db import Database
from app.deliveries import orders
from app.deliveries.home import Home
from app.deliveries.orders import Order
from app.errors import Conflict
from app.jobs.models import BackgroundJob
from app.schedules import calendar, store
from app.schedules.calendar import Period
from app.schedules.commands import CLOSING, By, cadence_of, maker_of, parameters_of
from app.schedules.makers import Assignment, Kinds, Made, Site
from app.schedules.models import Schedule, ScheduleRun

ACTOR = Actor("timetable", "worker")
WAITED_FOR = timedelta(hours=2)
"""After it was due; by then somebody has to look."""
Enqueue = Callable[[Session, int, Actor], BackgroundJob]
"""Asks for the background job that makes a run, in its transaction; is given the run's id."""


class NothingClosed(Conflict):
    """No month has been closed since the schedule watches for it."""

    code = "nothing_closed"


def run_due(db: Database, enqueue: Enqueue, kinds: Kinds, now: datetime) -> int:
    """Ask for the runs that are due: at most one of each schedule at a time; how many."""
    with db.read() as session:
        is_idle = not store.has_due(session, now) and not (
            kinds.closed_months is not None and store.has_waiting(session)
        )
    if is_idle:
        return 0

    def ask(session: Session) -> int:
        asked = [_ask_due(session, one, enqueue, now) for one in store.lock_due(session, now)]
        asked += _ask_closed(session, enqueue, kinds, now)
        return sum(asked)

    return db.run(ask)


def run_now(
    session: Session, schedule: Schedule, *, enqueue: Enqueue, kinds: Kinds, by: By
) -> ScheduleRun:
    """Make and send the last whole period now; anew, if it was made before.

    Raises:
        Conflict: it is being made at this moment (``run_under_way``), or waits for a closing that
            never was (``nothing_closed``).
    """
    store.lock(session, schedule.id)
    if schedule.every == CLOSING:
        closed = [] if kinds.closed_months is None else kinds.closed_months(
            session, schedule.created_at
        )  # fmt: skip
        if not closed:
            raise NothingClosed("no month was closed since this schedule was made")
        period, due_at = Period(closed[-1].label, closed[-1].since, closed[-1].until), by.now
    else:
        cadence = cadence_of(schedule)
        due_at = calendar.last_until(cadence, by.now)
        period = calendar.period_before(cadence, by.now)
    run = _insert(session, schedule, period, due_at, by.actor.name)
    if run is None:
        run = store.find_run(session, schedule.id, period.label)
    if run is None:
        raise Conflict("somebody is changing this schedule: ask again", code="run_under_way")
    return _begin_again(session, schedule, run, enqueue, by)


def run_again(session: Session, run: ScheduleRun, *, enqueue: Enqueue, by: By) -> ScheduleRun:
    """Make a run of before anew and send it again, under the same names.

    Raises:
        Conflict: it is being made at this moment (``run_under_way``).
    """
    schedule = store.lock(session, run.schedule_id)
    session.refresh(run)
    return _begin_again(session, schedule, run, enqueue, by)


def settle_abandoned(db: Database, enqueue: Enqueue, now: datetime) -> int:
    """Say of runs whose background job has failed that they have, and why; how many.

    One that had to wait too often, as for books that are behind, is asked for again for a while.
    """
    with db.read() as session:
        if not store.abandoned_runs(session):
            return 0

    def settle(session: Session) -> int:
        settled = 0
        for run, job in store.abandoned_runs(session):
            failed = job if job is not None and job.state == "failed" else None
            run.error = "it was cancelled" if failed is None else failed.message
            waited = failed is not None and failed.error_code == "job_gave_up"
            if waited and now - run.due_at < WAITED_FOR:
                run.state, run.job_id = store.QUEUED, enqueue(session, run.id, ACTOR).id
                continue
            run.state, run.finished_at = store.FAILED, now
            settled += 1
        return settled

    return db.run(settle)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What making a run needs."""

    db: Database
    home: Home
    kinds: Kinds
    site: Site
    clock: Callable[[], datetime]
    check: Callable[[], None]
    """Raises when the work is to be left off."""


def make(shop: Workshop, run_id: int) -> list[int]:
    """Make the files of a run and ask for their deliveries; the ids of those.

    Done again after an interruption it makes the same files anew, and the same deliveries.

    Raises:
        RunNotFound, ScheduleNotFound: they were removed meanwhile.
        ServiceError: whatever the maker raises.
    """
    run, schedule = shop.db.run(lambda session: _begun(session, run_id, shop.clock()))
    if run.state == store.DONE:
        return run.delivery_ids
    maker = maker_of(shop.kinds, schedule.kind)
    made = maker.make(
        shop.db,
        Assignment(
            schedule=schedule.name,
            owner=schedule.owner,
            parameters=parameters_of(maker, schedule.parameters),
            period=Period(run.period, run.since, run.until),
            zone=schedule.time_zone,
            folder=shop.home.folder(f"schedule-{schedule.id}-{run.period}"),
            site=shop.site,
            now=shop.clock(),
            month=_month_of(run, schedule, shop.site),
            check=shop.check,
        ),
    )
    return shop.db.run(lambda session: _hand_over(session, run_id, made, shop))


def _month_of(run: ScheduleRun, schedule: Schedule, site: Site) -> int | None:
    """The month of the service's that a run is of; closings have no other."""
    if schedule.every == CLOSING:
        return months.parse(run.period)
    is_same_clock = ZoneInfo(schedule.time_zone) == site.zone
    return months.parse(run.period) if schedule.every == "month" and is_same_clock else None


def _ask_due(session: Session, schedule: Schedule, enqueue: Enqueue, now: datetime) -> bool:
    cadence, due_at = cadence_of(schedule), schedule.next_at or now
    schedule.next_at = calendar.next_after(cadence, due_at)
    period = calendar.period_before(cadence, due_at)
    run = _insert(session, schedule, period, due_at, ACTOR.name)
    if run is None:  # somebody asked for it by hand before
        run = store.find_run(session, schedule.id, period.label)
        if run is None or run.state != store.FAILED:
            return False
        run.state, run.error, run.finished_at = store.QUEUED, None, None
    run.job_id = enqueue(session, run.id, ACTOR).id
    session.flush()
    return True


def _ask_closed(session: Session, enqueue: Enqueue, kinds: Kinds, now: datetime) -> list[bool]:
    asked: list[bool] = []
    if kinds.closed_months is None:
        return asked
    for schedule in store.lock_waiting(session):
        for month in kinds.closed_months(session, schedule.watches_from):
            period = Period(month.label, month.since, month.until)
            run = _insert(session, schedule, period, now, ACTOR.name)
            if run is not None:
                run.job_id = enqueue(session, run.id, ACTOR).id
                asked.append(True)
    session.flush()
    return asked


def _insert(
    session: Session, schedule: Schedule, period: Period, due_at: datetime, asked_by: str
) -> ScheduleRun | None:
    row = {
        "schedule_id": schedule.id,
        "period": period.label,
        "since": period.since,
        "until": period.until,
        "due_at": due_at,
        "asked_by": asked_by,
        "state": store.QUEUED,
        "is_again": False,
        "delivery_ids": [],
    }
    return store.insert_run_if_new(session, row)


def _begin_again(
    session: Session, schedule: Schedule, run: ScheduleRun, enqueue: Enqueue, by: By
) -> ScheduleRun:
    if run.state in {store.QUEUED, store.RUNNING} and run.job_id is not None:
        raise Conflict("it is being made at this moment", code="run_under_way")
    before = {"state": run.state}
    run.is_again = run.is_again or run.finished_at is not None
    run.state, run.error, run.finished_at = store.QUEUED, None, None
    run.asked_by = by.actor.name
    run.job_id = enqueue(session, run.id, by.actor).id
    session.flush()
    journal.record(
        session,
        actor=by.actor,
        action="schedules.run",
        subject=("schedule", schedule.id),
        now=by.now,
        change=(before, {"state": run.state, "period": run.period}),
    )
    return run


def _begun(session: Session, run_id: int, now: datetime) -> tuple[ScheduleRun, Schedule]:
    run = store.get_run(session, run_id)
    if run.state != store.DONE:
        run.state, run.started_at, run.error = store.RUNNING, now, None
    session.flush()
    return run, store.get(session, run.schedule_id)


def _hand_over(session: Session, run_id: int, made: Made, shop: Workshop) -> list[int]:
    now = shop.clock()
    run = store.get_run(session, run_id)
    schedule = store.get(session, run.schedule_id)
    order = Order(
        key=f"schedule-{schedule.id}-{run.period}",
        subject=made.subject,
        files=made.files,
        manifest=_manifest(schedule, run, made),
        asked_by=run.asked_by,
        summary=made.summary,
        summary_html=made.summary_html,
        is_again=run.is_again,
    )
    ids = [
        orders.deliver(session, one, order, home=shop.home.name, now=now).id
        for one in schedule.destination_ids
    ]
    run.delivery_ids, run.manifest = ids, dict(order.manifest)
    run.state, run.finished_at, run.is_again = store.DONE, now, False
    session.flush()
    return ids


def _manifest(schedule: Schedule, run: ScheduleRun, made: Made) -> dict[str, Any]:
    return {
        **made.manifest,
        "schedule": {"id": schedule.id, "name": schedule.name, "kind": schedule.kind},
        "asked_by": run.asked_by,
        "owner": schedule.owner,
        "files": [one.told() for one in made.files],
    }
