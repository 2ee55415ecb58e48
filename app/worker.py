"""The periodic jobs, and the loop that runs them: most in one process at a time.

Jobs may be run again at any moment: after a crash, or by the next leader.
"""

import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from types import FrameType

import structlog

from app.archives import partitions
from app.config import Settings
from app.leadership import Leadership, leadership
from app.ledger.verify import Finding
from app.metering import store as metering_store
from app.metering.months import month_text
from app.operators import signin
from app.operators import store as operator_store
from app.runtime import Runtime
from app.statements import selfaudit, verification
from app.statements.selfaudit import Surroundings
from app.telemetry import metrics
from app.tokens import store as token_store
from app.turns.unfinished import note_unfinished
from app.unfinished import store as unfinished_store

TICK_S = 1.0
STATEMENT_TIMEOUT_S = 30.0
"""Nobody waits for a job's statement."""
FINDINGS_MAX = 1000
"""Enough to know that something is very wrong; `shareauth ledger verify` shows them all."""
RECENT = timedelta(hours=1)
"""Longer than anything takes from its time to its commit, so that nothing falls in between."""
RECENT_FINDINGS_MAX = 100
"""They are logged every few minutes until somebody comes."""
SESSIONS_KEPT = timedelta(days=7)
"""A finish may come long after its session has expired, and is billed by it."""
UNFINISHED_KEPT = timedelta(days=400)
"""A year's report can be made when the year is over."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """``next_time`` says when to run again after a given local time."""

    name: str
    next_time: Callable[[datetime], datetime]
    run: Callable[[Runtime, datetime], None]
    runs_everywhere: bool = False
    """In every process of this kind, whoever leads: what it looks after is of this machine."""


def every(interval: timedelta) -> Callable[[datetime], datetime]:
    return lambda after: after + interval


def daily_at(at: clock_time) -> Callable[[datetime], datetime]:
    """Once a day by the clock of the time it is given, whatever daylight saving does."""

    def next_time(after: datetime) -> datetime:
        today = after.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
        if today > after:
            return today
        return today + timedelta(days=1)  # the same time on the clock, in any zone

    return next_time


def prune_sessions(runtime: Runtime, now: datetime) -> None:
    """Forget visitors' sessions that expired a week ago."""
    with runtime.db.begin() as session:
        pruned = token_store.prune_sessions(session, expired_before=now - SESSIONS_KEPT)
    if pruned:
        log.info("sessions_pruned", count=pruned)


def prune_operators(runtime: Runtime, now: datetime) -> None:
    """Forget operators' sessions that have ended, and failed sign-ins that count no more."""
    idle = timedelta(seconds=runtime.settings.admin.session_idle_s)
    with runtime.db.begin() as session:
        pruned = operator_store.prune(
            session, now=now, idle_since=now - idle, failures_before=now - signin.WINDOW
        )
    if pruned:
        log.info("operator_sessions_pruned", count=pruned)


def prune_quarantine(runtime: Runtime, now: datetime) -> None:
    """Forget unreadable finishes that were kept for as long as the settings say."""
    kept = timedelta(days=runtime.settings.hooks.quarantine_days)
    with runtime.db.begin() as session:
        pruned = metering_store.prune_quarantined(session, received_before=now - kept)
    if pruned:
        log.warning("quarantine_pruned", count=pruned)


def prepare_partitions(runtime: Runtime, now: datetime) -> None:
    """Have a partition of usage lines for this month and the next ones, on PostgreSQL."""
    made = partitions.prepare(runtime.db, now)
    if made:
        log.info("partitions_made", months=[month_text(month) for month in made])


def verify_ledger(runtime: Runtime, now: datetime) -> None:
    """Derive all the books say anew; each finding is logged, and their number is a metric."""
    del now
    verified = verification.verify(
        runtime.db, zone=runtime.settings.zone, findings_max=FINDINGS_MAX
    )
    _report(verified.findings, "books", verification.CODES)
    log.info("ledger_verified", findings=len(verified.findings))


def verify_recent(runtime: Runtime, now: datetime) -> None:
    """The same for what was written in the last hour, and a look around the books."""
    settings, since = runtime.settings, now - RECENT
    verified = verification.verify(
        runtime.db, zone=settings.zone, since=since, findings_max=RECENT_FINDINGS_MAX
    )
    _report(verified.findings, "recent", verification.CODES)
    around = Surroundings(
        gate=runtime.gate,
        reload=timedelta(seconds=settings.admission.reload_s),
        spool=runtime.spool.status(),
        zone=settings.zone,
    )
    stands_out = selfaudit.audit(runtime.db, around, since=since, now=now)
    found = tuple(itertools.islice(stands_out, RECENT_FINDINGS_MAX))
    _report(found, "recent", selfaudit.CODES)


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


def prune_unfinished(runtime: Runtime, now: datetime) -> None:
    """Forget unfinished turns of more than a year ago."""
    with runtime.db.begin() as session:
        pruned = unfinished_store.prune(session, asked_before=now - UNFINISHED_KEPT)
    if pruned:
        log.info("unfinished_turns_pruned", count=pruned)


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


JOBS = (
    Job("drain_spool", every(timedelta(seconds=1)), drain_spool, runs_everywhere=True),
    Job("record_unfinished", every(timedelta(seconds=15)), record_unfinished),
    Job("prune_unfinished", every(timedelta(hours=1)), prune_unfinished),
    Job("prune_sessions", every(timedelta(hours=1)), prune_sessions),
    Job("prune_operators", every(timedelta(hours=1)), prune_operators),
    Job("prune_quarantine", every(timedelta(hours=1)), prune_quarantine),
    Job("prepare_partitions", every(timedelta(hours=1)), prepare_partitions),
    Job("verify_recent", every(timedelta(minutes=5)), verify_recent),
    Job("verify_ledger", daily_at(clock_time(3, 30)), verify_ledger),
)


class Rota:
    """Which jobs are due. A leader's first tick only makes the plan."""

    def __init__(self, runtime: Runtime, lead: Leadership, jobs: Sequence[Job] = JOBS) -> None:
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
                continue
            following = job.next_time(now.astimezone(self._runtime.settings.zone))
            # Never later than from now on: else, after the clock was set back, finishes would wait
            # in the spool until it had caught up.
            due = min(self._due.get(job.name, following), following)
            self._due[job.name] = due if due > now else following
            if due > now:
                continue
            _run(job, self._runtime, now)


def work(settings: Settings, *, parent_pid: int | None = None) -> None:
    """Run the jobs until SIGTERM or SIGINT, or until ``parent_pid`` is no longer the parent."""
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        del number, frame
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    runtime = Runtime.build(settings, statement_timeout_s=STATEMENT_TIMEOUT_S)
    lead = leadership(runtime.db)
    rota = Rota(runtime, lead)
    log.info("worker_started")
    try:
        while not stopping and parent_pid in (None, os.getppid()):
            rota.tick(datetime.now(UTC))
            time.sleep(TICK_S)
    finally:
        lead.close()
        runtime.close()
        log.info("worker_stopped")


def _run(job: Job, runtime: Runtime, now: datetime) -> None:
    try:
        job.run(runtime, now)
    except Exception:
        # Whatever is wrong with one job, the others go on and this one is tried again next time.
        metrics.JOB_RUNS.labels(job.name, "failed").inc()
        log.exception("job_failed", job=job.name)
    else:
        metrics.JOB_RUNS.labels(job.name, "done").inc()
