"""The periodic jobs, and the loop that runs them: most in one process at a time.

Jobs may be run again at any moment: after a crash, or by the next leader. Beside them, in a thread
of every such process, ``background`` does the work that somebody asked for.
"""

import contextlib
import itertools
import os
import signal
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from queue import Empty, SimpleQueue
from types import FrameType

import structlog
from sqlalchemy.orm import Session

from app import crediting, housekeeping
from app.alarms import sending, watch
from app.alarms.around import Around
from app.alarms.delivering import Courier, Post
from app.alarms.machine import Machine, Streaks
from app.alerts import outbox
from app.alerts import store as alert_store
from app.alerts.conditions import CONDITIONS, SEVERITIES
from app.archives import partitions
from app.background import periodic, scheduled
from app.background.runner import Runner
from app.config import Settings
from app.deliveries import sending as file_sending
from app.findings import store as findings_store
from app.leadership import Leadership, leadership
from app.ledger.verify import Finding
from app.metering.months import month_text
from app.reports.rollup import follow
from app.runtime import Runtime
from app.sightings import store as sighting_store
from app.statements import selfaudit, verification
from app.statements.selfaudit import Surroundings
from app.telemetry import metrics
from app.timetable import Job, daily_at, every
from app.tokens.issuers import parse_configured
from app.turns.unfinished import note_unfinished

TICK_S = 1.0
STATEMENT_TIMEOUT_S = 30.0
"""Nobody waits for a job's statement."""
POOL_SIZE_MIN = 2
"""And as many more in a rush."""
FINDINGS_MAX = 1000
"""Enough to know that something is very wrong; `shareauth ledger verify` shows them all."""
RECENT = timedelta(hours=1)
"""Longer than anything takes from its time to its commit, so that nothing falls in between."""
RECENT_FINDINGS_MAX = 100
"""They are logged every few minutes until somebody comes."""
USAGE_BATCHES_MAX = 20
"""So many at a time, then the other jobs have their turn."""

log = structlog.get_logger(__name__)


def prepare_partitions(runtime: Runtime, now: datetime) -> None:
    """Have a partition of usage lines for this month and the next ones, on PostgreSQL."""
    made = partitions.prepare(runtime.db, now)
    if made:
        log.info("partitions_made", months=[month_text(month) for month in made])


def verify_ledger(runtime: Runtime, now: datetime) -> None:
    """Derive all the books say anew; each finding is logged and kept, their number is a metric."""
    verified = verification.verify(
        runtime.db, zone=runtime.settings.zone, findings_max=FINDINGS_MAX
    )
    _report(verified.findings, "books", verification.CODES)
    _keep(runtime, verified.findings, () if verified.is_truncated else verification.CODES, now)
    _note_run(runtime, "books", len(verified.findings), now)
    log.info("ledger_verified", findings=len(verified.findings))


def verify_recent(runtime: Runtime, now: datetime) -> None:
    """The same for what was written in the last hour, and a look around the books."""
    settings, since = runtime.settings, now - RECENT
    verified = verification.verify(
        runtime.db, zone=settings.zone, since=since, findings_max=RECENT_FINDINGS_MAX
    )
    _report(verified.findings, "recent", verification.CODES)
    _keep(runtime, verified.findings, (), now)  # what is older it has not looked at
    around = Surroundings(
        gate=runtime.gate,
        reload=timedelta(seconds=settings.admission.reload_s),
        spool=runtime.spool.status(),
        zone=settings.zone,
    )
    stands_out = selfaudit.audit(runtime.db, around, since=since, now=now)
    found = tuple(itertools.islice(stands_out, RECENT_FINDINGS_MAX))
    _report(found, "recent", selfaudit.CODES)
    is_whole = len(found) < RECENT_FINDINGS_MAX
    _keep(runtime, found, selfaudit.CODES if is_whole else (), now)
    _note_run(runtime, "recent", len(verified.findings) + len(found), now)


def _keep(
    runtime: Runtime, findings: Sequence[Finding], resolves: Sequence[str], now: datetime
) -> None:
    with runtime.db.begin() as session:
        findings_store.record(session, findings, resolves=resolves, now=now)


def _note_run(runtime: Runtime, scope: str, findings: int, now: datetime) -> None:
    with runtime.db.begin() as session:
        findings_store.note_run(session, scope, findings=findings, now=now)


def _report(findings: Sequence[Finding], scope: str, codes: Sequence[str]) -> None:
    counts = Counter(finding.code for finding in findings)
    for code in codes:  # zeros as well: an alarm ends only when it hears of one
        metrics.FINDINGS.labels(code, scope).set(counts[code])
    for finding in findings:
        log.error(
            "finding", code=finding.code, scope=scope, text=finding.message, ids=dict(finding.ids)
        )


