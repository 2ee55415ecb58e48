"""A backup is one moment of the database, whole and checked, or it is not there at all."""

import json
import os
import stat
import threading
from zoneinfo import ZoneInfo

import pytest
from app import disk, schema
from app.backup import creating, manifest, sqlite_files
from app.backup.sqlite_files import DatabaseDamaged, NotSqlite
from app.statements import verification
from app.statements.bundle import PlaceTaken, PlaceUnwritable
from app.turns.settle import settle_turns

from turn_builders import RULES, Stage

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def stage(sqlite_db, now) -> Stage:
    stage = Stage(sqlite_db, now)
    settle(stage, "a", "b", "c")
    return stage


def settle(stage: Stage, *names: str) -> None:
    for number, name in enumerate(names):
        turn = stage.turn(name, number % 3)
        stage.db.run(lambda session, turn=turn: settle_turns(session, [turn], RULES))


def back_up(stage: Stage, place, **options):
    url = stage.db.url.render_as_string(False)
    return creating.create(url, place, zone=ZONE, software="test", now=stage.now, **options)


def test_backup_says_what_is_in_it_and_how_to_know_it(stage, tmp_path):
    place = tmp_path / "copy.sqlite3"
    made = back_up(stage, place)
    heads = verification.verify(stage.db, zone=ZONE).heads
    said = json.loads(manifest.place_of(place).read_text())

    assert made.is_sound
    assert said == made.manifest == manifest.compare(place)
    assert (said["heads"], said["schema"], said["findings"]) == (heads, schema.head(), 0)
    assert said["counts"] == {"wallets": 3, "transactions": 3, "events": 3}
    assert said["size_bytes"] == place.stat().st_size
    assert said["sha256"] == disk.sha256(place)


def test_backup_is_one_file_for_its_owner_alone(stage, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    os.umask(os.umask(0))  # whatever the umask is
    place = folder / "copy.sqlite3"
    back_up(stage, place)

    assert sorted(path.name for path in folder.iterdir()) == ["copy.sqlite3", "copy.sqlite3.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_backup_is_never_overwritten_by_chance(stage, tmp_path):
    place = tmp_path / "copy.sqlite3"
    back_up(stage, place)
    before = place.read_bytes()
    settle(stage, "d")
    with pytest.raises(PlaceTaken):
        back_up(stage, place)
    assert place.read_bytes() == before

    assert back_up(stage, place, overwrite=True).manifest["counts"]["events"] == 4
    assert manifest.compare(place)["counts"]["events"] == 4


def test_manifest_of_another_backup_is_not_overwritten_either(stage, tmp_path):
    manifest.place_of(tmp_path / "copy.sqlite3").write_text("{}")
    with pytest.raises(PlaceTaken):
        back_up(stage, tmp_path / "copy.sqlite3")


def test_nothing_is_left_where_it_cannot_be_written(stage, tmp_path):
    with pytest.raises((PlaceUnwritable, sqlite_files.FileUnusable)):
        back_up(stage, tmp_path / "missing" / "copy.sqlite3")


def test_damaged_database_makes_no_backup(stage, tmp_path):
    path = sqlite_files.path_of(stage.db.url.render_as_string(False))
    stage.db.close()
    sqlite_files.make_single(path)
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(20 * 4096))
    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(DatabaseDamaged):
        back_up(stage, folder / "copy.sqlite3")
    assert list(folder.iterdir()) == []


def test_unsound_ledger_is_backed_up_and_said_to_be_so(stage, tmp_path):
    with stage.db.begin() as session:
        session.connection().exec_driver_sql(
            "UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'wallet'"
        )
    made = back_up(stage, tmp_path / "copy.sqlite3")
    assert not made.is_sound
    assert made.manifest["findings"] == 3


def test_postgresql_is_sent_to_its_own_tools(tmp_path, now):
    with pytest.raises(NotSqlite, match="pg_dump"):
        creating.create(
            "postgresql+psycopg://db/x", tmp_path / "x", zone=ZONE, software="test", now=now
        )


def test_progress_is_told_to_the_end(stage, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_files, "PAGES_AT_ONCE", 10)
    told: list[tuple[int, int]] = []
    back_up(stage, tmp_path / "copy.sqlite3", on_progress=lambda *step: told.append(step))
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_writing_meanwhile_neither_waits_nor_shows(stage, tmp_path, monkeypatch):
    """Between each two steps of the copy somebody writes; the copy is of its first moment."""
    monkeypatch.setattr(sqlite_files, "PAGES_AT_ONCE", 10)
    written: list[str] = []

    def write(_done: int, _total: int) -> None:
        name = f"w{len(written)}"
        other = threading.Thread(target=settle, args=(stage, name))
        other.start()
        other.join()
        written.append(name)

    made = back_up(stage, tmp_path / "copy.sqlite3", on_progress=write)
    assert len(written) > 3
    assert made.is_sound
    assert made.manifest["counts"]["events"] == 3
    assert verification.verify(stage.db, zone=ZONE).events == 3 + len(written)
