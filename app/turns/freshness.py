"""Keeps what a worker remembers no older than the last change an operator made."""

import threading
from datetime import datetime, timedelta

from app import revision
from app.admission.gate import Gate
from app.db import Database, DatabaseAway
from app.turns.identify import Directory


class Freshness:
    """Compares a worker's memory with the service's revision before it is used.

    The number comes from the gate: one small read, no SQL. While the gate has none, because Redis
    is away or has lost it, the database is asked instead, at most every ``staleness_max_s``; when
    that is away too the memory goes on serving, for it is all there is.
    """

    def __init__(
        self, *, db: Database, gate: Gate, directory: Directory, staleness_max_s: float
    ) -> None:
        self._db = db
        self._gate = gate
        self._directory = directory
        self._staleness_max = timedelta(seconds=staleness_max_s)
        self._asked_at: datetime | None = None
        self._lock = threading.Lock()

    def check(self, now: datetime) -> bool:
        """Forget what is older than the newest change; whether there was something to forget."""
        before = self._directory.revision
        announced = self._gate.revision()
        if announced is not None:
            self._raise_to(announced)
        elif self._is_due(now):
            self._reload()
        return self._directory.revision != before

    def catch_up(self, announced: int | None, now: datetime) -> None:
        """The gate said that this memory is old, or that it has lost the number itself."""
        with self._lock:
            self._asked_at = now
        self._reload()
        if announced is not None:
            # Also when the database says less: it was restored from a backup older than Redis.
            self._raise_to(announced)

    def _is_due(self, now: datetime) -> bool:
        with self._lock:
            if self._asked_at and abs(now - self._asked_at) < self._staleness_max:
                return False
            self._asked_at = now
            return True

    def _reload(self) -> None:
        try:
            with self._db.read() as session:
                number = revision.current(session)
        except DatabaseAway:
            # The gate admits nobody without a revision, and what it is told expires within a
            # minute. Ours is the newest that is to be had: while the database is away nothing
            # changes, and when it is back it is asked within that minute.
            number = self._directory.revision
        self._raise_to(number)
        self._gate.announce(number)

    def _raise_to(self, number: int) -> None:
        if number > self._directory.revision:
            self._directory.forget(number)
