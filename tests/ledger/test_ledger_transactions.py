"""What may be posted: the rules of each kind, and what makes two requests the same."""

from dataclasses import replace

import pytest
from app.ledger import reratings
from app.ledger.grants import Closing, Terms
from app.ledger.reratings import Price, Rerating
from app.ledger.transactions import (
    COUNTER_ACCOUNT,
    Entry,
    EntryInvalid,
    Side,
    canonical_json,
    check,
    check_reversal,
    input_hash,
    sides,
)
from hypothesis import given
from hypothesis import strategies as st

RERATING = Rerating("x", "run", "2026-11", before=Price(1, 5, 1), after=Price(2, 4, 0))
RERATED = {
    "kind": "adjustment",
    "amount": 1,
    "idempotency_key": "rerate:x:1",
    "details": RERATING.details(),
}


REDEEMED = {
    "kind": "redemption",
    "idempotency_key": "redeem:7",
    "details": {"redemption": {"code": 7, "batch": 1}},
}


GRANTED = {"kind": "grant", "details": Terms(None).details()}
EXPIRED = {
    "kind": "expiry",
    "amount": 0,
    "idempotency_key": "expire:1:7",
    "details": Closing(7, "expired").details(),
}
BY_KIND = {"redemption": REDEEMED, "grant": GRANTED, "expiry": EXPIRED}


def entry(kind: str = "top_up", **changes) -> Entry:
    values = {
        "kind": kind,
        "amount": -1 if kind == "charge" else 1,
        "counter_account": COUNTER_ACCOUNT.get(kind, "revenue"),
        "idempotency_key": "k",
        "actor": "alice",
        "reason": "why",
        "event_id": 1 if kind == "charge" else None,
        "reverses_id": 1 if kind == "reversal" else None,
    }
    return Entry(**(values | changes))


@pytest.mark.parametrize("kind", [*COUNTER_ACCOUNT, "reversal"])
def test_every_kind_may_be_posted(kind):
    check(entry(**BY_KIND.get(kind, {"kind": kind})))


@pytest.mark.parametrize(
    "changes",
    [
        GRANTED | {"details": {}},
        GRANTED | {"amount": 0},
        GRANTED | {"details": Terms(None, priority=100).details()},
        GRANTED | {"details": Terms(None, source="plan", plan_id=1, month="2026-11").details()},
        GRANTED | {"details": {"grant": {"source": "operator"}}},
        GRANTED | {"idempotency_key": "monthly:2026-11:1:1"},
        GRANTED | {"kind": "top_up", "counter_account": "funding"},
        EXPIRED | {"amount": 1},
        EXPIRED | {"idempotency_key": "expire:1:8"},
        EXPIRED | {"details": {"expiry": {"grant": 7, "because": "lost"}}},
        {"idempotency_key": "expire:1:7"},
        {"details": EXPIRED["details"]},
    ],
)
def test_grants_and_expiries_say_what_they_are(changes):
    with pytest.raises(EntryInvalid):
        check(entry(**changes))


def test_grants_and_expiries_are_not_reversed():
    for kind in ("grant", "expiry"):
        with pytest.raises(EntryInvalid, match="not reversed"):
            check_reversal(
                entry("reversal"),
                wallet="wallet:1",
                reversed_wallet="wallet:1",
                reversed_kind=kind,
                counter=Side("promotions", -1),
            )


def test_a_rerating_may_be_posted_and_be_zero_when_only_the_free_part_changes():
    check(entry(**RERATED))
    free = replace(RERATING, after=Price(2, 5, 0))
    check(entry(**RERATED | {"amount": 0, "details": free.details()}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"details": {}}, "which code"),
        ({"details": {"redemption": {"code": "7", "batch": 1}}}, "which code"),
        ({"idempotency_key": "redeem:8"}, "not that of the code"),
        ({"amount": 0}, "greater than zero"),
        ({"kind": "top_up", "counter_account": "funding"}, "of redeemed codes"),
        ({"kind": "top_up", "counter_account": "funding", "details": {}}, "of redeemed codes"),
    ],
)
def test_a_redemption_names_its_code_and_nothing_else_does(changes, says):
    with pytest.raises(EntryInvalid, match=says):
        check(entry(**REDEEMED | changes))


