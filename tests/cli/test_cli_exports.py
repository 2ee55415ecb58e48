"""``shareauth exports``: files and manifests from the command line."""

import json

import pytest
from app.exports import writing
from app.money import format_nano

from closing_builders import NANO, House, at
from export_builders import fill, plain_csv


@pytest.fixture
def bare(db, make_shell):
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_SERVICE__TIME_ZONE="Asia/Shanghai",
    )
    shell.run("db", "upgrade")
    return shell


@pytest.fixture
def shell(bare, db, now):
    fill(db, now, number=30)
    return bare


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
    (noted,) = (tmp_path / "torn").glob(".*.progress")
    assert json.loads(noted.read_text("utf-8"))["run"]["tally"]["left"][0], "rows of persons"
    assert noted.stat().st_mode & 0o077 == 0
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


def test_the_manifest_of_another_version_is_checked_against_its_files_alone(shell, tmp_path):
    shell.json("exports", "create", "events", "--month", "2026-11", "--output", tmp_path)
    manifest = tmp_path / "events-2026-11.csv.manifest.json"
    told = json.loads(manifest.read_text("utf-8")) | {"manifest": "shareauth-export/1"}
    manifest.write_text(json.dumps(told), "utf-8")
    assert shell.json("exports", "verify", manifest)["ok"] is True
    found = shell.error("exports", "verify", manifest, "--database")
    assert found["code"] == "manifest_invalid"
    assert "not against the books" in found["message"]


def test_a_closed_month_exported_a_day_later_has_the_same_bytes(bare, db, tmp_path):
    house = House(db, links=("support", "sales"))
    house.top_up(0, at("2027-03-02"), 100 * NANO)
    for day in range(3, 9):
        house.answer(0, at(f"2027-03-0{day}"), [("GPT-5", day * NANO)])
    closing = house.close(202703)

    def export(day):
        made = {
            (table, form): bare.json(
                *("exports", "create", table, "--month", "2027-03", "--format", form),
                *("--output", tmp_path / day / form),
            )
            for table in ("events", "lines", "postings", "statements")
            for form in ("csv", "xlsx")
        }
        assert {told["closing"]["hash"] for told in made.values()} == {closing.hash}
        assert {told["closing"]["month"] for told in made.values()} == {"2027-03"}
        return made

    first = export("first")
    house.answer(0, at("2027-03-05"), [("GPT-5", 50 * NANO)])  # reported before, booked only now
    house.answer(1, at("2027-04-02"), [("Qwen", NANO)])
    house.top_up(1, at("2027-03-31", "23:59"), 7 * NANO)
    second = export("second")
    for name, told in first.items():
        assert second[name]["files"] == told["files"], name
        assert second[name]["content_sha256"] == told["content_sha256"], name
    assert first["statements", "csv"]["sums"]["closing_balance"] == format_nano(closing.closing)
    place = tmp_path / "first" / "csv" / "events-2027-03.csv.manifest.json"
    assert bare.json("exports", "verify", place, "--database")["ok"] is True
    words = ("exports", "create", "events", "--month", "2027-04", "--output", tmp_path / "april")
    april = bare.json(*words)
    assert (april["closing"], april["rows"]) == (None, 2)
    rows = plain_csv(tmp_path / "april" / "events-2027-04.csv")
    assert [row["late"] for row in rows] == ["true", "false"]
