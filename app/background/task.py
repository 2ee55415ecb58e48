"""What the handler of a background job works with: what was asked, and how to say how far it is."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.audit.journal import Actor
from app.db import Database
from app.jobs import leases
from app.jobs.leases import Lease, LeaseLost, Progress

Clock = Callable[[], datetime]


class Cancelled(Exception):
    """Somebody asked for the job to be stopped."""


class Interrupted(Exception):
    """This worker stops; another attempt goes on with the job."""


class Task:
    """One attempt at a job.

    A handler notes its progress often, best in the very transactions that make it. Each note may
    raise ``Cancelled``, ``Interrupted`` or ``LeaseLost``: let them through. A later attempt is
    handed what was noted last as ``saved``.
    """

    def __init__(
        self, db: Database, lease: Lease, *, clock: Clock, stopping: threading.Event
    ) -> None:
        self._db = db
        self._lease = lease
        self._stopping = stopping
        self._cancelled = threading.Event()
        self._lost = threading.Event()
        self.clock = clock

    @property
    def job_id(self) -> int:
        return self._lease.job_id

    @property
    def parameters(self) -> dict[str, Any]:
        return self._lease.parameters

    @property
    def saved(self) -> dict[str, Any] | None:
        """What the attempt before noted last; None when there was none."""
        return self._lease.saved

    @property
    def actor(self) -> Actor:
        """For audit rows: who asked for the job."""
        return Actor(name=self._lease.asked_by, source="jobs")

    def check(self) -> None:
        """Raise when the job is to be left off; for steps that make no progress to speak of."""
        if self._lost.is_set():
            raise LeaseLost(f"job {self._lease.job_id} was taken over by another runner")
        if self._cancelled.is_set():
            raise Cancelled
        if self._stopping.is_set():
            raise Interrupted

    def advance(self, session: Session, progress: Progress) -> None:
        """Note the progress in the handler's own transaction: both are kept, or neither.

        It holds the job's row from here on, so let it be the transaction's last statement.
        """
        self.check()
        if leases.advance(session, self._lease, progress, self.clock()):
            raise Cancelled

    def report(self, progress: Progress) -> None:
        """Note the progress in a transaction of its own."""
        self._db.run(lambda session: self.advance(session, progress))

    def live(self) -> None:
        """Give a sign of life, and hear whether the job goes on."""
        try:
            if self._db.run(lambda session: leases.prolong(session, self._lease, self.clock())):
                self._cancelled.set()
        except LeaseLost:
            self._lost.set()