def test_a_rerating_reads_back_as_it_was_written():
    assert reratings.read(RERATING.details()) == RERATING
    assert reratings.read({"a": 1}) is None
    assert reratings.find({"rerating": {"reference": 1}}) is None


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_postings_always_sum_to_zero(amount):
    assert sum(side.amount for side in sides("wallet:1", "revenue", amount)) == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "charge", "amount": 1, "event_id": 1}, "never raises"),
        ({"kind": "top_up", "amount": 0}, "greater than zero"),
        ({"kind": "top_up", "amount": -1}, "greater than zero"),
        ({"kind": "refund", "amount": 0}, "greater than zero"),
        ({"kind": "adjustment", "amount": 0}, "changes nothing"),
        ({"amount": 2**63}, "can hold"),
        ({"kind": "charge", "amount": -(2**63), "event_id": 1}, "can hold"),
        ({"kind": "charge", "amount": 0, "event_id": None}, "usage event"),
        ({"event_id": 1}, "usage event"),
        ({"reverses_id": 1}, "reversals"),
        ({"kind": "reversal", "reverses_id": None}, "reversals"),
        ({"counter_account": "revenue"}, "not posted against revenue"),
        ({"idempotency_key": ""}, "idempotency key"),
        ({"idempotency_key": "k" * 121}, "idempotency key"),
        ({"actor": " "}, "actor"),
        ({"actor": "a" * 201}, "actor"),
        ({"reason": None}, "reason"),
        ({"reason": "\t "}, "reason"),
        ({"reason": "r" * 2001}, "reason"),
        ({"reason": "a\0b"}, "cannot be stored"),
        ({"reason": "\ud800"}, "cannot be stored"),
        ({"details": {"a": 1.5}}, "no float"),
        ({"details": {"a": [{"b": float("nan")}]}}, "no float"),
        ({"details": {"a": object()}}, "no object"),
        ({"details": {1: "a"}}, "keys"),
        ({"details": {"a": "\0"}}, "cannot be stored"),
        ({"details": {"\udfff": "a"}}, "cannot be stored"),
        ({"details": {"a": "x" * 9000}}, "longer than"),
        ({"idempotency_key": "rerate:x:1"}, "are of re-ratings"),
        ({"details": RERATING.details()}, "prices nothing again"),
        (RERATED | {"amount": 2}, "charge before less the charge after"),
        (RERATED | {"amount": 0}, "charge before less the charge after"),
        (RERATED | {"idempotency_key": "rerate:other:1"}, "key is not that"),
        (RERATED | {"details": {"rerating": {"reference": "x"}}}, "do not say what"),
        (RERATED | {"details": {"rerating": None}}, "do not say what"),
    ],
)
def test_entry_that_breaks_a_rule_is_refused_and_says_which(changes, says):
    kind = changes.pop("kind", "top_up")
    changes = {"counter_account": COUNTER_ACCOUNT.get(kind, "revenue")} | changes
    with pytest.raises(EntryInvalid, match=says):
        check(entry(kind, **changes))


def test_charge_needs_no_reason():
    check(entry("charge", reason=None))


def test_details_may_hold_any_json_but_floats():
    check(entry(details={"a": [1, True, None, "é", {"b": (2**80,)}]}))


COUNTER = Side("funding", -5)


def reversal(**changes) -> Entry:
    return entry("reversal", **({"amount": -5, "counter_account": "funding"} | changes))


def test_exact_opposite_may_be_posted():
    check_reversal(
        reversal(), wallet="w", reversed_wallet="w", reversed_kind="top_up", counter=COUNTER
    )


@pytest.mark.parametrize(
    ("changes", "kind", "wallet", "says"),
    [
        ({"amount": -4}, "top_up", "w", "exact opposite"),
        ({"amount": 5}, "top_up", "w", "exact opposite"),
        ({"counter_account": "revenue"}, "top_up", "w", "exact opposite"),
        ({}, "reversal", "w", "cannot be reversed"),
        ({}, "top_up", "another", "not one of"),
    ],
)
def test_other_reversals_are_refused(changes, kind, wallet, says):
    with pytest.raises(EntryInvalid, match=says):
        check_reversal(
            reversal(**changes),
            wallet="w",
            reversed_wallet=wallet,
            reversed_kind=kind,
            counter=COUNTER,
        )


def test_input_hash_is_of_what_was_asked_not_of_who_asked():
    asked = input_hash("wallet:1", entry())
    assert input_hash("wallet:1", entry(actor="bob", idempotency_key="other")) == asked


@pytest.mark.parametrize(
    "changes",
    [{"amount": 2}, {"reason": "other"}, {"details": {"a": 1}}, {"counter_account": "revenue"}],
)
def test_input_hash_differs_when_something_else_is_asked(changes):
    assert input_hash("wallet:1", entry(**changes)) != input_hash("wallet:1", entry())


def test_input_hash_differs_between_wallets():
    assert input_hash("wallet:1", entry()) != input_hash("wallet:2", entry())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_canonical_json_is_ascii_and_the_same_in_any_order(value):
    turned = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(turned)
    assert canonical_json(value).isascii()
