"""Tickets that expire without a finish are told until acknowledged, on one server and a cluster."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from app.admission import wire
from app.admission.gate import Gate
from app.limits import VisitorLimits
from app.turns.visits import TICKET_BYTES

from admission_builders import (
    UNIT,
    Books,
    expire,
    make_ask,
    make_gate,
    make_guest,
    make_settlement,
)

MANY = 1000


@pytest.fixture(params=["valkey_url", "valkey_cluster_url"], ids=["single", "cluster"])
def gate(request: pytest.FixtureRequest, namespace: str) -> Iterator[Gate]:
    url = request.getfixturevalue(request.param)
    made = make_gate(url, namespace, admission={"first_hold": "1", "first_points": "2"})
    yield made
    made.close()


@pytest.fixture
def books() -> Books:
    return Books()


def tickets(gate: Gate) -> list[str]:
    return [one.ticket for one in gate.collect_expired(MANY).tickets]


def late(gate: Gate) -> list[str]:
    return [one.settle_key for one in gate.collect_expired(MANY).late]


def test_ticket_of_a_visitor_who_never_returns_is_told_with_its_facts(gate, books):
    ask = make_guest(11, link_id=5, plan_id=None)
    admission = gate.admit(ask, books)
    assert gate.collect_expired(MANY).is_empty
    expire(gate, ask)
    [told] = gate.collect_expired(MANY).tickets
    assert (told.ticket, told.user_id, told.link_id) == (ask.ticket, 11, 5)
    assert (told.plan_id, told.is_guest) == (None, True)
    assert (told.hold, told.points_hold) == (admission.hold, admission.points_hold)
    assert (told.hold, told.points_hold) == (UNIT, 2 * UNIT)
    assert abs(told.asked_at - ask.now) < timedelta(minutes=1)
    assert told.asked_at + timedelta(seconds=900) == admission.expires_at


def test_expired_ticket_is_told_until_it_is_acknowledged(gate, books):
    ask, other = make_ask(), make_ask(user_id=8)
    gate.admit(ask, books)
    gate.admit(other, books)
    expire(gate, ask)
    collected = gate.collect_expired(MANY)
    assert tickets(gate) == [ask.ticket]
    assert gate.acknowledge_expired(collected)
    assert gate.acknowledge_expired(collected)
    assert tickets(gate) == []
    expire(gate, other)
    assert tickets(gate) == [other.ticket]


def test_sweeping_by_the_next_question_hides_no_expired_ticket(gate, books):
    ask = make_ask(visitor=VisitorLimits(open_questions=1))
    gate.admit(ask, books)
    expire(gate, ask)
    gate.admit(make_ask(visitor=ask.visitor), books)
    assert tickets(gate) == [ask.ticket]


def test_asking_again_with_an_open_ticket_is_watched_once(gate, books):
    ask = make_ask()
    gate.admit(ask, books)
    gate.admit(ask, books)
    gate.settle(make_settlement())
    expire(gate, ask)
    assert gate.collect_expired(MANY).is_empty


def test_settled_and_cancelled_tickets_are_not_told(gate, books):
    asks = [make_ask(), make_ask(link_id=4)]
    for ask in asks:
        gate.admit(ask, books)
    gate.settle(make_settlement())
    gate.cancel(asks[1])
    expire(gate, *asks)
    assert gate.collect_expired(MANY).is_empty


def test_question_that_no_finish_is_expected_for_is_not_told(gate, books):
    ask = make_ask(expects_finish=False)
    gate.admit(ask, books)
    expire(gate, ask)
    assert gate.collect_expired(MANY).is_empty


def test_refused_question_is_not_watched(gate, books):
    ask = make_ask(visitor=VisitorLimits(open_questions=0))
    with pytest.raises(Exception, match="visitor_open"):
        gate.admit(ask, books)
    expire(gate, ask)
    assert gate.collect_expired(MANY).is_empty


def test_finish_frees_an_open_question_rather_than_an_expired_one(gate, books):
    failed, asked = make_ask(), make_ask()
    gate.admit(failed, books)
    gate.admit(asked, books)
    expire(gate, failed)
    gate.settle(make_settlement())
    assert gate.snapshot(7, 3).visitor_open == 0
    assert (tickets(gate), late(gate)) == ([failed.ticket], [])


@pytest.mark.parametrize("is_swept", [False, True])
def test_finish_after_the_expiry_is_told_beside_the_ticket(gate, books, is_swept):
    ask, settlement = make_ask(), make_settlement()
    gate.admit(ask, books)
    expire(gate, ask)
    if is_swept:
        gate.admit(make_ask(link_id=99), books)  # sweeps all the visitor's tickets
    gate.settle(settlement)
    collected = gate.collect_expired(MANY)
    assert [one.ticket for one in collected.tickets] == [ask.ticket]
    [told] = collected.late
    assert (told.settle_key, told.user_id, told.link_id) == (settlement.settle_key, 7, 3)
    assert told.received_at == settlement.now
    assert gate.snapshot(7, 3).visitor_hold == (UNIT if is_swept else 0)
    gate.settle(settlement)
    gate.acknowledge_expired(collected)
    assert gate.collect_expired(MANY).is_empty


def test_parallel_questions_of_one_visitor_each_free_one_ticket(gate, books):
    asks = [make_ask() for _ in range(4)]
    for ask in asks:
        gate.admit(ask, books)
    for _ in range(3):
        gate.settle(make_settlement())
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.visitor_open, snapshot.link_open, snapshot.visitor_hold) == (1, 1, UNIT)
    expire(gate, *asks)
    assert tickets(gate) == [asks[-1].ticket]  # the oldest are freed first
    assert late(gate) == []


def test_late_finishes_are_told_after_the_last_of_the_tickets(gate, books):
    asks = [make_ask(user_id=number) for number in range(1, 4)]
    for ask in asks:
        gate.admit(ask, books)
    expire(gate, *asks)
    gate.settle(make_settlement(user_id=1))
    first = gate.collect_expired(2)
    assert (len(first.tickets), first.late) == (2, ())
    gate.acknowledge_expired(first)
    second = gate.collect_expired(2)
    assert (len(second.tickets), len(second.late)) == (1, 1)


def test_settle_keys_may_hold_any_sign(gate):
    gate.settle(make_settlement(settle_key="a|b:1"))
    assert late(gate) == ["a|b:1"]


def test_watch_is_bounded_and_counts_what_it_lets_go(gate, books, monkeypatch):
    monkeypatch.setattr(wire, "WATCHED_MAX", 3)
    asks = [make_ask(user_id=number) for number in range(1, 6)]
    for ask in asks:
        gate.admit(ask, books)
    expire(gate, *asks)
    for number in range(4):
        gate.settle(make_settlement(user_id=90 + number))
    collected = gate.collect_expired(MANY)
    assert sorted(one.user_id for one in collected.tickets) == [3, 4, 5]
    assert [one.user_id for one in collected.late] == [91, 92, 93]
    assert (collected.dropped_tickets, collected.dropped_late) == (2, 1)
    gate.acknowledge_expired(collected)
    assert gate.collect_expired(MANY).is_empty
    assert gate._redis._scripts.ask(lambda c: c.hlen(gate._redis._names._facts)) == 0


def test_ticket_whose_facts_are_gone_is_told_as_lost_and_forgotten(gate, books):
    ask = make_ask()
    gate.admit(ask, books)
    expire(gate, ask)
    gate._redis._scripts.ask(lambda c: c.delete(gate._redis._names._facts))
    collected = gate.collect_expired(MANY)
    assert (collected.tickets, collected.lost_tickets) == ((), (ask.ticket,))
    gate.acknowledge_expired(collected)
    assert gate.collect_expired(MANY).is_empty


def test_flushed_server_has_nothing_to_tell_and_tells_nothing_twice(gate, books):
    asks = [make_ask(user_id=number) for number in (1, 2)]
    for ask in asks:
        gate.admit(ask, books)
    expire(gate, *asks)
    names = gate._redis._names
    gate._redis._scripts.ask(lambda c: c.delete(*names.watch(), *names._tickets(1, 3)))
    gate.settle(make_settlement(user_id=1))
    assert tickets(gate) == []
    assert len(late(gate)) == 1


def test_everything_watched_expires_by_itself(gate, books, monkeypatch):
    monkeypatch.setattr(wire, "WATCHED_MAX", 1)
    for number in (1, 2):
        gate.admit(make_ask(user_id=number), books)
        gate.settle(make_settlement(user_id=8))
    scripts, week_ms = gate._redis._scripts, 7 * 86_400_000
    for key in gate._redis._names.watch():
        left = scripts.ask(lambda client, key=key: client.pttl(key))
        assert week_ms - 60_000 < left <= week_ms + 900_000, key


def test_redis_away_is_said(private_valkey, namespace, books):
    gate = make_gate(private_valkey.url, namespace)
    gate.admit(make_ask(), books)
    collected = gate.collect_expired(MANY)
    private_valkey.kill()
    assert gate.collect_expired(MANY) is None
    assert gate.acknowledge_expired(collected) is False
    gate.close()


def test_tickets_of_the_service_are_short_enough_for_the_table():
    assert TICKET_BYTES * 4 / 3 < 64


def test_open_questions_are_counted_and_shown_until_they_end(gate: Gate, books: Books):
    asks = [make_ask() for _ in range(3)]
    for ask in asks:
        gate.admit(ask, books)
    gate.cancel(asks[0])
    found = gate.open_questions(1)
    assert (found.count, len(found.tickets)) == (2, 1)
    [ticket] = found.tickets
    assert (ticket.user_id, ticket.link_id) == (asks[2].user_id, asks[2].link_id)
    assert ticket.asked_at < ticket.expires_at
    assert gate.open_questions(0).tickets == ()
