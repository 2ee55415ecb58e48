"""Columns into tables as fast as each database takes them, and its indexes out of the way."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any, Protocol

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa

from bulk.rows import Columns

CACHE_KIB = 2_000_000
SORTING_MB = 1000

_SECONDARY_OF_POSTGRESQL = """
    SELECT
        CASE WHEN constraints.oid IS NULL
        THEN format('DROP INDEX %%s', indexes.indexrelid::regclass)
        ELSE format('ALTER TABLE %%s DROP CONSTRAINT %%I', indrelid::regclass, conname) END,
        CASE WHEN constraints.oid IS NULL THEN pg_get_indexdef(indexes.indexrelid)
        ELSE format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', indrelid::regclass, conname,
                    pg_get_constraintdef(constraints.oid)) END
    FROM pg_index AS indexes
    LEFT JOIN pg_constraint AS constraints
        ON constraints.conindid = indexes.indexrelid AND constraints.contype IN ('p', 'u')
    WHERE NOT indisprimary AND indrelid = ANY (%s::regclass[])
"""


class Writer(Protocol):
    """Writes rows into a table; all that was written is there when ``commit`` returns."""

    def write(self, table: str, columns: Columns) -> None: ...

    def commit(self) -> None: ...


class PostgresWriter:
    """COPY, of CSV that pyarrow writes. Foreign keys are not asked for."""

    def __init__(self, url: sa.URL) -> None:
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(plain)
        for name, value in (
            ("session_replication_role", "replica"),
            ("synchronous_commit", "off"),
            ("timezone", "UTC"),
            ("statement_timeout", "0"),
        ):
            self._connection.execute(f"SET {name} = '{value}'")
        self._connection.commit()

    def write(self, table: str, columns: Columns) -> None:
        rows = pa.table(dict(columns))
        text = pa.BufferOutputStream()
        pa.csv.write_csv(rows, text, pa.csv.WriteOptions(include_header=False))
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)"
        with self._connection.cursor() as cursor, cursor.copy(statement) as stream:
            stream.write(memoryview(text.getvalue()))

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._connection.commit()
        self._connection.close()


class SqliteWriter:
    """INSERTs on a connection that is prepared by ``hurry``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, table: str, columns: Columns) -> None:
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        self._connection.executemany(statement, zip(*map(_values, columns.values()), strict=False))

    def commit(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")


def _values(column: Any) -> Any:  # noqa: ANN401 - see Columns
    """Values as sqlite3 takes them, times as the service writes them."""
    if isinstance(column, list):
        return column
    if isinstance(column, pa.Array | pa.ChunkedArray):
        if column.null_count == len(column):
            return repeat(None, len(column))
        if column.null_count and not pa.types.is_string(column.type):
            return column.to_pylist()
        return column.to_numpy(zero_copy_only=False).tolist()
    if np.issubdtype(column.dtype, np.datetime64):
        texts = np.datetime_as_string(column, unit="us").tolist()
        return [text.replace("T", " ") for text in texts]
    return column.tolist()


def hurry(connection: Any) -> None:  # noqa: ANN401 - DBAPI connection
    """Make a connection to SQLite fast, and the file worthless should the machine fail."""
    for pragma in (
        "journal_mode = OFF",
        "synchronous = OFF",
        "foreign_keys = OFF",
        f"cache_size = -{CACHE_KIB}",
        "temp_store = FILE",
        "threads = 2",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


@contextmanager
def without_indexes(connection: sa.Connection, tables: Collection[str]) -> Iterator[None]:
    """Secondary indexes (and triggers of SQLite) are dropped, and made again at the end."""
    if connection.dialect.name == "postgresql":
        found = connection.exec_driver_sql(_SECONDARY_OF_POSTGRESQL, (list(tables),)).all()
        away, again = [row[0] for row in found], [row[1] for row in found]
        again.insert(0, f"SET maintenance_work_mem = '{SORTING_MB}MB'")
    else:
        marks = ", ".join("?" * len(tables))
        found = connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') "
            f"AND sql IS NOT NULL AND tbl_name IN ({marks})",
            tuple(tables),
        ).all()
        away = [f"DROP {kind} {name}" for kind, name, _ in found]
        again = [statement for _, _, statement in found]
    for statement in away:
        connection.exec_driver_sql(statement)
    connection.commit()
    yield
    for statement in again:
        # The text of a trigger may have signs that a driver would take for parameters.
        connection.exec_driver_sql(statement)
        connection.commit()
