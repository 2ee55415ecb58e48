"""The database: engine, transactions, column types, and the few places where dialects differ.

``Database.begin``, ``run`` and ``read`` are the only places where transactions start and end.
"""

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

from app import chunks, db_time, engines
from app.errors import Unavailable
from app.outage import OneAtATime, Outage
from app.patience import Patience, hang_up

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table; its metadata names every constraint by one convention."""

    metadata = sa.MetaData(naming_convention=NAMING)


class DatabaseAway(Unavailable):
    """The database did not answer, or refused the connection, the lock or the write."""

    code = "database_away"


class DatabaseBusy(DatabaseAway):
    """Others were in the way: a lock that was held too long, a deadlock, a lost race.

    The transaction left nothing behind and may be done again from its start.
    """

    code = "database_busy"


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC times. SQLite stores them as sortable ISO text without an offset."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time reached the database")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy passes it by this name
    ) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""Primary keys: SQLite gives out row ids only for a column declared INTEGER."""

Nano = sa.BigInteger
"""Nano-units of points or of the wallet currency (see ``money``)."""

Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
"""None is NULL, not the JSON value null, which no ``IS NULL`` would find."""


T = TypeVar("T")

BUSY_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL: serialization failure, deadlock, lock timeout."""
READ_ONLY_SQLSTATE = "25006"
"""What a server that is no longer the primary answers to a write."""
BUSY_SQLITE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
AWAY_SQLITE = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
RETRY_BASE_S = 0.01


class Database:
    """One engine and the transactions on it. Safe to share between threads, not across fork."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        lock_timeout_s: float = 5,
        statement_timeout_s: float = 30,
        transaction_timeout_s: float | None = None,
    ) -> None:
        """The last two hold on PostgreSQL only; SQLite has no such clocks.

        The server keeps the time of statements. Of transactions we keep it, and hang up, so that
        a server which neither works nor dies keeps no thread of ours.
        """
        self.url = sa.engine.make_url(url)
        self._lock_timeout_s = lock_timeout_s
        self._writing = threading.Lock()
        self._shared = threading.local()
        self.outage = Outage()
        self._alone = OneAtATime(self.outage)
        self._patience = Patience(transaction_timeout_s) if transaction_timeout_s else None
        if self.url.get_backend_name() == "sqlite":
            self.engine = engines.sqlite(self.url, pool_size, lock_timeout_s)
        else:
            self.engine = engines.postgresql(
                self.url, pool_size, lock_timeout_s, statement_timeout_s
            )
            self._bound_pings()
            chunks.watch(self.engine)
        db_time.watch(self.engine)

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @contextlib.contextmanager
    def begin(self) -> Iterator[Session]:
        """A read-write transaction: committed when the block ends, rolled back when it raises.

        On SQLite it takes the write lock at once, so that a transaction never fails half-way
        because another writer got in between its read and its write.

        Raises:
            DatabaseAway: the database cannot be reached or is full.
            DatabaseBusy: it was locked too long, or this transaction lost a race.
        """
        with self._queue(), self._session(is_reader=False) as session, session.begin():
            yield session

    def run(
        self, work: Callable[[Session], T], *, attempts: int = 5, budget_s: float | None = None
    ) -> T:
        """What ``work`` returns, done in one transaction; again from the start when it lost a race.

        ``work`` may be called several times and must do nothing that a rollback does not undo. A
        connection that breaks is not tried again: whether the commit arrived is unknown then, and
        only a caller whose work carries an idempotency key may ask once more.

        No attempt begins later than ``budget_s`` after the first; the time-outs of locks and
        statements bound each of them.

        Raises:
            DatabaseAway: as for ``begin``, after the last attempt.
        """
        began = time.monotonic()
        for attempt in range(1, attempts):
            try:
                with self.begin() as session:
                    return work(session)
            except DatabaseBusy:
                if budget_s is not None and time.monotonic() - began >= budget_s:
                    raise
                # Two that deadlocked must not meet again at the same moment.
                time.sleep(random.uniform(0, RETRY_BASE_S * 2**attempt))  # noqa: S311 - jitter
        with self.begin() as session:
            return work(session)

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent snapshot to read from; the database refuses to write in it.

        Raises:
            DatabaseAway: the database cannot be reached.
        """
        shared: Session | None = getattr(self._shared, "session", None)
        if shared is not None:
            with self._naming_outages(is_reader=True):
                yield shared
            return
        # Left by closing, not by rollback(), which would empty the rows that were read.
        with self._session(is_reader=True) as session:
            yield session

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What this thread reads in the block is of one moment, and read over one connection.

        For a page that is put together of what several functions read, each for itself: its parts
        agree, and the server is not asked to begin and end a transaction for each. What one of
        them sets for its transaction, as reports do, holds for those behind it.

        Raises:
            DatabaseAway: the database cannot be reached.
        """
        if getattr(self._shared, "session", None) is not None:
            yield
            return
        with self._session(is_reader=True) as session:
            self._shared.session = session
            try:
                yield
            finally:
                self._shared.session = None

    def server_version(self) -> str:
        """Such as ``PostgreSQL 17.2`` or ``SQLite 3.46.1``."""
        with self.read() as session:
            dialect = session.connection().dialect
        numbers = dialect.server_version_info or ()
        name = "PostgreSQL" if dialect.name == "postgresql" else "SQLite"
        return f"{name} {'.'.join(str(number) for number in numbers)}"

    def close(self) -> None:
        self.engine.dispose()
        if self._patience is not None:
            self._patience.close()

    def _hung_up_on(self, connection: Any) -> contextlib.AbstractContextManager[None]:  # noqa: ANN401 - DBAPI connection
        if self._patience is None or self.dialect != "postgresql":
            return contextlib.nullcontext()
        return self._patience.limit(lambda: hang_up(connection))

    def _bound_pings(self) -> None:
        """Connections of the pool are tried before they are used: that must not hang either."""
        ping = self.engine.dialect.do_ping

        def bounded_ping(dbapi_connection: Any) -> bool:  # noqa: ANN401 - DBAPI connection
            with self._hung_up_on(dbapi_connection):
                return ping(dbapi_connection)

        self.engine.dialect.do_ping = bounded_ping  # type: ignore[method-assign]

    @contextlib.contextmanager
    def _queue(self) -> Iterator[None]:
        # SQLite has one writer at a time, and its own way to wait is to sleep and look again, up
        # to 100 ms a time and in no order. Threads of one process wait for each other here.
        if self.dialect != "sqlite":
            yield
            return
        if not self._writing.acquire(timeout=self._lock_timeout_s):
            raise DatabaseBusy("the database is busy: this process is writing for too long")
        try:
            yield
        finally:
            self._writing.release()

    @contextlib.contextmanager
    def _session(self, *, is_reader: bool) -> Iterator[Session]:
        with self._naming_outages(is_reader=is_reader):
            connection = self._connect()
            with self._hung_up_on(connection.connection.driver_connection), connection:
                if is_reader:
                    connection.execution_options(**_reader_options(self.dialect))
                with Session(connection, expire_on_commit=False) as session:
                    yield session

    @contextlib.contextmanager
    def _naming_outages(self, *, is_reader: bool) -> Iterator[None]:
        try:
            yield
        except sa.exc.TimeoutError as error:
            raise DatabaseBusy("the database is busy: every connection is in use") from error
        except DBAPIError as error:
            away = _outage(error, is_reader=is_reader)
            if away is None:
                raise
            if not isinstance(away, DatabaseBusy):  # then it answers, and others are in the way
                self.outage.noticed()
            raise away from error

    def _connect(self) -> Connection:
        with self._alone.turn() as may_ask:
            if not may_ask:
                raise DatabaseAway("the database is away, and another thread is asking for it")
            connection = self.engine.connect()  # has just answered: a handshake, or a ping
            self.outage.over()
            return connection


