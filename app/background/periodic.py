"""What the timetable does about schedules and deliveries."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from app.alarms.around import Failing
from app.audit.journal import Actor
from app.background import handlers, scheduled
from app.deliveries import home, sending
from app.deliveries import store as delivery_store
from app.jobs.models import BackgroundJob
from app.retention import store as retention_store
from app.runtime import Runtime
from app.schedules import running
from app.schedules import store as schedule_store
from app.schedules.kinds import KINDS
from app.schedules.running import Enqueue
from app.telemetry import metrics

log = structlog.get_logger(__name__)


def enqueue_at(now: datetime) -> Enqueue:
    """How the background job of a run is asked for."""

    def enqueue(session: Session, run_id: int, actor: Actor) -> BackgroundJob:
        parameters = scheduled.Parameters(run_id=run_id)
        return handlers.enqueue(session, scheduled.KIND, parameters, actor=actor, now=now)

    return enqueue


def run_schedules(runtime: Runtime, now: datetime) -> None:
    """Ask for the runs that are due, and say what became of those that were left lying."""
    asked = running.run_due(runtime.db, enqueue_at(now), KINDS, now)
    if asked:
        log.info("schedules_due", runs=asked)
    failed = running.settle_abandoned(runtime.db, enqueue_at(now), now)
    if failed:
        log.error("schedule_runs_failed", runs=failed)
    buried = sending.bury(runtime.db, now)
    if buried:
        log.error("deliveries_homeless", deliveries=buried)
    with runtime.db.read() as session:
        counts = delivery_store.count_by_status(session)
    for status in (delivery_store.PENDING, delivery_store.DEAD):
        metrics.FILE_DELIVERIES_WAITING.labels(status).set(counts.get(status, 0))


def find_failing(session: Session) -> list[Failing]:
    """Destinations with deliveries that are tried no more, and schedules whose last run failed."""
    dead = [
        Failing(f"destination:{one.id}", one.name, one.count, one.error)
        for one in delivery_store.count_dead(session)
    ]
    failed = [
        Failing(f"schedule:{one.id}", one.name, 1, run.error or "")
        for one, run in schedule_store.list_failed(session)
    ]
    return [*dead, *failed]


def prune_deliveries(runtime: Runtime, now: datetime) -> None:
    """Forget deliveries and runs that were over long ago."""
    before = now - _kept(runtime)
    with runtime.db.begin() as session:
        pruned = {
            "deliveries": delivery_store.prune(session, before=before),
            "schedule_runs": schedule_store.prune(session, before=before),
        }
        for kind, count in pruned.items():
            retention_store.note(session, kind, count, now)
    if any(pruned.values()):
        log.info("deliveries_pruned", count=sum(pruned.values()))


def sweep_outbox(runtime: Runtime, now: datetime) -> None:
    """Remove the files of long ago from this machine's outbox."""
    swept = home.home(runtime.settings).sweep(now - _kept(runtime))
    if swept:
        log.info("outbox_swept", directories=swept)


def _kept(runtime: Runtime) -> timedelta:
    return timedelta(days=runtime.settings.deliveries.kept_days)
