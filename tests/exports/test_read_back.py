"""Any export read back equals the database, and says so in its manifest."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

import openpyxl
import pyarrow.parquet as pq
import pytest
from app.csv_text import guarded
from app.exports import verifying
from app.exports.formats import focus, xlsx
from app.exports.formats.registry import FormatUnfit
from app.exports.names import store as names_store
from app.exports.scope import Scope
from app.exports.writing import MANIFEST, How
from app.funding import changes
from app.funding.changes import Change
from app.money import from_nano
from app.periods import Period, Position
from hypothesis import given
from hypothesis import strategies as st

from export_builders import (
    ACTOR,
    LARGE,
    SINCE,
    UNTIL,
    events_of,
    export,
    fill,
    narrowed,
    order,
    plain,
    plain_csv,
    read_back,
    two_months,
)

FORMATS = ["csv", "jsonl", "xlsx", "parquet"]


@pytest.fixture
def books(db, now):
    fill(db, now)
    return db


def same(found, wanted, form):
    """Excel's times are read to the millisecond."""
    if form != "xlsx":
        return found == wanted
    at = found.pop("received_at"), wanted.pop("received_at")
    return abs(at[0] - at[1]) <= timedelta(milliseconds=1) and found == wanted


def test_events_and_lines_read_back_equal_the_database(books, tmp_path):
    wanted = events_of(books, SINCE, UNTIL)
    assert len(wanted) > 10
    digests = set()
    for form in FORMATS:
        made = export(books, order("events", form), tmp_path / form, How(page=7))
        rows = read_back(tmp_path / form, made)
        assert made["rows"] == len(rows) == len(wanted)
        for row, event in zip(rows, wanted, strict=True):
            told = plain({name: value for name, value in event.items() if name != "lines"})
            assert same({name: row[name] for name in told}, told, form), form
        assert Decimal(made["sums"]["charge"]) == sum(event["charge"] for event in wanted)
        digests.add(made["content_sha256"])
        lines = export(books, order("lines", form), tmp_path / f"{form}-lines", How(page=5))
        found = read_back(tmp_path / f"{form}-lines", lines)
        told = [
            plain({"reference": event["reference"], "chat": "", **line})
            for event in wanted
            for line in event["lines"]
        ]
        names = ("reference", "position", "model", "charge")
        assert [[row[name] for name in names] for row in found] == [
            [line[name] for name in names] for line in told
        ]
        assert lines["sums"]["charge"] == made["sums"]["charge"]
    assert len(digests) == 1, "the digest of the rows is of no format"


def test_names_that_were_forgotten_are_met_again(books, tmp_path, monkeypatch):
    """Of one link, so that the ids of answers lie apart."""
    monkeypatch.setattr(names_store, "KEPT", 2)
    asked = narrowed(order("lines"), link_id=2)
    rows = read_back(tmp_path, export(books, asked, tmp_path, How(page=4)))
    wanted = [
        (event["reference"], event["subject"], event["uid"], event["link"], line["position"])
        for event in events_of(books, SINCE, UNTIL)
        for line in event["lines"]
        if event["link"] == "two"
    ]
    names = ("reference", "subject", "uid", "link", "position")
    assert len({row["subject"] for row in rows}) > 2
    assert [tuple(row[name] for name in names) for row in rows] == wanted


def test_money_and_journals_read_back(books, tmp_path):
    for form in FORMATS:
        postings = export(books, order("postings", form), tmp_path / form, How(page=1))
        rows = read_back(tmp_path / form, postings)
        assert sum(row["amount"] for row in rows) == 0
        assert [row["amount"] for row in rows if row["account"] == "wallet:1"] == [
            from_nano(2_000_000_000),
            from_nano(7_000_000_003),
        ]
    made = export(books, order("statements"), tmp_path, How(page=1))
    first, second = read_back(tmp_path, made)
    assert (first["opening_balance"], first["closing_balance"]) == tuple(
        map(from_nano, (7_000_000_001, 16_000_000_004))
    )
    assert (first["refund"], first["top_up"]) == (2, from_nano(7_000_000_003))
    assert (second["opening_balance"], second["top_up"]) == (0, from_nano(7_000_000_002))
    audit = export(books, order("audit", "jsonl"), tmp_path, How(page=1))
    rows = read_back(tmp_path, audit)
    assert {row["actor"] for row in rows} == {"=alice()"}
    assert all(isinstance(row["after"], dict) for row in rows)
    assert export(books, order("refusals"), tmp_path)["rows"] == 0


def test_a_closed_month_has_what_came_late_and_nothing_of_afterwards(books, tmp_path):
    """Closed at event 40; before it, October was closed at event 20."""
    period = Period(SINCE, UNTIL, upto=Position(40, 3), after=Position(20, 1))
    made = export(books, order("events", scope=Scope(period)), tmp_path, How(page=3))
    rows = read_back(tmp_path, made)
    everything = events_of(books, SINCE - timedelta(days=99), UNTIL)
    ids = {event["reference"]: int(event["reference"][1:]) for event in everything}
    own = [e for e in everything if e["received_at"] >= SINCE and ids[e["reference"]] <= 40]
    late = [e for e in everything if e["received_at"] < SINCE and 20 < ids[e["reference"]] <= 40]
    late.sort(key=lambda event: ids[event["reference"]])
    assert own
    assert late
    assert [(row["reference"], row["late"]) for row in rows] == [
        *((event["reference"], True) for event in late),
        *((event["reference"], False) for event in own),
    ]
    statement = export(books, order("statements", scope=Scope(period)), tmp_path)
    first, second = read_back(tmp_path, statement)
    # Transactions 1 to 4 are top-ups of users 1, 2, 1, 2; the second and third are of November.
    assert first["opening_balance"] + first["top_up"] == first["closing_balance"]
    assert (second["opening_balance"], second["closing_balance"]) == (0, from_nano(7_000_000_002))


