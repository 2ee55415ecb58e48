"""``shareauth exports``: files and manifests from the command line."""

import json

import pytest
from app.exports import writing

from export_builders import fill


@pytest.fixture
def shell(db, make_shell, now):
    fill(db, now, number=30)
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_SERVICE__TIME_ZONE="Asia/Shanghai",
    )
    shell.run("db", "upgrade")
    return shell


def test_a_month_is_written_interrupted_gone_on_with_and_verified(shell, tmp_path, monkeypatch):
    words = ("exports", "create", "events", "--month", "2026-11", "--output")
    whole = shell.json(*words, tmp_path / "whole")
    position = whole["positions"]["upto"]
    assert whole["asked_by"]
    assert whole["rows"] > 5

    made = writing.How

    def torn(**more):
        note = more.pop("note")

        def noted(step):
            note(step)
            raise KeyboardInterrupt

        return made(note=noted, page=4, note_pages=1, **more)

    monkeypatch.setattr("app.cli.exports.How", torn)
    with pytest.raises(AssertionError):
        shell.run(*words, tmp_path / "torn")
    monkeypatch.setattr("app.cli.exports.How", made)
    again = shell.json(*words, tmp_path / "torn", "--resume")
    assert again["files"] == whole["files"]
    assert sorted(path.name for path in (tmp_path / "torn").iterdir()) == [
        "events-2026-11.csv",
        "events-2026-11.csv.manifest.json",
    ]
    manifest = tmp_path / "torn" / "events-2026-11.csv.manifest.json"
    assert json.loads(manifest.read_text("utf-8")) == again
    assert shell.json("exports", "verify", manifest, "--database")["ok"] is True
    upto = f"{position['event_id']},{position['transaction_id']}"
    third = shell.json(*words, tmp_path / "third", "--upto", upto)
    assert third["content_sha256"] == whole["content_sha256"]

    file = tmp_path / "torn" / "events-2026-11.csv"
    file.write_bytes(file.read_bytes()[:-1])
    found = shell.json("exports", "verify", manifest, exit_code=1)
    assert found["ok"] is False
    assert shell.error(*words, tmp_path / "whole")["code"] == "place_taken"


def test_what_there_is_and_what_cannot_be(shell, tmp_path):
    assert "postings" in shell.json("exports", "tables")["tables"]
    assert shell.json("exports", "list") == {"exports": []}
    wrong = ("exports", "create", "postings", "--output", tmp_path)
    assert shell.error(*wrong)["code"] == "period_invalid"
    month = ("--month", "2026-11")
    assert shell.error(*wrong, *month, "--link", "one")["code"] == "export_filter_unknown"
    assert shell.error(*wrong, *month, "--format", "focus")["code"] == "export_format_unfit"
    assert shell.error("exports", "get", "1")["code"] == "job_not_found"
