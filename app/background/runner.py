"""Runs background jobs in a thread of the worker process, one after the other.

Every worker process has one runner. Who takes which job is settled in the database
(``jobs.leases``): a job of a runner that died is taken up again when its lease is over.
"""

import threading
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy.orm import Session

from app.background.handlers import HANDLERS, Handler
from app.background.task import Cancelled, Clock, Interrupted, Task
from app.db import DatabaseAway
from app.errors import ServiceError, Unavailable
from app.jobs import leases, store
from app.jobs.leases import Lease, LeaseLost
from app.runtime import Runtime
from app.telemetry import metrics

POLL_S = 2.0
"""How long a job waits for a free runner at most; looking is one cheap read."""
PULSE_S = 10.0
"""Several signs of life fit into a lease."""
STOP_S = 20.0
"""How long a stop waits for the step that a job is at; then its lease has to run out."""

log = structlog.get_logger(__name__)


class Runner:
    """Takes jobs and does them until it is stopped."""

    def __init__(
        self, runtime: Runtime, *, clock: Clock, handlers: Mapping[str, Handler] = HANDLERS
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._handlers = handlers
        self._stopping = threading.Event()
        # A daemon: a step that will not end must not keep the process from ending.
        self._thread = threading.Thread(target=self._loop, name="background-jobs", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Give the job at hand back after its current step, and begin no other."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def run_next(self) -> bool:
        """Do the next job in this thread; whether there was one.

        Raises:
            DatabaseAway: nobody can say whether there is one.
        """
        with self._runtime.db.read() as session:
            if not store.has_next(session, self._clock(), self._handlers):
                return False
        lease = self._runtime.db.run(
            lambda session: leases.take(session, self._clock(), self._handlers)
        )
        if lease is None:
            return False
        self._do(lease)
        return True

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                had_one = self.run_next()
            except DatabaseAway as away:
                log.warning("background_jobs_wait", problem=away.message)
                had_one = False
            except Exception:
                # One job that nobody foresaw must not end all that come after it.
                log.exception("background_runner_failed")
                had_one = False
            if not had_one:
                self._stopping.wait(POLL_S)

    def _do(self, lease: Lease) -> None:
        task = Task(self._runtime.db, lease, clock=self._clock, stopping=self._stopping)
        log.info("background_job_begun", job=lease.job_id, kind=lease.kind)
        with _Pulse(task):
            outcome, settle = self._attempt(lease, task)
        if settle is not None:
            outcome = self._settle(lease, outcome, settle)
        metrics.JOB_RUNS.labels(lease.kind, outcome).inc()
        log.info("background_job_left", job=lease.job_id, kind=lease.kind, outcome=outcome)

    def _attempt(self, lease: Lease, task: Task) -> tuple[str, Callable[[Session], None] | None]:
        """What came of it, and how to say so in the job's row."""
        try:
            result = self._handlers[lease.kind].run(self._runtime, task)
        except (Cancelled, Interrupted, Unavailable) as reason:
            return self._leaving(lease, reason)
        except LeaseLost:
            return "lost", None
        except ServiceError as error:
            return "failed", self._failing(lease, error.code, error.message)
        except Exception:
            log.exception("background_job_failed", job=lease.job_id, kind=lease.kind)
            message = f"a fault of ours: the worker's log has it under job {lease.job_id}"
            return "failed", self._failing(lease, "internal_error", message)
        return "done", lambda session: leases.finish(session, lease, result, self._clock())

    def _leaving(
        self, lease: Lease, reason: Cancelled | Interrupted | Unavailable
    ) -> tuple[str, Callable[[Session], None]]:
        if isinstance(reason, Cancelled):
            return "cancelled", lambda session: leases.stop(session, lease, self._clock())
        if isinstance(reason, Interrupted):
            return "interrupted", lambda session: leases.give_back(
                session, lease, self._clock(), counts=False
            )
        log.warning("background_job_waits", job=lease.job_id, problem=reason.message)
        return "postponed", lambda session: leases.give_back(
            session, lease, self._clock(), counts=True
        )

    def _failing(self, lease: Lease, code: str, message: str) -> Callable[[Session], None]:
        return lambda session: leases.fail(
            session, lease, code=code, message=message, now=self._clock()
        )

    def _settle(self, lease: Lease, outcome: str, settle: Callable[[Session], None]) -> str:
        try:
            self._runtime.db.run(settle)
        except (LeaseLost, DatabaseAway) as problem:
            # Whoever takes it up next finds what was noted last, and says what came of it.
            log.warning("background_job_lost", job=lease.job_id, problem=problem.message)
            return "lost"
        return outcome


class _Pulse:
    """Signs of life while a handler works, whatever it does."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="background-pulse", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(PULSE_S):
            try:
                self._task.live()
            except DatabaseAway as away:
                log.warning("background_pulse_missed", problem=away.message)
            except Exception:
                log.exception("background_pulse_failed")
