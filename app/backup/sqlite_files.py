"""SQLite databases as files: copied while somebody writes, checked, and made one file again."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from app import disk
from app.db import Database
from app.errors import Conflict, Invalid, Unavailable

PAGES_AT_ONCE = 4096
"""16 MB at SQLite's usual page size: so often is progress told."""
COMPANIONS = ("-wal", "-shm", "-journal")

Progress = Callable[[int, int], None]
"""Told how many pages are copied, and of how many."""


class NotSqlite(Invalid):
    """The database is no SQLite file, so there is no file to copy."""

    code = "not_sqlite"


class DatabaseDamaged(Invalid):
    """The file is no SQLite database, or parts of it cannot be read."""

    code = "database_damaged"


class FileUnusable(Unavailable):
    """The file cannot be read or written: the message has the system's reason."""

    code = "file_unusable"


class DatabaseInUse(Conflict):
    """Another program has the database open."""

    code = "database_in_use"


def path_of(url: str) -> Path:
    """The file of an SQLite URL.

    Raises:
        NotSqlite: it is another kind of database, or lives in memory.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise NotSqlite(
            "the database is PostgreSQL: back it up with `pg_dump -Fc` and, for a ledger, with "
            "point-in-time recovery, and run `shareauth db after-restore` once it was put back; "
            "docs/operations.md has the commands"
        )
    return Path(parsed.database)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Database]:
    """The file as a database of ours, made one file again at the end."""
    db = Database(sa.URL.create("sqlite", database=str(path)).render_as_string())
    try:
        yield db
    finally:
        db.close()
    make_single(path)


def copy(source: Path, target: Path, on_progress: Progress) -> None:
    """Copy a database as it is at this moment into a new file, whoever writes meanwhile.

    For its owner's eyes only, and on the disk when this returns.

    Raises:
        DatabaseDamaged: the source is no database.
        FileUnusable: it cannot be read, or the target cannot be written.
    """
    with _translated(source):
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            contextlib.closing(_read_only(source)) as reader,
            contextlib.closing(sqlite3.connect(target)) as writer,
        ):
            # One snapshot for all steps: else SQLite begins anew whenever somebody writes.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reader.backup(
                writer,
                pages=PAGES_AT_ONCE,
                progress=lambda _status, left, total: on_progress(total - left, total),
            )
            reader.execute("COMMIT")
        make_single(target)
        disk.sync(target)


def check(path: Path) -> None:
    """Read every page and follow every reference.

    Raises:
        DatabaseDamaged: something cannot be read or does not fit.
        FileUnusable: the file cannot be opened.
    """
    with _translated(path), contextlib.closing(_read_only(path)) as reader:
        problems = [row[0] for row in reader.execute("PRAGMA integrity_check(10)")]
        if problems != ["ok"]:
            raise DatabaseDamaged(f"{path} is damaged: {'; '.join(problems)}")
        orphans = reader.execute("PRAGMA foreign_key_check").fetchall()
        if orphans:
            raise DatabaseDamaged(f"{path}: {len(orphans)} rows of {orphans[0][0]} lead nowhere")


def make_single(path: Path) -> None:
    """Put what is in the write-ahead log into the file, and take the log away.

    Raises:
        DatabaseInUse: another program has it open.
        DatabaseDamaged: it is no database.
    """
    with _translated(path), contextlib.closing(sqlite3.connect(path, timeout=1)) as connection:
        mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    if mode != "delete":
        raise DatabaseInUse(f"another program has {path} open: stop it")


def has_log(path: Path) -> bool:
    """Whether transactions lie beside the file that are not in it yet."""
    log = companion(path, "-wal")
    return log.exists() and log.stat().st_size > 0


def companion(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _read_only(path: Path) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise DatabaseInUse(f"another program has {path} open: stop it") from error
        raise FileUnusable(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(f"{path}: {error}") from error
    except OSError as error:
        raise FileUnusable(f"{error.filename or path}: {error.strerror}") from error
