"""Unfinished turns get from the gate into the books exactly once, whatever breaks in between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from app.admission.gate import Gate
from app.db import DatabaseAway
from app.turns import unfinished
from app.turns.unfinished import Noted, note_unfinished
from app.unfinished import store
from app.unfinished.store import Wanted

from admission_builders import UNIT, Books, expire, make_ask, make_gate, make_settlement
from books import make_link, make_users


@pytest.fixture
def gate(valkey_url, namespace):
    made = make_gate(valkey_url, namespace, admission={"first_hold": "1"})
    yield made
    made.close()


@pytest.fixture
def place(db, now):
    with db.begin() as session:
        return {"user_id": make_users(session, now)[0], "link_id": make_link(session, now)}


def ask_and_expire(gate: Gate, **who) -> str:
    ask = make_ask(**who)
    gate.admit(ask, Books())
    expire(gate, ask)
    return ask.ticket


def turns(db):
    with db.read() as session:
        return store.list_turns(session, Wanted(), limit=1000)


def run(db, gate) -> Noted:
    return note_unfinished(db=db, gate=gate, now=datetime.now(UTC))


def test_expired_ticket_is_written_down_once(db, gate, place):
    ticket = ask_and_expire(gate, **place, plan_id=77)
    assert run(db, gate) == Noted(recorded=1, hold=UNIT)
    assert run(db, gate) == Noted()
    [turn] = turns(db)
    assert (turn.ticket, turn.user_id, turn.link_id) == (ticket, *place.values())
    assert (turn.plan_id, turn.is_guest, turn.hold) == (77, False, UNIT)


def test_crash_after_the_commit_counts_nothing_twice(db, gate, place, monkeypatch):
    ask_and_expire(gate, **place)
    monkeypatch.setattr(gate, "acknowledge_expired", lambda _: False)
    assert run(db, gate).recorded == 1
    monkeypatch.undo()
    assert run(db, gate) == Noted()
    assert len(turns(db)) == 1
    assert gate.collect_expired(9).is_empty


def test_crash_before_the_commit_loses_nothing(db, gate, place, monkeypatch):
    ask_and_expire(gate, **place)

    def away(*_):
        raise DatabaseAway("on purpose")

    monkeypatch.setattr(store, "record", away)
    with pytest.raises(DatabaseAway):
        run(db, gate)
    monkeypatch.undo()
    assert turns(db) == []
    assert run(db, gate).recorded == 1


def test_finish_after_the_expiry_marks_the_turn_whenever_it_comes(db, gate, place):
    ask_and_expire(gate, **place)
    before = make_settlement(**place)
    gate.settle(before)
    assert run(db, gate) == Noted(recorded=1, hold=UNIT, finished_late=1)
    ask_and_expire(gate, **place)
    assert run(db, gate) == Noted(recorded=1, hold=UNIT)
    after = make_settlement(**place)
    gate.settle(after)
    gate.settle(after)
    assert run(db, gate) == Noted(finished_late=1)
    assert {turn.finished_by for turn in turns(db)} == {before.settle_key, after.settle_key}


def test_finish_of_an_open_question_marks_nothing(db, gate, place):
    gate.admit(make_ask(**place), Books())
    gate.settle(make_settlement(**place))
    assert run(db, gate) == Noted()


def test_finish_that_nobody_waited_for_is_forgotten(db, gate, place):
    gate.settle(make_settlement(**place))
    assert run(db, gate) == Noted()
    assert gate.collect_expired(9).is_empty


def test_ticket_of_another_database_is_let_go_and_counted(db, gate, place):
    ask_and_expire(gate, user_id=9999, link_id=place["link_id"])
    ask_and_expire(gate, **place)
    assert run(db, gate) == Noted(recorded=1, hold=UNIT, forgotten=1)
    assert gate.collect_expired(9).is_empty


def test_more_than_one_batch_is_written_down_in_one_run(db, gate, place, monkeypatch):
    monkeypatch.setattr(unfinished, "BATCH_MAX", 2)
    for _ in range(5):
        ask_and_expire(gate, **place)
    assert run(db, gate).recorded == 5
    monkeypatch.setattr(unfinished, "BATCHES_MAX", 1)
    for _ in range(3):
        ask_and_expire(gate, **place)
    assert [run(db, gate).recorded for _ in range(3)] == [2, 1, 0]


def test_nothing_happens_while_redis_is_away(db, private_valkey, namespace):
    gate = make_gate(private_valkey.url, namespace)
    private_valkey.kill()
    assert run(db, gate) == Noted()
    gate.close()


def test_two_leaders_at_once_write_down_each_ticket_once(db, gate, place):
    tickets = {ask_and_expire(gate, **place) for _ in range(20)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: run(db, gate), range(4)))
    assert {turn.ticket for turn in turns(db)} == tickets
    assert len(turns(db)) == 20
    assert gate.collect_expired(9).is_empty