def server_time(session: Session) -> datetime | None:
    """The clock of the database's machine; None for SQLite, whose machine is this one."""
    if session.get_bind().dialect.name != "postgresql":
        return None
    return session.scalar(sa.select(sa.func.clock_timestamp()))


def _outage(error: DBAPIError, *, is_reader: bool) -> DatabaseAway | None:
    """The outage behind a driver's error; None when the statement itself is at fault."""
    message = f"{error.orig}".strip()
    is_busy, is_away = _classify(error, is_reader=is_reader)
    if is_busy:
        return DatabaseBusy(f"the database is busy: {message}")
    return DatabaseAway(f"the database is away: {message}") if is_away else None


def _classify(error: DBAPIError, *, is_reader: bool) -> tuple[bool, bool]:
    if isinstance(error.orig, sqlite3.Error):
        # The low byte is the kind; OperationalError also covers mistakes such as a missing table.
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        is_forbidden = is_reader and code == sqlite3.SQLITE_READONLY
        return code in BUSY_SQLITE, code in AWAY_SQLITE and not is_forbidden
    state = getattr(error.orig, "sqlstate", None)
    is_away = (
        isinstance(error, OperationalError | InterfaceError)
        or error.connection_invalidated
        or (state == READ_ONLY_SQLSTATE and not is_reader)
    )
    return state in BUSY_SQLSTATES, is_away


def _reader_options(dialect: str) -> dict[str, Any]:
    """What makes a connection a reader until it goes back to the pool."""
    if dialect == "sqlite":
        return {"sqlite_begin": "DEFERRED"}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
