"""``shareauth closings`` and ``statements``: a month is closed and its statements taken away."""

import json

import pytest

from closing_builders import House, at

YUAN = 10**9


@pytest.fixture
def books(db):
    books = House(db, users=1, departments=("R&D",))
    books.top_up(0, at("2026-10-02"), 9 * YUAN)
    books.answer(0, at("2026-10-03"), [("GPT-5", 2 * YUAN)])
    books.follow()
    return books


def test_a_month_is_closed_verified_and_its_statements_are_files(books, shell, tmp_path):
    found = shell.json("closings", "preview")
    assert (found["month"], found["closing"], found["obstacles"]) == ("2026-10", "7", [])
    assert "Top-ups" in shell.text("closings", "preview", "2026-10")
    made = shell.json("closings", "close", "2026-10", "--reason", "month end", "--yes")
    assert (made["statements"], made["reason"]) == (2, "month end")
    assert shell.json("closings", "list")["closings"] == [made]
    assert shell.json("closings", "show", "2026-10") == made
    checked = shell.json("closings", "verify", "2026-10")
    assert checked["closings"] == {"2026-10": made["hash"]}
    wrong = shell.json("ledger", "verify", exit_code=1)["findings"]
    assert {one["code"] for one in wrong} == {"rollup_differs"}  # no daily sums were kept
    (one,) = shell.json("statements", "list", "--search", "person-0")["statements"]
    assert (one["number"], one["closing"]) == ("2026-000001", "7")
    place = tmp_path / "one.json"
    written = shell.json("statements", "get", one["number"], "--out", place)
    assert written["hash"] == one["hash"]
    assert json.loads(place.read_text())["number"] == "2026-000001"
    shell.json("statements", "get", "2026-000002", "--as", "pdf", "--out", tmp_path / "two.pdf")
    assert (tmp_path / "two.pdf").read_bytes().startswith(b"%PDF-")


def test_what_cannot_be_closed_is_refused(books, shell):
    background = ("closings", "close", "2026-10", "--reason", "x", "--yes", "--in-background")
    assert shell.json(*background)["job"] == 1
    (obstacle,) = shell.json("closings", "preview", "2990-01")["obstacles"]
    assert (obstacle["code"], obstacle["is_final"]) == ("month_not_over", True)