def record_unfinished(runtime: Runtime, now: datetime) -> None:
    """Write down the questions whose finish never came, and those whose finish came late."""
    noted = note_unfinished(db=runtime.db, gate=runtime.gate, now=now)
    metrics.UNFINISHED_TURNS.labels("recorded").inc(noted.recorded)
    metrics.UNFINISHED_TURNS.labels("finished_late").inc(noted.finished_late)
    metrics.UNFINISHED_TURNS.labels("forgotten").inc(noted.forgotten)


def follow_usage(runtime: Runtime, now: datetime) -> None:
    """Add what is new in the books to the sums that reports are made of."""
    for _ in range(USAGE_BATCHES_MAX):
        with runtime.db.begin() as session:
            advanced = follow.advance(session, zone=runtime.settings.zone, now=now)
        if advanced.is_done:
            return


def drain_spool(runtime: Runtime, now: datetime) -> None:
    """Settle finishes that wait on this machine's disk, and say how many do."""
    try:
        drained = runtime.drain.run(now)
        for outcome, count in drained.outcomes.items():
            metrics.SPOOL_EVENTS.labels(outcome).inc(count)
    finally:
        _show_spool(runtime, now)


def _show_spool(runtime: Runtime, now: datetime) -> None:
    status = runtime.spool.status()
    waited = now - status.oldest_at if status.oldest_at else timedelta(0)
    metrics.SPOOL_RECORDS.set(status.records)
    metrics.SPOOL_BYTES.set(status.size_bytes)
    metrics.SPOOL_OLDEST_SECONDS.set(waited.total_seconds())
    metrics.SPOOL_FULL_RATIO.set(status.fullness)
    metrics.SPOOL_ASIDE.labels("rejected").set(status.rejected)
    metrics.SPOOL_ASIDE.labels("damaged").set(status.damaged)


def watch_service(runtime: Runtime, now: datetime) -> None:
    """Open and end alerts about the service, and say how many are open."""
    watch.watch_service(runtime.db, _around(runtime), now)
    with runtime.db.read() as session:
        is_open = alert_store.count_open(session)
        waiting = outbox.waiting(session)
    for condition in CONDITIONS:
        for severity in SEVERITIES:
            count = is_open.get((condition, severity), 0)
            metrics.ALERTS_OPEN.labels(condition, severity).set(count)
    for status, count in waiting.items():
        metrics.ALERT_DELIVERIES_WAITING.labels(status).set(count)


def watch_usage(runtime: Runtime, now: datetime) -> None:
    """Open and end alerts about balances, budgets and spending."""
    watch.watch_usage(runtime.db, _around(runtime), now)


def _around(runtime: Runtime) -> Around:
    settings = runtime.settings
    return Around(
        zone=settings.zone,
        currency=settings.billing.currency,
        config_issuers=parse_configured(settings.issuers),
        count_refusals=_count_refusals,
        find_failing=periodic.find_failing,
    )


def _count_refusals(session: Session, since: datetime, until: datetime) -> Mapping[str, int]:
    counts = sighting_store.count_by_code(session, since=since, until=until)
    by_code: Counter[str] = Counter()
    for (_, code), count in counts.items():
        by_code[code] += count
    return by_code


JOBS = (
    Job("drain_spool", every(timedelta(seconds=1)), drain_spool, runs_everywhere=True),
    Job("follow_usage", every(timedelta(seconds=2)), follow_usage),
    Job("record_unfinished", every(timedelta(seconds=15)), record_unfinished),
    Job("prune_unfinished", every(timedelta(hours=1)), housekeeping.prune_unfinished),
    Job("prune_sessions", every(timedelta(hours=1)), housekeeping.prune_sessions),
    Job("prune_operators", every(timedelta(hours=1)), housekeeping.prune_operators),
    Job("prune_quarantine", every(timedelta(hours=1)), housekeeping.prune_quarantine),
    Job("prune_background_jobs", every(timedelta(hours=1)), housekeeping.prune_background_jobs),
    Job("forget_code_texts", every(timedelta(hours=1)), housekeeping.forget_code_texts),
    Job("prune_refusals", every(timedelta(hours=1)), housekeeping.prune_refusals),
    Job("prune_tokens", every(timedelta(hours=1)), housekeeping.prune_tokens),
    Job("forget_profiles", every(timedelta(hours=1)), housekeeping.forget_profiles),
    Job(
        "prune_exports", every(timedelta(hours=1)), housekeeping.prune_exports, runs_everywhere=True
    ),
    Job("prepare_partitions", every(timedelta(hours=1)), prepare_partitions),
    Job("watch_service", every(timedelta(minutes=1)), watch_service),
    Job("watch_usage", every(timedelta(minutes=5)), watch_usage),
    Job("prune_alerts", every(timedelta(hours=1)), housekeeping.prune_alerts),
    Job("run_schedules", every(timedelta(seconds=15)), periodic.run_schedules),
    Job("prune_deliveries", every(timedelta(hours=1)), periodic.prune_deliveries),
    Job("sweep_outbox", every(timedelta(hours=6)), periodic.sweep_outbox, runs_everywhere=True),
    *crediting.JOBS,
    Job("verify_recent", every(timedelta(minutes=5)), verify_recent),
    Job("verify_ledger", daily_at(clock_time(3, 30)), verify_ledger),
)


