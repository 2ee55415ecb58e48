"""Grants on statements: over all closings they add up to what the chains say, whatever happens."""

import contextlib
import shutil
from collections import defaultdict
from datetime import timedelta

import hypothesis
import pytest
from app.closings import preview
from app.closings.content import parse_amount
from app.closings.granted import CreditSum, credit_of
from app.closings.months import window
from app.closings.preview import Obstructed
from app.db import Database
from app.errors import ServiceError
from app.ledger.credit import store as credit_store
from app.spool.census import Status
from hypothesis import strategies as st

from closing_builders import ZONE, House, at

YUAN = 10**9
MONTHS = (202610, 202611, 202612)
USERS = 2
NO_SPOOL = Status(0, 0, None, 0, 0, 0.0)
KINDS = ("answer", "top_up", "grant", "monthly", "revoke", "reverse", "rerate", "adjust", "expire")
CHOICES = {
    "kind": KINDS,
    "user": range(USERS),
    "month": [10, 11, 12],
    "day": [1, 14, 28],
    "amount": range(1, 9),
    "days": [0, 3, 20, 40],
}
_actions = st.fixed_dictionaries({name: st.sampled_from(of) for name, of in CHOICES.items()})
_rounds = st.tuples(st.lists(_actions, min_size=3, max_size=7), st.booleans())
_histories = st.lists(_rounds, min_size=len(MONTHS), max_size=len(MONTHS))
ROUND = ("monthly", "grant", "answer", "grant", "answer", "rerate", "reverse")
ON_BOTH = [
    (
        [
            {"kind": kind, "user": place % 4 // 2, "month": month, "day": day}
            | {"amount": 1 + (place * 5 + day) % 8, "days": CHOICES["days"][(place + day) % 4]}
            for day in (1, 14)
            for place, kind in enumerate(ROUND)
        ]
        + [
            {"kind": "grant", "user": 0, "month": month, "day": 28, "amount": 8, "days": 0},
            {"kind": "revoke", "user": 0, "month": month, "day": 28, "amount": -1},
        ],
        is_expired,
    )
    for month, is_expired in ((10, True), (11, False), (12, True))
]
"""Everything in each month; what is over in November expires late."""


class Played:
    """What happened so far, for what is about something that happened before."""

    def __init__(self, house):
        self.house = house
        self.granted, self.answered = [], []
        self.latest = at("2026-10-01")

    def do(self, one):
        when = at(f"2026-{one['month']}-{one['day']:02}")
        self.latest = max(self.latest, when)
        user, amount = one["user"], one["amount"]
        match one["kind"]:
            case "answer":
                said = self.house.answer(user, when, [("GPT-5", amount)])
                self.answered.append((user, amount, *said))
            case "grant":
                until = when + timedelta(days=one["days"]) if one["days"] else None
                priority = 10 * one["amount"]
                self.granted.append(self.house.grant(user, when, amount, until, priority=priority))
            case "monthly":
                self.house.give_monthly(user, when, amount, 202600 + one["month"])
            case "expire":
                self.house.expire(when)
            case "revoke" if self.granted:
                grant = self.granted[amount % len(self.granted)]
                self.try_to(self.house.revoke, self.latest, grant)
            case "reverse" if self.answered:
                said = self.answered[amount % len(self.answered)]
                self.try_to(self.house.reverse, when, said[2])
            case "rerate" if self.answered:
                whose, before, _, reference = self.answered.pop()
                self.house.rerate(whose, when, reference, before, amount)
            case "top_up":
                self.house.top_up(user, when, amount)
            case "adjust":
                self.house.adjust(user, when, -amount)

    def try_to(self, verb, *more):
        """What is over or done already is refused."""
        with contextlib.suppress(ServiceError):
            verb(*more)


def play(house, history):
    played = Played(house)
    for month, (actions, is_expired) in zip(MONTHS, history, strict=True):
        for one in actions:
            played.do(one)
        if is_expired:  # else what is over expires late, in the next month
            house.expire(window(month, ZONE).ends_at)
        house.close(month)


def check(house):
    assert house.findings() == []
    lives, before = defaultdict(CreditSum), {}
    last = {}
    for month in MONTHS:
        last = house.statements(month)
        for user, said in last.items():
            check_statement(said)
            for one in said["grants"]:
                sums = credit_of(one)
                assert sums.opening == before.get(one["transaction"], 0)
                before[one["transaction"]] = sums.closing
                sums.opening = 0
                lives[user, one["transaction"]].add(sums)
    for user in range(USERS):
        check_wallet(house, user, lives, last.get(user))


def check_statement(said):
    whole = CreditSum()
    for one in said["grants"]:
        sums = credit_of(one)
        assert one["closing"] == sums.amounts()["closing"]
        whole.add(sums)
    assert whole == credit_of(said["credit"])
    if said["credit"] is None:
        return
    for name in ("opening", "charged", "closing"):
        together = parse_amount(said["credit"][name]) + parse_amount(said["credit"][f"paid_{name}"])
        assert together == parse_amount(said[name])
    moved = {"grant": 0, "expiry": 0}
    for one in said["sums"]:
        moved[one["kind"]] = moved.get(one["kind"], 0) + parse_amount(one["amount"])
    assert moved["grant"] == whole.given
    assert moved["expiry"] == -whole.expired - whole.revoked


def check_wallet(house, user, lives, said):
    """What all statements say of each grant is what the chain says, up to the last of December."""
    numbers = {row.id: row for row in house.transactions()}
    credit = house.credit(user)
    if credit is None:
        assert said is None or said["credit"] is None
        return
    left = {number: held.remaining for number, held in credit.open.items()}
    mine = {number: one for (whose, number), one in lives.items() if whose == user}
    given = [row for row in numbers.values() if row.kind == "grant"]
    wallet = house.wallet(user)
    assert {row.id: row.amount for row in given if row.wallet_id == wallet} == {
        number: one.given for number, one in mine.items()
    }
    for number, one in mine.items():
        assert one.closing == left.get(numbers[number].sequence, 0)
    if said is not None and said["credit"] is not None:
        assert parse_amount(said["credit"]["paid_closing"]) == credit.paid


# Histories are long to play: what fails is told as it is.
@hypothesis.settings(max_examples=6, phases=[hypothesis.Phase.generate])
@hypothesis.given(history=_histories)
def test_grants_of_all_closings_add_up_to_their_chains(tmp_path_factory, sqlite_template, history):
    path = tmp_path_factory.mktemp("grants") / "books.sqlite3"
    shutil.copyfile(sqlite_template, path)
    db = Database(f"sqlite:///{path}")
    try:
        house = House(db, users=USERS)
        play(house, history)
        check(house)
    finally:
        db.close()
        path.unlink()


def test_a_history_with_everything_adds_up_on_both_databases(db):
    house = House(db, users=USERS)
    play(house, ON_BOTH)
    check(house)
    said = [one for month in MONTHS for one in house.statements(month).values()]
    sums = [credit_of(row) for one in said for row in one["grants"]]
    for name in ("opening", "given", "spent", "expired", "revoked", "charged"):
        assert any(getattr(one, name) for one in sums), name
    late = {entry["kind"] for one in said for entry in one["entries"] if entry["is_late"]}
    assert "expiry" in late


def test_a_month_waits_for_what_is_over_in_it_to_expire(db):
    house = House(db, users=1)
    house.grant(0, at("2026-11-05"), 5 * YUAN, at("2026-11-20", "00:00"))
    house.grant(0, at("2026-11-05"), 7 * YUAN, at("2026-12-01", "00:00"))
    house.grant(0, at("2026-11-05"), 9 * YUAN, at("2026-12-02", "00:00"))
    house.follow()
    order = house.order(202611, at("2026-12-01", "10:00"))
    with db.read() as session:
        found = {one.code: one.count for one in preview.find_obstacles(session, order, NO_SPOOL)}
        assert found["grants_to_expire"] == 2
        with pytest.raises(Obstructed, match="2 grants"):
            preview.check_obstacles(session, order, NO_SPOOL)
    house.expire(order.now)
    with db.read() as session:
        preview.check_obstacles(session, order, NO_SPOOL)
    house.close(202611)
    (said,) = house.statements(202611).values()
    assert [one["closing"] for one in said["grants"]] == ["0", "0", "9"]
    assert (said["credit"]["expired"], said["closing"]) == ("12", "9")


def test_a_replay_begins_where_no_grant_was_open(db, monkeypatch):
    house = House(db, users=1)
    for month in (10, 11, 12):
        house.give_monthly(0, at(f"2026-{month}-02"), 5 * YUAN, 202600 + month)
        house.answer(0, at(f"2026-{month}-03"), [("GPT-5", 3 * YUAN)])
        house.expire(window(202600 + month, ZONE).ends_at)
        house.close(202600 + month)
    read, moves = [], credit_store.moves

    def watched(*more, after, upto):
        read.append((after, upto))
        return moves(*more, after=after, upto=upto)

    monkeypatch.setattr(credit_store, "moves", watched)
    assert house.findings() == []
    assert read == [(0, 3), (3, 6), (6, 9)]
