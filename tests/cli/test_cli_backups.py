"""``shareauth db backup``, ``restore`` and ``after-restore``."""

import pytest
from app import revision
from app.audit.journal import Actor
from app.backup import sqlite_files
from app.db import Database
from app.first_start import held
from app.funding import changes
from app.funding.changes import Change

from admission_builders import make_gate
from books import NANO, make_users


@pytest.fixture
def embedded(make_shell):
    """A set-up with its SQLite in the data directory, that has one visitor."""
    shell = make_shell()
    shell.json("users", "add", "alice")
    return shell


def test_backup_and_restore_bring_back_what_was(embedded, tmp_path):
    place = tmp_path / "copy.sqlite3"
    made = embedded.json("db", "backup", place)
    embedded.json("ledger", "top-up", "alice", "5", "--reason", "paid")
    assert made["heads"] != embedded.json("ledger", "verify")["heads"]

    done = embedded.json("db", "restore", place, "--yes")

    assert (done["heads"], done["manifest_found"], done["gate_dropped"]) == (
        made["heads"],
        True,
        True,
    )
    assert embedded.json("ledger", "verify")["heads"] == made["heads"]
    assert embedded.json("ledger", "statement", "alice")["entries"] == []
    kept = Database(f"sqlite:///{done['kept']}")
    with kept.read() as session:
        assert revision.current(session) < revision.LEAP
    kept.close()
    entries = embedded.json("audit", "list")["entries"]
    (entry,) = [one for one in entries if one["action"] == "database.restore"]
    assert entry["after"]["revision"] > revision.LEAP


def test_person_is_told_where_the_old_database_is_and_what_is_lost(embedded, tmp_path):
    embedded.run("db", "backup", tmp_path / "copy.sqlite3")
    said = embedded.text("db", "restore", tmp_path / "copy.sqlite3", "--yes")

    assert "replaced-" in said
    assert "not in it" in said


def test_restore_needs_to_be_confirmed(embedded, tmp_path):
    embedded.run("db", "backup", tmp_path / "copy.sqlite3")
    problem = embedded.error("db", "restore", tmp_path / "copy.sqlite3", exit_code=2)
    assert "--yes" in problem["message"]


def test_restore_is_refused_while_the_service_runs(embedded, tmp_path):
    embedded.run("db", "backup", tmp_path / "copy.sqlite3")
    with held(tmp_path / "data"):
        problem = embedded.error("db", "restore", tmp_path / "copy.sqlite3", "--yes")
    assert problem["code"] == "data_dir_taken"


def test_restore_lets_the_bundled_valkey_begin_empty(embedded, tmp_path):
    embedded.run("db", "backup", tmp_path / "copy.sqlite3")
    dump = tmp_path / "data" / "valkey" / "dump.rdb"
    dump.parent.mkdir()
    dump.write_bytes(b"tickets of yesterday")
    embedded.run("db", "restore", tmp_path / "copy.sqlite3", "--yes")
    assert not dump.exists()


def test_backup_needs_force_to_overwrite(embedded, tmp_path):
    place = tmp_path / "copy.sqlite3"
    embedded.run("db", "backup", place)
    assert embedded.error("db", "backup", place)["code"] == "place_taken"
    embedded.json("ledger", "top-up", "alice", "5", "--reason", "paid")
    assert embedded.json("db", "backup", place, "--force")["counts"]["transactions"] == 1


def test_backup_of_wrong_books_ends_with_one(embedded, tmp_path):
    path = tmp_path / "data" / "shareauth.sqlite3"
    embedded.json("ledger", "top-up", "alice", "5", "--reason", "paid")
    with sqlite_files.opened(path) as db, db.begin() as session:
        session.connection().exec_driver_sql("UPDATE ledger_accounts SET balance = balance * 2")
    made = embedded.json("db", "backup", tmp_path / "copy.sqlite3", exit_code=1)
    assert made["findings"] == 1
    assert embedded.json("db", "restore", tmp_path / "copy.sqlite3", "--yes", exit_code=1)


def test_postgresql_is_sent_to_its_own_tools(make_shell, tmp_path):
    shell = make_shell(SHAREAUTH_DATABASE__URL="postgresql://nobody@127.0.0.1:1/x")
    for command in (("backup",), ("restore", "--yes")):
        problem = shell.error("db", *command, tmp_path / "x")
        assert problem["code"] == "not_sqlite"
        assert "pg_dump" in problem["message"]


def test_restore_says_when_redis_could_not_be_told(make_shell, tmp_path):
    shell = make_shell(SHAREAUTH_REDIS__URL=f"unix://{tmp_path / 'nobody.sock'}")
    shell.run("users", "add", "alice")
    shell.run("db", "backup", tmp_path / "copy.sqlite3")
    said = shell.text("db", "restore", tmp_path / "copy.sqlite3", "--yes", exit_code=1)
    assert "`shareauth db after-restore`" in said


def test_what_redis_knows_of_later_books_is_dropped(
    db, make_shell, valkey_url, namespace, now, tmp_path
):
    """The books were put back; the gate remembers a wallet, a revision and a ticket of later."""
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_REDIS__URL=valkey_url,
        SHAREAUTH_REDIS__NAMESPACE=namespace,
    )
    shell.run("db", "upgrade")
    with db.begin() as session:
        (user_id,) = make_users(session, now)
    paid = Change(user_id, NANO, "CNY", "paid", "p")
    changes.top_up(db, paid, actor=Actor("a", "cli"), now=now)
    gate = make_gate(valkey_url, namespace)
    gate.set_balance(user_id, 9 * NANO, 7)
    gate.announce(50)
    warned = {one["code"] for one in shell.json("ledger", "verify")["warnings"]}
    assert "gate_newer" in warned

    done = shell.json("db", "after-restore")

    assert (done["gate_dropped"], done["findings"]) == (True, 0)
    assert done["revision"] == revision.LEAP + 50
    assert gate.revision() == done["revision"]
    assert gate.snapshot(user_id, 0).version is None
    warned = {one["code"] for one in shell.json("ledger", "verify")["warnings"]}
    assert "gate_newer" not in warned
    gate.close()