def alert_jobs(streaks: Streaks, courier: Courier) -> tuple[Job, ...]:
    """The jobs that need more than the runtime: what this process remembers, and its threads."""

    def watch_machine(runtime: Runtime, now: datetime) -> None:
        machine = Machine(socket.gethostname(), runtime.spool.status(), streaks.failing())
        watch.watch_machine(runtime.db, machine, now)

    def deliver_alerts(runtime: Runtime, now: datetime) -> None:
        del runtime, now
        courier.kick()

    return (
        Job("watch_machine", every(timedelta(minutes=1)), watch_machine, runs_everywhere=True),
        Job("deliver_alerts", every(timedelta(seconds=5)), deliver_alerts),
    )


class FileJobs:
    """The periodic job that sends files, and its threads, which begin when it first runs."""

    def __init__(self) -> None:
        self._courier: file_sending.Courier | None = None

    def jobs(self) -> tuple[Job, ...]:
        # Everywhere: a machine sends the files that lie on it.
        return (
            Job("deliver_files", every(timedelta(seconds=5)), self._deliver, runs_everywhere=True),
        )

    def _deliver(self, runtime: Runtime, now: datetime) -> None:
        del now
        if self._courier is None:
            post = scheduled.build_post(runtime, lambda: datetime.now(UTC))
            self._courier = file_sending.Courier(post)
        self._courier.kick()

    def close(self) -> None:
        if self._courier is not None:
            self._courier.close()


class Rota:
    """Which jobs are due. A leader's first tick only makes the plan."""

    def __init__(
        self,
        runtime: Runtime,
        lead: Leadership,
        jobs: Sequence[Job] = JOBS,
        streaks: Streaks | None = None,
    ) -> None:
        self._streaks = streaks or Streaks()
        self._runtime = runtime
        self._lead = lead
        self._jobs = jobs
        self._due: dict[str, datetime] = {}

    def tick(self, now: datetime) -> None:
        """Run what is due: all jobs if this process leads, else those that run everywhere."""
        leads = self._lead.is_held()
        for job in self._jobs:
            if not leads and not job.runs_everywhere:
                self._due.pop(job.name, None)
                self._streaks.done(job.name)  # it is somebody else's now, and so are its failures
                continue
            local = now.astimezone(self._runtime.settings.zone)
            following = job.next_time(local)
            # Never later than from now on: else, after the clock was set back, finishes would wait
            # in the spool until it had caught up.
            due = min(self._due.get(job.name) or job.first_time(local), following)
            self._due[job.name] = due if due > now else following
            if due > now:
                continue
            self._run(job, now)

    def _run(self, job: Job, now: datetime) -> None:
        try:
            job.run(self._runtime, now)
        except Exception as error:
            # Whatever is wrong with one job, the others go on and this one is tried again next
            # time.
            self._streaks.failed(job.name, error)
            metrics.JOB_RUNS.labels(job.name, "failed").inc()
            log.exception("job_failed", job=job.name)
        else:
            self._streaks.done(job.name)
            metrics.JOB_RUNS.labels(job.name, "done").inc()


def work(settings: Settings, *, parent_pid: int | None = None) -> None:
    """Run the jobs until SIGTERM or SIGINT, or until ``parent_pid`` is no longer the parent."""
    asked_to_stop: SimpleQueue[int] = SimpleQueue()  # a signal may put into it at any moment

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        asked_to_stop.put(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    runtime = Runtime.build(_with_room(settings), statement_timeout_s=STATEMENT_TIMEOUT_S)
    lead = leadership(runtime.db)
    runner = Runner(runtime, clock=lambda: datetime.now(UTC))
    runner.start()
    streaks, courier = Streaks(), Courier(_post(runtime))
    files = FileJobs()
    rota = Rota(runtime, lead, [*JOBS, *alert_jobs(streaks, courier), *files.jobs()], streaks)
    log.info("worker_started")
    try:
        while asked_to_stop.empty() and parent_pid in (None, os.getppid()):
            rota.tick(datetime.now(UTC))
            with contextlib.suppress(Empty):
                asked_to_stop.get(timeout=TICK_S)
                break
    finally:
        courier.close()
        files.close()
        lead.close()
        runner.stop()
        runtime.close()
        log.info("worker_stopped")


def _with_room(settings: Settings) -> Settings:
    """With connections enough for leadership, periodic jobs, a background job and its pulse."""
    pool_size = max(POOL_SIZE_MIN, settings.database.pool_size)
    database = settings.database.model_copy(update={"pool_size": pool_size})
    return settings.model_copy(update={"database": database})


def _post(runtime: Runtime) -> Post:
    return Post(
        db=runtime.db,
        send=sending.build(runtime.settings, runtime.keys),
        clock=lambda: datetime.now(UTC),
        on_sent=lambda kind, outcome: metrics.ALERT_DELIVERIES.labels(kind, outcome).inc(),
    )
