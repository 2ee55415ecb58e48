"""How connections are made: what each kind of database is told before it is used."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine


def sqlite(url: sa.URL, pool_size: int, lock_timeout_s: float) -> Engine:
    """A pool of connections to one file, each with what keeps the books safe switched on."""
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=lock_timeout_s,
        connect_args={"timeout": lock_timeout_s, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def postgresql(
    url: sa.URL, pool_size: int, lock_timeout_s: float, statement_timeout_s: float
) -> Engine:
    """A pool of connections to a server; every wait on them has an end."""
    options = {
        "lock_timeout": int(lock_timeout_s * 1000),
        "statement_timeout": int(statement_timeout_s * 1000),
        "idle_in_transaction_session_timeout": 300_000,
        "timezone": "UTC",
    }
    return sa.create_engine(
        url,
        isolation_level="READ COMMITTED",  # whatever the server's default: see ledger/writer.py
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=lock_timeout_s,
        connect_args={
            "connect_timeout": 5,
            # A server that vanishes without a word is noticed in seconds, not in two hours.
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            "application_name": "shareauth",
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        },
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - DBAPI connection
    connection.isolation_level = None  # the begin event below decides, not the driver
    cursor = connection.cursor()
    # Asked first: switching needs the file to itself, and the mode stays with the file.
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # an answered finish survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    # Without it INSERT OR REPLACE removes a row without asking the triggers that forbid it.
    cursor.execute("PRAGMA recursive_triggers=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    query_only = "ON" if mode == "DEFERRED" else "OFF"
    connection.exec_driver_sql(f"PRAGMA query_only={query_only}")
    connection.exec_driver_sql(f"BEGIN {mode}")
