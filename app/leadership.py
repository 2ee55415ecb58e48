"""One leader among the processes that share a database: the one that holds its lock.

Nobody is elected and nothing expires: the lock goes when its holder's connection or process does,
and whoever asks next has it.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from app.db import Database

LOCK = 7_310_442
"""Any number, the same for every process of the service; migrations use another."""

log = structlog.get_logger(__name__)


class Leadership(Protocol):
    def is_held(self) -> bool:
        """Whether this process leads now. Takes the lock when it is free; never waits for it."""
        ...

    def close(self) -> None:
        """Give the lock up."""
        ...


def leadership(db: Database) -> Leadership:
    """The lock that the database offers: PostgreSQL's own, or one on a file beside SQLite's."""
    if db.dialect == "postgresql":
        return SessionLock(db.engine)
    return FileLock(Path(f"{db.url.database}.leader"))


class SessionLock:
    """PostgreSQL's advisory lock, on a connection that is kept for it.

    A pooler that hands the connection to others between statements would lose it: give the worker
    a direct one, or a pooler in session mode.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._is_leader = False

    def is_held(self) -> bool:
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(
                    isolation_level="AUTOCOMMIT"
                )
            if self._is_leader:
                self._connection.execute(sa.select(1))  # the lock is as alive as its connection
            else:
                asked = sa.select(sa.func.pg_try_advisory_lock(LOCK))
                self._is_leader = bool(self._connection.scalar(asked))
        except DBAPIError as error:
            log.warning("leadership_lost", was_leader=self._is_leader, error=str(error.orig))
            self._discard()
        return self._is_leader

    def close(self) -> None:
        if self._connection is None:
            return
        if self._is_leader:
            # Said, not left to the server noticing that we hung up: the next may ask at once.
            with contextlib.suppress(DBAPIError):
                self._connection.execute(sa.select(sa.func.pg_advisory_unlock(LOCK)))
        self._discard()

    def _discard(self) -> None:
        self._is_leader = False
        if self._connection is not None:
            # Back in the pool it would keep the lock.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


class FileLock:
    """A lock on a file, for processes of one machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def is_held(self) -> bool:
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