def test_the_same_position_has_the_same_bytes_after_more_came(books, tmp_path, now):
    for form in ("csv", "xlsx", "parquet"):
        made = export(books, order("postings", form), tmp_path / form)
        fill_more(books, form)
        scope = verifying.order_of(made).scope
        again = export(books, order("postings", form, scope=scope), tmp_path / f"{form}-again")
        assert again["files"] == made["files"]
        assert verifying.check_files(tmp_path / form, made) == []
        assert verifying.check_books(books, made, lambda _: {}) == []
        assert (
            export(books, order("postings", form), tmp_path / f"{form}-now")["rows"] > again["rows"]
        )
    (place,) = verifying.manifests(tmp_path / "csv")
    file = tmp_path / "csv" / made["files"][0]["name"].replace("parquet", "csv")
    assert place.name == file.name + MANIFEST
    file.write_bytes(file.read_bytes().replace(b"wallet:1", b"wallet:2", 1))
    (wrong,) = verifying.check_files(tmp_path / "csv", verifying.load(place))
    assert "other contents" in wrong


def fill_more(books, key):
    more = Change(3, 5, "CNY", "more", f"more {key}")
    changes.top_up(books, more, actor=ACTOR, now=SINCE + timedelta(days=1))


def test_files_are_of_their_kinds(books, tmp_path):
    made = export(books, order("events", "xlsx"), tmp_path)
    book = openpyxl.load_workbook(tmp_path / made["files"][0]["name"])
    sheet, about = book.worksheets
    assert (sheet.freeze_panes, sheet.auto_filter.ref[:3]) == ("A2", "A1:")
    kinds = {cell.value: sheet.cell(3, cell.column) for cell in sheet[1]}
    assert kinds["received_at"].is_date
    assert kinds["charge"].data_type == "n"
    large = [row for row in sheet.iter_rows(values_only=True) if str(from_nano(LARGE)) in row]
    assert large, "more digits than Excel keeps stay exact, as text"
    facts = dict(about.iter_rows(values_only=True))
    assert facts["content_sha256"] == made["content_sha256"]
    assert facts["sum of charge"] == made["sums"]["charge"]

    made = export(books, two_months("lines", "parquet"), tmp_path / "months")
    names = [file["name"] for file in made["files"]]
    assert names == ["month=2026-10/lines.parquet", "month=2026-11/lines.parquet"]
    schema = pq.read_schema(tmp_path / "months" / names[1])
    assert str(schema.field("charge").type) == "decimal128(38, 9)"
    assert str(schema.field("received_at").type) == "timestamp[us, tz=UTC]"

    made = export(books, order("events", with_bom=True, gzip=True), tmp_path / "gz")
    (name,) = (file["name"] for file in made["files"])
    assert len(plain_csv(tmp_path / "gz" / name)) == made["rows"]


def test_workbooks_go_on_on_another_sheet(books, tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "ROWS_MAX", 10)
    made = export(books, order("events", "xlsx"), tmp_path)
    book = openpyxl.load_workbook(tmp_path / made["files"][0]["name"])
    assert book.sheetnames[:2] == ["events", "events 2"]
    assert len(read_back(tmp_path, made)) == made["rows"]


def test_meters_and_finops_tools_get_their_own_words(books, tmp_path):
    made = export(books, order("lines", "focus"), tmp_path)
    rows = plain_csv(tmp_path / made["files"][0]["name"])
    assert list(rows[0]) == [column.name for column in focus.COLUMNS]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(made["sums"]["charge"])
    assert {_second_between(row) for row in rows} == {timedelta(seconds=1)}
    found = read_back(tmp_path, export(books, order("lines", "jsonl"), tmp_path))
    for row, line in zip(rows, found, strict=True):
        told = {name: line[name] for name in ("node_kind", "reference") if line[name]}
        assert json.loads(row["Tags"]) == told
    made = export(books, order("events", "cloudevents"), tmp_path)
    text = (tmp_path / made["files"][0]["name"]).read_text("utf-8")
    told = [json.loads(line) for line in text.splitlines()]
    assert len({event["id"] for event in told}) == made["rows"]
    assert {event["type"] for event in told} == {"shareauth.usage.answered"}
    assert all(event["id"] == event["data"]["reference"] for event in told)
    with pytest.raises(FormatUnfit):
        export(books, order("statements", "cloudevents"), tmp_path)


def _second_between(row):
    begin, end = (row[f"ChargePeriod{name}"] for name in ("Start", "End"))
    return datetime.fromisoformat(end) - datetime.fromisoformat(begin)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8))
def test_guarded_text_is_no_formula_and_can_be_had_back(text):
    safe = guarded(text)
    assert safe.removeprefix("'") == text
    is_number = text.removeprefix("-").replace(".", "", 1).isdecimal()
    assert safe.lstrip()[:1] not in set("=+-@|%＝＋－＠") or is_number
