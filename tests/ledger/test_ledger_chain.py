"""The hash chain: the same for the same content, broken by any change, reported where it broke."""

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from app.ledger import chain
from app.ledger.chain import GENESIS, Head
from app.ledger.transactions import Entry, EntryInvalid, Record, Side
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 23, 4, 0, 0, 123456, tzinfo=UTC)
START = Head("wallet:7", "CNY")


def make_chain(*amounts: int) -> list[Record]:
    records, head = [], START
    for number, amount in enumerate(amounts):
        entry = Entry(
            "adjustment", amount, "adjustments", f"k{number}", "alice", "why", details={"n": number}
        )
        records.append(chain.link(head, entry, posted_at=AT + timedelta(seconds=number)))
        head = chain.head_after(records[-1])
    return records


def codes(records: list[Record], head: Head = START) -> list[str]:
    return [broken.code for broken in chain.verify_chain(records, head)]


def test_first_link_follows_genesis_and_each_the_one_before():
    first, second = make_chain(5, -2)
    assert first.previous_hash == GENESIS
    assert second.previous_hash == first.hash
    assert (second.sequence, second.balance_after) == (2, 3)
    assert second.sides == (Side("wallet:7", -2), Side("adjustments", 2))


def test_hash_of_a_known_link_never_changes():
    # A change of the canonical form breaks every chain in the world: it needs a new version.
    (record,) = make_chain(5)
    words = (
        b'{"actor":"alice","details":{"n":0},"idempotency_key":"k0","input_hash":"'
        + record.input_hash.encode()
        + b'","reason":"why"}'
    )
    assert chain.canonical(record) == (
        b'{"amount":5,"balance_after":5,"currency":"CNY","event_id":null,"kind":"adjustment",'
        b'"posted_at":"2026-11-23T04:00:00.123456Z",'
        b'"postings":[["wallet:7",5],["adjustments",-5]],"previous_hash":"'
        + b"0" * 64
        + b'","reverses_id":null,"sequence":1,"v":1,"wallet":"wallet:7","words_hash":"'
        + hashlib.sha256(words).hexdigest().encode()
        + b'"}'
    )
    assert record.hash == "39fe5b7263674ba2889965a2f0183217acb9a5f3fab6f643370cc817702b9065"


def test_what_people_wrote_is_in_the_hash_by_its_digest_only():
    (record,) = make_chain(5)
    for text in (b"alice", b"why", b"k0", record.input_hash.encode(), b'"n"'):
        assert text not in chain.canonical(record)


def test_time_zone_of_the_clock_does_not_matter():
    (record,) = make_chain(5)
    elsewhere = record.posted_at.astimezone(timezone(timedelta(hours=8)))
    assert chain.link_hash(dataclasses.replace(record, posted_at=elsewhere)) == record.hash


def test_order_of_keys_in_details_does_not_matter():
    (record,) = make_chain(5)
    one = dataclasses.replace(record, details={"a": 1, "b": [True, None, "é"]})
    other = dataclasses.replace(record, details={"b": [True, None, "é"], "a": 1})
    assert chain.link_hash(one) == chain.link_hash(other)


def test_whole_chain_has_no_break():
    assert codes(make_chain(5, -2, 0 + 1, 7)) == []


CHANGES = {
    "wallet": "wallet:8",
    "currency": "USD",
    "kind": "refund",
    "idempotency_key": "other",
    "input_hash": "0" * 64,
    "posted_at": AT - timedelta(microseconds=1),
    "amount": 6,
    "balance_after": 99,
    "event_id": 1,
    "reverses_id": 1,
    "reason": None,
    "actor": "bob",
    "details": {"n": 2},
    "sides": (Side("wallet:7", 5), Side("revenue", -5)),
}


def test_every_field_is_inside_the_hash():
    inside = {field.name for field in dataclasses.fields(Record)} - {"hash"}
    assert inside == CHANGES.keys() | {"sequence", "previous_hash"}


@pytest.mark.parametrize("field", CHANGES)
def test_change_of_any_field_is_found(field):
    records = make_chain(5, -2, 7)
    records[1] = dataclasses.replace(records[1], **{field: CHANGES[field]})
    assert "hash_wrong" in codes(records)


@given(
    st.lists(st.integers(-(10**12), 10**12).filter(bool), min_size=2, max_size=8),
    st.data(),
)
def test_removed_or_swapped_links_are_found(amounts, data):
    records = make_chain(*amounts)
    place = data.draw(st.integers(0, len(records) - 2))
    if data.draw(st.booleans()):
        del records[place]
    else:
        records[place], records[place + 1] = records[place + 1], records[place]
    assert "sequence_gap" in codes(records)


@given(st.data())
def test_any_changed_byte_of_a_text_is_found(data):
    (record,) = make_chain(5)
    field = data.draw(st.sampled_from(["actor", "reason", "idempotency_key", "input_hash"]))
    text = getattr(record, field)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters().filter(lambda c: c != text[place]))
    changed = text[:place] + letter + text[place + 1 :]
    assert codes([dataclasses.replace(record, **{field: changed})]) == ["hash_wrong"]


def test_replaced_link_with_a_right_hash_breaks_the_chain_behind_it():
    records = make_chain(5, -2, 7)
    forged = dataclasses.replace(records[1], actor="bob", hash="")
    records[1] = dataclasses.replace(forged, hash=chain.link_hash(forged))
    assert codes(records) == ["chain_broken"]


def test_one_change_is_reported_once_however_long_the_chain():
    records = make_chain(*range(1, 50))
    records[10] = dataclasses.replace(records[10], actor="bob")
    assert codes(records) == ["hash_wrong"]


def test_chain_may_be_checked_from_the_middle():
    records = make_chain(5, -2, 7)
    assert codes(records[1:], chain.head_before(records[1])) == []
    assert chain.head_before(records[1]) == chain.head_after(records[0])


def test_balance_never_leaves_what_a_column_holds():
    head = dataclasses.replace(START, balance=2**63 - 1)
    entry = Entry("top_up", 1, "funding", "k", "alice", "why")
    with pytest.raises(EntryInvalid, match="more than the ledger"):
        chain.link(head, entry, posted_at=AT)
