"""The worked months of docs/billing.md, played through the ledger: each table comes out."""

import shutil
from pathlib import Path

import pytest
from app.closings import store
from app.closings.content import number_of
from app.closings.papers import rendering
from app.closings.papers.paper import Issuer
from app.db import Database
from app.users.models import User

from closing_builders import House, at

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {"en": "billing.md", "zh": "billing.zh-CN.md"}
CENT = 10**7


@pytest.fixture(scope="module")
def played(tmp_path_factory, sqlite_template):
    """November, December and January, all closed, as the page tells them."""
    path = tmp_path_factory.mktemp("billing") / "books.sqlite3"
    shutil.copyfile(sqlite_template, path)
    db = Database(f"sqlite:///{path}")
    house = House(db, users=2, departments=("R&D", "R&D"))
    with db.begin() as session:
        for user_id, name in zip(house.users, ("Alice", "Bob"), strict=True):
            session.get(User, user_id).name = name
            session.get(User, user_id).subject = name.lower()
    alice, bob = 0, 1
    house.top_up(alice, at("2026-11-02", "09:00"), 10000 * CENT)
    house.answer(alice, at("2026-11-03"), [("GPT-5", 200 * CENT), ("Qwen-Max", 50 * CENT)])
    _, priced_wrongly = house.answer(alice, at("2026-11-10"), [("GPT-5", 400 * CENT)], link=1)
    house.top_up(bob, at("2026-11-12", "10:30"), 2000 * CENT)
    house.answer(bob, at("2026-11-15"), [("Qwen-Max", 125 * CENT)])
    house.rerate(alice, at("2026-11-18"), priced_wrongly, 400 * CENT, 300 * CENT)
    house.refund(bob, at("2026-11-20", "16:00"), 25 * CENT)
    house.close(202611, at("2026-12-01", "10:00"))
    house.answer(alice, at("2026-11-30", "23:50"), [("GPT-5", 75 * CENT)])
    house.answer(alice, at("2026-12-03"), [("GPT-5", 100 * CENT)], link=1)
    house.close(202612, at("2027-01-01", "10:00"))
    play_january(house, alice, bob)
    yield house
    db.close()


def play_january(house, alice, bob):
    house.give_monthly(alice, at("2027-01-02", "09:00"), 300 * CENT, 202701)
    over = at("2027-01-15", "00:00")
    house.grant(alice, at("2027-01-05"), 500 * CENT, over, priority=10, reason="new year")
    house.answer(alice, at("2027-01-08"), [("GPT-5", 400 * CENT)], link=1)
    house.give_monthly(bob, at("2027-01-10", "09:00"), 300 * CENT, 202701)
    house.answer(bob, at("2027-01-10", "09:01"), [("Qwen-Max", 400 * CENT)])
    house.expire(over)
    house.answer(alice, at("2027-01-18"), [("GPT-5", 175 * CENT)])
    house.expire(at("2027-02-01", "00:00"))
    house.close(202701, at("2027-02-01", "10:00"))


def told(house, locale):
    """Number and tables, in Markdown, of each statement."""
    found = {}
    with house.db.read() as session:
        for month in (202611, 202612, 202701):
            for kind in ("wallet", "department"):
                for row in store.iter_statements(session, month, kind):
                    people = rendering.people_of(session, row)
                    paper = rendering.paper_of(row, people, Issuer(), locale)
                    number = number_of(row.year, row.ordinal)
                    found[number] = [markdown(table) for table in paper.tables]
    return found


def markdown(table):
    rows = [table.columns, *table.rows, *([table.total] if table.total else [])]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    rule = ["---:" if place in table.numbers else "---" for place in range(len(table.columns))]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


@pytest.mark.parametrize("locale", PAGES)
def test_every_table_of_the_page_is_what_the_books_say(played, locale):
    page = (DOCS / PAGES[locale]).read_text("utf-8")
    statements = told(played, locale)
    shown = [number for number in statements if f"### {number}" in page]
    assert shown == [f"2026-00000{ordinal}" for ordinal in range(1, 5)] + [
        f"2027-00000{ordinal}" for ordinal in range(1, 4)
    ]
    for number in shown:
        part = page.split(f"### {number}")[1].split("\n#")[0]
        for table in statements[number]:
            assert table in part, f"{number}:\n{table}"
        assert part.count("| --- |") == len(statements[number])  # and no other table
    assert played.findings() == []


def test_the_months_are_chained(played):
    with played.db.read() as session:
        november, december, january = store.list_all(session)
    assert (november.closing, december.opening) == (11350 * CENT, 11350 * CENT)
    assert december.closing == 11175 * CENT
    assert december.previous_hash == november.hash
    assert (january.closing, january.previous_hash) == (11075 * CENT, december.hash)
