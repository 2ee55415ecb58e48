"""Long results, read while the server is still making them, on both databases."""

import os
import signal

import pytest
import sqlalchemy as sa
from app import chunks
from app.chunks import Chunks
from app.db import Database, DatabaseAway
from sqlalchemy.exc import DBAPIError

MANY = 200_000
"""More rows than a socket holds."""


def numbers(last, *also):
    """The numbers from 1 on, and what else is wanted of each."""
    rows = sa.select(sa.literal(1).label("n")).cte("rows", recursive=True)
    rows = rows.union_all(sa.select(rows.c.n + 1).where(rows.c.n < sa.bindparam("last", last)))
    return sa.select(rows.c.n, sa.literal("é").label("text"), *also)


def taken(found):
    sizes, rows = [], []
    while more := found.take():
        sizes.append(len(more))
        rows += more
    return sizes, rows


def read_until(db, happens):
    """Read, and have something happen in the middle."""
    with db.read() as session:
        pid = session.scalar(sa.func.pg_backend_pid().select()) if db.dialect != "sqlite" else None
        with Chunks(session.connection(), numbers(MANY), 500) as found:
            found.take()
            happens(db, pid)
            taken(found)


def fail(_db, _pid):
    raise KeyError


def end_server(db, pid):
    with db.begin() as session:
        session.execute(sa.func.pg_terminate_backend(pid, 5000).select())


@pytest.fixture
def server(postgres_url):
    db = Database(postgres_url)
    yield db
    db.close()


@pytest.fixture(params=["SQLite", "in chunks", "at once"])
def connection(request, tmp_path):
    """Of SQLite, of the server, and of the server with a libpq that knows no chunks."""
    if request.param == "SQLite":
        db = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    else:
        db = Database(request.getfixturevalue("postgres_url"))
    if request.param == "at once":
        sa.event.remove(db.engine, "do_execute", chunks._send)
    with db.engine.connect() as one:
        yield one
    db.close()


def test_all_rows_come_in_their_order(connection):
    with Chunks(connection, numbers(1234), 500) as found:
        sizes, rows = taken(found)
        assert found.take() == []
    assert sizes == [500, 500, 234]
    assert [tuple(row) for row in rows] == [(n, "é") for n in range(1, 1235)]
    assert connection.scalar(sa.select(1)) == 1


def test_nothing_is_found(connection):
    with Chunks(connection, numbers(5).where(sa.false()), 500) as found:
        assert found.take() == []
    assert connection.scalar(sa.select(1)) == 1


def test_a_statement_that_is_wrong_is_refused_before_any_row(connection):
    with pytest.raises(DBAPIError, match="no_such_column"):
        Chunks(connection, sa.select(sa.column("no_such_column")), 500)


def test_what_is_left_in_the_middle_is_called_off(db):
    with db.read() as session, Chunks(session.connection(), numbers(MANY), 500) as found:
        assert len(found.take()) == 500
    with db.read() as session:  # over the same connection, which the pool has taken back
        assert session.scalar(sa.select(1)) == 1
    assert db.engine.pool.checkedout() == 0


def test_an_error_in_the_middle_calls_off_the_rest(db):
    with pytest.raises(KeyError):
        read_until(db, fail)
    with db.read() as session:
        assert session.scalar(sa.select(1)) == 1


def test_the_server_is_not_done_when_the_first_rows_are_here(server):
    told = sa.text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
    seen = []

    def look(db, pid):
        with db.read() as session:
            seen.append(session.scalar(told, {"pid": pid}))

    read_until(server, look)
    assert seen == ["active"]


def test_a_row_that_cannot_be_made_is_told_as_the_drivers_error(server):
    divided = numbers(MANY, sa.text("1 / (150000 - n)"))
    with server.read() as session, Chunks(session.connection(), divided, 500) as found:
        assert found.take()
        with pytest.raises(DBAPIError, match="division by zero"):
            taken(found)


def test_a_server_that_goes_in_the_middle_is_an_outage(server):
    with pytest.raises(DatabaseAway):
        read_until(server, end_server)
    with server.read() as session:
        assert session.scalar(sa.select(1)) == 1


def test_a_server_that_hangs_in_the_middle_is_given_up(postgres_url):
    db, stopped = Database(postgres_url, transaction_timeout_s=1), []

    def hang(_db, pid):
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)

    try:
        with pytest.raises(DatabaseAway):
            read_until(db, hang)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    with db.read() as session:
        assert session.scalar(sa.select(1)) == 1
    db.close()
