"""``shareauth db``, and what the first command on a new database does."""

import pytest
import sqlalchemy as sa
from app import schema
from app.db import Database


@pytest.fixture
def empty(db):
    """The test's database without any table of ours."""
    schema.downgrade(db, "base")
    return db


def test_upgrade_makes_tables_and_what_every_installation_has(empty, shell):
    moved = shell.json("db", "upgrade")

    assert moved == {"from": None, "to": schema.head(), "changed": True}
    assert [one["name"] for one in shell.json("issuers", "list")["issuers"]] == ["local", "guest"]
    assert shell.json("prices", "show")["version"] == 1


def test_second_upgrade_changes_nothing(shell):
    shell.json("db", "upgrade")
    audited = shell.json("audit", "list")["entries"]

    assert shell.json("db", "upgrade")["changed"] is False
    assert shell.json("audit", "list")["entries"] == audited


def test_check_is_content_with_todays_schema(shell):
    assert shell.json("db", "check") == {
        "ok": True,
        "current": schema.head(),
        "head": schema.head(),
        "is_newer": False,
        "differences": [],
    }


def test_database_of_a_newer_version_serves_this_one(db, shell):
    with db.begin() as session:
        session.execute(sa.text("ALTER TABLE plans ADD COLUMN colour TEXT"))
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9001'"))
    checked = shell.json("db", "check")
    assert (checked["ok"], checked["is_newer"], checked["current"]) == (True, True, "9001")
    assert "newer version" in shell.text("db", "check")
    assert shell.json("db", "upgrade") == {"from": "9001", "to": "9001", "changed": False}
    assert shell.json("links", "create", "support")["name"] == "support"
    found = {one["id"]: one["status"] for one in shell.json("doctor", "--offline")["findings"]}
    assert (found["SA102"], found["SA103"], found["SA503"]) == ("warning", "skipped", "ok")


def test_check_ends_with_one_where_migrations_are_missing(empty, shell):
    checked = shell.json("db", "check", exit_code=1)

    assert (checked["ok"], checked["current"]) == (False, None)
    assert "db upgrade" in shell.text("db", "check", exit_code=1)


def test_check_ends_with_one_where_tables_differ(db, shell):
    with db.begin() as session:
        session.execute(sa.text("ALTER TABLE plans ADD COLUMN colour TEXT"))
    checked = shell.json("db", "check", exit_code=1)

    assert len(checked["differences"]) == 1
    assert "colour" in checked["differences"][0]


def test_given_database_without_tables_is_an_error_that_says_what_to_do(empty, shell):
    problem = shell.error("links", "list")

    assert problem["code"] == "schema_behind"
    assert "`shareauth db upgrade`" in problem["message"]


def test_downgrade_needs_to_be_confirmed(shell, db):
    assert shell.error("db", "downgrade", "base", exit_code=2)["code"] == "usage"
    assert schema.current(db) == schema.head()
    assert shell.json("db", "downgrade", "base", "--yes")["to"] is None
    assert schema.current(db) is None


def test_embedded_set_up_is_made_by_the_first_command(make_shell, tmp_path):
    shell = make_shell()
    shell.json("links", "create", "support")
    made = Database(f"sqlite:///{tmp_path / 'data' / 'shareauth.sqlite3'}")

    assert schema.current(made) == schema.head()
    made.close()
    assert [one["name"] for one in shell.json("links", "list")["links"]] == ["support"]


def test_data_dir_option_wins_over_the_environment(make_shell, tmp_path):
    shell = make_shell()
    shell.run("--data-dir", tmp_path / "other", "links", "create", "support")

    assert (tmp_path / "other" / "shareauth.sqlite3").exists()
    assert not (tmp_path / "data").exists()


def test_config_option_wins_over_the_environment(make_shell, tmp_path):
    chosen = tmp_path / "chosen.toml"
    chosen.write_text('[billing]\ncurrency = "EUR"\n')
    shell = make_shell()
    shell.run("--config", chosen, "users", "add", "alice")

    shown = shell.run("--config", chosen, "users", "show", "alice").stdout
    assert "0 EUR" in shown


def test_wrong_settings_are_one_error_with_every_problem(make_shell):
    shell = make_shell(SHAREAUTH_SERVICE__PORT="none", SHAREAUTH_NOWHERE__X="1")
    problem = shell.error("links", "list")

    assert problem["code"] == "settings_invalid"
    assert "service.port" in problem["message"]
    assert "nowhere" in problem["message"]


def test_database_that_is_away_is_an_error(make_shell, tmp_path):
    shell = make_shell(SHAREAUTH_DATABASE__URL=f"sqlite:///{tmp_path / 'no' / 'such' / 'file'}")

    assert shell.error("links", "list")["code"] == "database_away"
