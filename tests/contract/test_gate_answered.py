"""Answers that wait for the books free their slot and keep their hold; single and cluster."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from app.admission.gate import Gate, QuestionRefused
from app.limits import GuestLimits, LinkLimits, VisitorLimits

from admission_builders import (
    UNIT,
    Books,
    expire,
    make_answered,
    make_ask,
    make_gate,
    make_guest,
    make_settlement,
)


@pytest.fixture(params=["valkey_url", "valkey_cluster_url"], ids=["single", "cluster"])
def gate(request: pytest.FixtureRequest, namespace: str) -> Iterator[Gate]:
    url = request.getfixturevalue(request.param)
    made = make_gate(url, namespace, admission={"first_hold": "1", "first_points": "1"})
    yield made
    made.close()


@pytest.fixture
def books() -> Books:
    return Books()


def code_of(gate: Gate, ask, books: Books) -> str | None:
    try:
        gate.admit(ask, books)
    except QuestionRefused as refusal:
        return refusal.code
    return None


def test_answer_that_waits_for_the_books_frees_its_slot_and_goes_on_holding(gate, books):
    books.say(balance=100 * UNIT)
    ask = {"visitor": VisitorLimits(open_questions=1), "link": LinkLimits(open_questions=1)}
    for _ in range(3):
        gate.admit(make_ask(credit_limit=0, **ask), books)
        assert code_of(gate, make_ask(credit_limit=0, **ask), books) == "visitor_open"
        gate.answered(make_answered())
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.visitor_open, snapshot.link_open) == (0, 0)
    assert (snapshot.visitor_hold, snapshot.link_points_hold) == (3 * UNIT, 3 * UNIT)
    for left in (2, 1, 0):
        gate.settle(make_settlement(version=5 - left, balance=97 * UNIT, has_waited=True))
        assert gate.snapshot(7, 3).visitor_hold == left * UNIT


def test_saying_again_that_an_answer_waits_frees_no_other_slot(gate, books):
    for _ in range(2):
        gate.admit(make_ask(), books)
    said = make_answered()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(gate.answered, [said] * 8))
    assert gate.snapshot(7, 3).visitor_open == 1


def test_answers_that_waited_leave_the_others_their_tickets(gate, books):
    gate.admit(make_ask(), books)
    gate.answered(make_answered())
    gate.admit(make_ask(), books)
    gate.settle(make_settlement(version=2))
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.visitor_open, snapshot.visitor_hold) == (0, UNIT)
    gate.admit(make_ask(), books)
    gate.settle(make_settlement(version=3, has_waited=True))
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.visitor_open, snapshot.visitor_hold) == (1, UNIT)


def test_answer_that_waits_is_not_that_of_a_question_asked_after_it(gate, books):
    gate.admit(make_ask(), books)
    gate.answered(make_answered(now=datetime.now(UTC) - timedelta(hours=2)))
    gate.answered(make_answered(link_id=9))
    assert gate.snapshot(7, 3).visitor_open == 1


LIMITED = {
    "visitor_open": lambda: make_ask(visitor=VisitorLimits(open_questions=2)),
    "guests_open": lambda: make_guest(guests=GuestLimits(open_questions=2)),
    "link_open": lambda: make_ask(link=LinkLimits(open_questions=2)),
}


@pytest.mark.parametrize("rule", LIMITED)
def test_answered_ticket_expires_without_a_trace(gate, books, rule):
    ask = LIMITED[rule]()
    gate.admit(ask, books)
    gate.answered(make_answered(user_id=ask.user_id, link_id=ask.link_id))
    expire(gate, ask)
    assert [code_of(gate, LIMITED[rule](), books) for _ in range(3)] == [None, None, rule]
