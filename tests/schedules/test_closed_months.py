"""What is made after closings: each month once, in order, and of what was frozen."""

import csv
import hashlib
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from app.closings import store as closing_store
from app.closings.models import FrozenStatement
from app.errors import Invalid, NotFound
from app.exports import verifying
from app.people import store as people
from app.people.words import replacing
from app.schedules import store
from app.schedules.kinds import KINDS
from app.schedules.statements import MonthOpen
from app.users import commands as users
from app.users.models import User

from closing_builders import NANO, House, at
from schedule_builders import BY, Bureau


@pytest.fixture
def bureau(db, keys, tmp_path):
    return Bureau(db, keys, tmp_path)


@pytest.fixture
def house(bureau):
    house = House(bureau.db, departments=("R&D",))
    house.top_up(0, at("2026-11-02"), 100 * NANO)
    house.answer(0, at("2026-11-03"), [("GPT-5", 2 * NANO)])
    house.top_up(1, at("2026-11-30"), 10 * NANO)
    bureau.now = at("2026-11-25")
    return house


def rows_of(place):
    return list(csv.DictReader(place.read_text("utf-8-sig").splitlines()))


def test_what_finance_gets_after_each_closing_is_what_was_frozen(bureau, house):
    whole = bureau.add(None, "statements", kind="statements", every="closing", parameters={})
    books = bureau.add(
        None,
        "postings",
        kind="export",
        every="closing",
        parameters={"table": "postings", "locale": "en"},
    )
    monthly = bureau.add(
        None, "by month", kind="export", every="month", day=2, parameters={"table": "postings"}
    )
    assert bureau.tick() == 0
    house.close(202611)
    house.answer(1, at("2026-11-30", "23:00"), [("GPT-5", 3 * NANO)])  # it waited in a spool
    house.answer(0, at("2026-12-03"), [("GPT-5", NANO)])
    second = house.close(202612)
    bureau.now = at("2027-01-10")
    assert [bureau.tick(), bureau.tick(), bureau.tick()] == [5, 1, 0]
    for id_ in (whole, books, monthly):
        runs = bureau.runs(id_)
        assert [run.period for run in runs] == ["2026-11", "2026-12"]
        for run in runs:
            bureau.make(run.id)
    place = bureau.folder / "reports"
    december = rows_of(place / "statements-2026-12.csv")
    assert Decimal(second.closing) / NANO == sum(
        Decimal(row["closing"]) for row in december if row["kind"] == "wallet"
    )
    with bureau.db.read() as session:
        hashes = {one.hash for one in session.query(FrozenStatement).filter_by(month=202612)}
    lines = (place / "statements-2026-12.jsonl").read_bytes().splitlines()
    assert {hashlib.sha256(line).hexdigest() for line in lines} == hashes
    assert {row["sha256"] for row in december} == hashes
    first, following = (rows_of(place / f"postings-2026-{month}.csv") for month in (11, 12))
    assert {row["late"] for row in first} == {"false"}
    assert [row["posted_at"][:10] for row in following if row["late"] == "true"] == [
        "2026-11-30",
        "2026-11-30",
    ]
    told = json.loads((place / "postings-2026-12.csv.manifest.json").read_bytes())
    assert told["closing"] == {"month": "2026-12", "number": second.id, "hash": second.hash}
    assert verifying.check_files(place, told) == []
    assert verifying.check_books(bureau.db, told, lambda _: {}) == []
    delivered = json.loads((place / f"schedule-{books}-2026-12.manifest.json").read_bytes())
    assert delivered["export"]["content_sha256"] == told["content_sha256"]


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_pdfs_are_made_if_wanted_and_nothing_of_an_open_month(bureau, house):
    id_ = bureau.add(
        None, "papers", kind="statements", every="closing", parameters={"pdf": True, "locale": "en"}
    )
    house.close(202611)
    bureau.now = at("2027-01-10")
    bureau.tick()
    (run,) = bureau.runs(id_)
    bureau.make(run.id)
    assert len(list((bureau.folder / "reports").glob("statement-2026-*.pdf"))) == 3
    with bureau.db.begin() as session:
        store.get_run(session, run.id).state = "queued"
        store.get_run(session, run.id).period = "2026-12"
    with pytest.raises(MonthOpen):
        bureau.make(run.id)
    for wrong in (
        {"kind": "statements", "every": "day", "parameters": {}},
        {"kind": "export", "parameters": {"table": "audit", "format": "focus"}},
        {"kind": "export", "parameters": {"table": "postings", "link": "support"}},
        {"kind": "export", "parameters": {"table": "events", "link": "none"}},
        {"kind": "export", "parameters": {"table": "events", "format": "xlsx", "gzip": True}},
        {"kind": "export", "parameters": {"table": "audit", "user": "person-0"}},
        {"kind": "export", "parameters": {"table": "events", "kind": "chatNode"}},
        {"kind": "export", "parameters": {"table": "postings", "kind": "poem"}},
        {"kind": "export", "parameters": {"table": "events", "user": "nobody"}},
        {"kind": "export", "parameters": {"table": "poems"}},
    ):
        with pytest.raises((Invalid, NotFound)):
            bureau.add(None, "wrong", **wrong)


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_a_week_is_exported_without_months_and_of_its_link_alone(bureau, house):
    house.answer(0, at("2026-11-28"), [("GPT-5", NANO)])
    house.answer(0, at("2026-12-02"), [("GPT-5", NANO)], link=1)
    house.answer(0, at("2026-12-03"), [("GPT-5", NANO)])
    parameters = {"table": "events", "format": "parquet", "link": "support"}
    id_ = bureau.add(None, "weekly", kind="export", every="week", parameters=parameters)
    bureau.now = at("2026-12-08")
    assert [bureau.tick(), bureau.tick()] == [1, 1]
    runs = bureau.runs(id_)
    for run in runs:
        bureau.make(run.id)
    names = sorted(path.name for path in (bureau.folder / "reports").iterdir())
    assert "events-2026-W48.parquet" in names
    told = json.loads(
        (bureau.folder / "reports" / "events-2026-W49.parquet.manifest.json").read_bytes()
    )
    assert (told["rows"], told["closing"]) == (1, None)
    assert verifying.check_books(bureau.db, told, lambda _: {}) == []


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_of_one_user_and_kind_alone_also_when_they_were_erased(bureau, house):
    for user in (0, 1):
        house.answer(user, at("2026-12-02"), [("GPT-5", NANO)])
        house.top_up(user, at("2026-12-03"), NANO)
    parameters = {"table": "postings", "user": "person-0", "kind": "top_up", "format": "jsonl"}
    id_ = bureau.add(None, "weekly", kind="export", every="week", parameters=parameters)
    with bureau.db.begin() as session:
        user = session.get(User, house.users[0])
        users.erase(session, user, actor=BY, now=bureau.now)
        people.forget_in_schedules(session, replacing({"person-0"}, user.subject))
    bureau.now = at("2026-12-08")
    while bureau.tick():
        pass
    for run in bureau.runs(id_):
        bureau.make(run.id)
    place = bureau.folder / "reports" / "postings-2026-W49.jsonl"
    rows = [json.loads(line) for line in place.read_bytes().splitlines()]
    assert {(row["kind"], row["wallet"]) for row in rows} == {
        ("top_up", f"wallet:{house.users[0]}"),
    }
    assert len(rows) == 2


def test_permissions_are_those_of_what_is_sent():
    export = KINDS.makers["export"]
    parameters = {
        name: export.permission(export.parameters(table=name)) for name in ("audit", "events")
    }
    assert parameters == {"audit": "audit:read", "events": "usage:read"}


def test_what_was_closed_before_is_not_caught_up(bureau, house):
    house.close(202611)
    bureau.now = at("2027-02-01")
    id_ = bureau.add(None, "later", kind="statements", every="closing", parameters={})
    assert bureau.tick() == 0
    assert bureau.runs(id_) == []
    with bureau.db.read() as session:
        assert closing_store.find_last(session).closed_at < bureau.now - timedelta(days=1)
