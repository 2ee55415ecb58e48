"""``shareauth archives``: months of usage lines leave the database, and the books stay right."""

from datetime import UTC, datetime

import pytest
from app.metering.months import month_after, month_of, month_text

from archive_builders import NAME, Library, flip
from turn_builders import Stage

JANUARY = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "archives"
    made.mkdir()
    return made


@pytest.fixture
def shell(db, make_shell, directory, now):
    """Three answers of January 2026; lines of twelve months are kept."""
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_RETENTION__USAGE_LINES_MONTHS="1",
    )
    library = Library(Stage(db, now), directory)
    for name in ("a", "b", "c"):
        library.settle(name, JANUARY)
    shell.run("db", "upgrade")
    return shell


def states(shell) -> list[str]:
    return [one["state"] for one in shell.json("archives", "list")["archives"]]


def test_month_is_archived_removed_verified_and_restored(shell, directory):
    assert shell.json("archives", "list") == {"archives": []}
    (made,) = shell.json("archives", "create", directory, "--before", "2026-02")["archives"]
    assert (made["month"], made["state"], made["manifest"]["rows"]) == ("2026-01", "created", 3)

    (gone,) = shell.json("archives", "remove", directory, "--yes")["archives"]
    assert (gone["state"], states(shell)) == ("removed", ["removed"])
    assert shell.json("ledger", "verify")["ok"] is True
    entries = shell.json("ledger", "statement", "person-1")["entries"]
    assert [(one["lines_in"], one["models"]) for one in entries] == [(NAME, [])]
    assert NAME in shell.text("ledger", "statement", "person-1")
    assert shell.json("archives", "verify", directory)["ok"] is True

    shell.run("archives", "restore", directory / NAME)
    assert states(shell) == ["restored"]
    assert shell.json("ledger", "verify")["ok"] is True
    entries = shell.json("ledger", "statement", "person-1")["entries"]
    assert [(one["lines_in"], one["models"]) for one in entries] == [(None, ["gpt-4o"])]
    done = [one["action"] for one in shell.json("audit", "list")["entries"]]
    assert [action for action in done if action.startswith("archives.")] == [
        "archives.restored",
        "archives.removed",
        "archives.created",
    ]


def test_doctor_is_content_with_removed_months(shell, directory):
    shell.run("archives", "create", directory, "--before", "2026-02")
    shell.run("archives", "remove", directory, "--yes")
    found = {
        one["id"]: one["status"]
        for one in shell.json("doctor", "--offline", exit_code=1)["findings"]
    }
    assert (found["SA103"], found["SA105"], found["SA503"]) == ("ok", "ok", "ok")


def test_removal_needs_to_be_confirmed(shell, directory):
    shell.run("archives", "create", directory, "--before", "2026-02")
    assert "--yes" in shell.error("archives", "remove", directory, exit_code=2)["message"]
    assert states(shell) == ["created"]


def test_nothing_is_removed_before_somebody_says_how_much_is_kept(shell, directory):
    shell.run("archives", "create", directory, "--before", "2026-02")
    shell.environ["SHAREAUTH_RETENTION__USAGE_LINES_MONTHS"] = "0"
    assert shell.error("archives", "remove", directory, "--yes")["code"] == "month_kept"
    assert states(shell) == ["created"]


def test_month_that_is_kept_is_not_removed(shell, directory):
    this_month = month_text(month_after(month_of(datetime.now(UTC)), 0))
    problem = shell.error("archives", "remove", directory, "--before", this_month, "--yes")
    assert problem["code"] == "month_kept"


def test_archive_that_was_changed_ends_with_one(shell, directory):
    shell.run("archives", "create", directory, "--before", "2026-02")
    flip(directory / NAME)
    found = shell.json("archives", "verify", directory, exit_code=1)["findings"]
    assert [one["code"] for one in found] == ["archive_differs"]
    assert "Put it back" in shell.text("archives", "verify", directory, exit_code=1)
    assert shell.error("archives", "remove", directory, "--yes")["code"] == "archive_differs"


@pytest.mark.parametrize("text", ["2026", "2026-13", "January", "2026-1-1"])
def test_month_is_a_year_and_a_number(shell, directory, text):
    problem = shell.error("archives", "create", directory, "--before", text, exit_code=2)
    assert "such as 2026-01" in problem["message"]


def test_nothing_to_do_is_said(shell, directory):
    assert "nothing to archive" in shell.text(
        "archives", "create", directory, "--before", "2026-01"
    )
    assert "nothing to remove" in shell.text("archives", "remove", directory, "--yes")
    assert "no archives" in shell.text("archives", "list")
