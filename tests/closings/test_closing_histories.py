"""Whatever happened in some months: all statements together are the ledger, to the unit."""

import shutil
from collections import defaultdict

import hypothesis
from app.closings import content, store
from app.closings.content import figures_of, parse_amount
from app.db import Database
from app.ledger.transactions import canonical_time
from hypothesis import strategies as st

from closing_builders import House, at

MONTHS = (202610, 202611, 202612)
USERS = 3
CHOICES = {
    "kind": ["answer", "top_up", "refund", "adjust"],
    "user": range(USERS),
    "month": [10, 11, 12],
    "day": [1, 15, 28],
    "clock": ["00:00", "07:59", "08:00", "23:59"],
    "amount": range(1, 9),
    "other": [0, 1],
}
_actions = st.fixed_dictionaries({name: st.sampled_from(of) for name, of in CHOICES.items()})
_histories = st.lists(st.lists(_actions, max_size=4), min_size=len(MONTHS), max_size=len(MONTHS))
ON_BOTH = [
    [
        {"kind": kind, "user": (round_ + place) % USERS, "month": month, "day": 28 - place}
        | {"clock": "23:59", "amount": 3 + place, "other": place % 2}
        for place, kind in enumerate(CHOICES["kind"])
        for month in CHOICES["month"]
    ]
    for round_ in range(len(MONTHS))
]
"""Everything in each month, on time and late and too early, for each of the closings."""


def play(house, history):
    """Each round happens, then the month is closed: what is of an earlier one comes late."""
    for month, actions in zip(MONTHS, history, strict=True):
        for one in actions:
            when = at(f"2026-{one['month']}-{one['day']:02}", one["clock"])
            user, amount, other = one["user"], one["amount"], one["other"]
            match one["kind"]:
                case "answer":
                    lines = [("GPT-5", amount), ("Qwen", other)]
                    house.answer(user, when, lines, link=other, extra=other)
                case "adjust":
                    house.adjust(user, when, -amount if other else amount)
                case kind:
                    getattr(house, kind)(user, when, amount)
        house.close(month)


def check(house):
    assert house.findings() == []
    moved, before = defaultdict(int), {}
    for month in MONTHS:
        said = house.statements(month)
        check_month(house, month, said, before)
        for user, one in said.items():
            for key, amount in figures_of(one).sums.items():
                moved[user, key.kind] += amount.amount
        before = {user: parse_amount(one["closing"]) for user, one in said.items()}
    booked = defaultdict(int)
    last = at("2027-01-01", "00:00")
    wallets = {house.wallet(user): user for user in range(USERS)}
    for row in house.transactions():
        assert row.posted_at < last
        booked[wallets[row.wallet_id], row.kind] += row.amount
    assert moved == booked


def check_month(house, month, said, before):
    with house.db.read() as session:
        closing = store.get(session, month)
    opened = {user: parse_amount(one["opening"]) for user, one in said.items()}
    assert {user: amount for user, amount in opened.items() if amount} == {
        user: amount for user, amount in before.items() if amount
    }
    assert sum(parse_amount(one["closing"]) for one in said.values()) == closing.closing
    for one in said.values():
        figures = figures_of(one)
        assert figures.closing == parse_amount(one["closing"])
        assert sum(model.charge for model in figures.models.values()) == figures.charged
        assert sum(link.charge for link in figures.links.values()) == figures.charged
        since, until = canonical_time(closing.since), canonical_time(closing.until)
        assert all((e["at"] < since) if e["is_late"] else (e["at"] < until) for e in one["entries"])
    for name, group in house.statements(month, "department").items():
        members = [said[user] for user in said if (name == "Sales") == (user == 2)]
        whole = content.total(figures_of(one) for one in members)
        assert figures_of(group) == whole
        assert [one["number"] for one in group["members"]] == [m["number"] for m in members]


@hypothesis.settings(max_examples=4)
@hypothesis.given(history=_histories)
def test_statements_of_all_closings_equal_the_ledger(tmp_path_factory, sqlite_template, history):
    path = tmp_path_factory.mktemp("histories") / "books.sqlite3"
    shutil.copyfile(sqlite_template, path)
    db = Database(f"sqlite:///{path}")
    try:
        house = House(db, users=USERS, departments=("R&D", "R&D", "Sales"))
        play(house, history)
        check(house)
    finally:
        db.close()
        path.unlink()


def test_a_history_with_everything_in_it_adds_up_on_both_databases(db):
    house = House(db, users=USERS, departments=("R&D", "R&D", "Sales"))
    play(house, ON_BOTH)
    late = {key for one in house.statements(202612).values() for key in figures_of(one).sums}
    assert {key.is_late for key in late} == {True, False}
    check(house)
