"""The audit in the console: find, compare, take away without harm."""

import csv
import io
import json
from datetime import timedelta

import pytest
from app.audit import journal
from app.audit.journal import Actor
from app.pagekit import tables

EVIL = '=HYPERLINK("http://evil.example","click")'


@pytest.fixture(scope="module", autouse=True)
def entries(house):
    with house.db.begin() as session:
        for number in range(5):
            journal.record(
                session,
                actor=Actor("mallory", "cli", "192.0.2.7"),
                action="links.update",
                subject=("link", number),
                now=house.now - timedelta(days=number),
                change=({"a": {"b": number, "c": "same"}}, {"a": {"b": -1, "c": "same"}, "d": [1]}),
                reason=EVIL if number == 2 else f"because {number}%",
            )


def test_filters_find_what_they_say(house):
    program = house.program("audit:read")

    def reasons(query):
        return [one["reason"] for one in program.get(f"/audit?actor=mallory&{query}")["items"]]

    assert len(reasons("")) == 5
    assert reasons("object_type=link&object_id=3") == ["because 3%"]
    assert reasons("reason=BECAUSE%201") == ["because 1%"]
    assert len(reasons("reason=%25")) == 4
    assert len(reasons("action=links.")) == 5
    assert reasons("action=links") == []
    since = (house.now - timedelta(days=1, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(reasons(f"since={since}")) == 2
    assert len(reasons(f"until={since}")) == 3
    assert reasons("source=api") == []


def test_pages_follow_each_other(house):
    program = house.program("audit:read")
    seen, cursor = [], ""
    while cursor is not None:
        page = program.get(f"/audit?actor=mallory&limit=2{cursor and '&cursor='}{cursor}")
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


def test_entry_shows_what_changed(house):
    browser = house.browser("finance")
    browser.get("/admin/audit/?actor=mallory&object_id=3")
    entry = house.program("audit:read").get("/audit?actor=mallory&object_id=3")["items"][0]
    browser.get(f"/admin/audit/{entry['id']}")
    assert "a.b 3 -1 d [ 1 ] a.c same same" in browser.text()
    browser.get(f"/admin/audit/{2**70}", status=404)


def test_csv_holds_no_formula_and_all_that_is_filtered(house):
    browser = house.browser("operator")
    browser.get("/admin/audit/export.csv?actor=mallory&bom=1")
    assert browser.last.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    text = browser.last.get_data().decode("utf-8")
    assert text.startswith(tables.BOM)
    rows = list(csv.DictReader(io.StringIO(text.removeprefix(tables.BOM))))
    assert len(rows) == 5
    assert rows[2]["reason"] == f"'{EVIL}"
    assert json.loads(rows[0]["before"]) == {"a": {"b": 4, "c": "same"}}


def test_json_lines_are_as_they_were(house):
    browser = house.browser("owner")
    browser.get("/admin/audit/export.jsonl?object_id=2&actor=mallory")
    (line,) = browser.last.get_data(as_text=True).splitlines()
    assert json.loads(line)["reason"] == EVIL


@pytest.mark.parametrize(
    "text", ["=1", "+1+2", "-cmd|x", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "＝1", "|x", "%0a"]
)
def test_text_like_a_formula_is_text(text):
    assert tables.cell(text).startswith("'")


@pytest.mark.parametrize("text", ["-1.5", "12", "a=1", "", "1-2"])
def test_other_text_is_left_alone(text):
    assert tables.cell(text) == text
