from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from app.admission import degraded
from app.admission.degraded import DegradedGate
from app.admission.question import Ask
from app.admission.refusals import RULES, QuestionRefused
from app.admission.rules import Rules
from app.limits import GuestLimits, LinkLimits, VisitorLimits

from admission_builders import (
    UNIT,
    Books,
    make_answered,
    make_ask,
    make_guest,
    make_settlement,
)

RULES_OF_THE_HOUSE = Rules(
    zone=ZoneInfo("Asia/Shanghai"),
    ticket_ttl_s=900,
    reload_s=600,
    first_hold=1_000_000,
    first_points=1_000_000,
    needs_all=False,
)


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def gate() -> DegradedGate:
    return DegradedGate(RULES_OF_THE_HOUSE, workers=4)


def code_of(gate: DegradedGate, ask: Ask, books: Books) -> str | None:
    try:
        gate.admit(ask, books, expected=None)
    except QuestionRefused as refusal:
        return refusal.code
    return None


def test_process_takes_its_share_of_open_questions(gate, books):
    limits = VisitorLimits(open_questions=9)
    codes = [code_of(gate, make_ask(visitor=limits), books) for _ in range(3)]
    assert codes == [None, None, "visitor_open"]


def test_answer_that_waits_frees_its_slot_and_goes_on_holding(gate, books):
    books.say(balance=3 * UNIT)
    ask = {"visitor": VisitorLimits(open_questions=4), "credit_limit": 0}
    for _ in range(3):
        assert code_of(gate, make_ask(**ask), books) is None
        assert code_of(gate, make_ask(**ask), books) == "visitor_open"
        gate.answered(make_answered())
    assert code_of(gate, make_ask(**ask), books) == "balance_too_low"
    gate.settle(make_settlement(has_waited=True))
    assert code_of(gate, make_ask(**ask), books) is None
    gate.settle(make_settlement())
    gate.settle(make_settlement(has_waited=True))
    gate.settle(make_settlement(has_waited=True))
    assert gate._open == {}
    gate.answered(make_answered())  # nobody's any more
    assert code_of(gate, make_ask(**ask), books) is None


def test_share_is_at_least_one_unless_none_are_allowed(gate, books):
    assert code_of(gate, make_ask(visitor=VisitorLimits(open_questions=1)), books) is None
    assert code_of(gate, make_ask(link=LinkLimits(open_questions=0)), books) == "link_open"


def test_process_takes_its_share_of_the_rate(gate, books, now):
    ask = make_ask(now=now, visitor=VisitorLimits(questions_per_minute=8))

    def again(seconds: int) -> str | None:
        later = now + timedelta(seconds=seconds)
        return code_of(gate, replace(ask, ticket=make_ask().ticket, now=later), books)

    assert [again(0), again(0), again(0)] == [None, None, "visitor_rate"]
    assert [again(29), again(30)] == ["visitor_rate", None]


def test_ticket_expires_and_frees_what_it_held(gate, books, now):
    books.say(balance=UNIT)
    ask = make_ask(now=now, credit_limit=0)
    assert code_of(gate, ask, books) is None
    soon = replace(ask, ticket="b", now=now + timedelta(seconds=899))
    assert code_of(gate, soon, books) == "balance_too_low"
    assert code_of(gate, replace(soon, now=now + timedelta(seconds=900)), books) is None


def test_same_ticket_is_counted_once_and_cancel_frees_it(gate, books):
    ask = make_ask(visitor=VisitorLimits(open_questions=1))
    assert code_of(gate, ask, books) is None
    assert code_of(gate, ask, books) is None
    gate.cancel(ask)
    assert code_of(gate, make_ask(visitor=ask.visitor), books) is None


def test_finish_frees_the_oldest_on_its_own_link(gate, books):
    limits = VisitorLimits(open_questions=8)
    gate.admit(make_ask(link_id=9, visitor=limits), books, expected=None)
    gate.admit(make_ask(visitor=limits), books, expected=None)
    gate.settle(make_settlement(link_id=9))
    gate.settle(make_settlement(link_id=9))
    assert code_of(gate, make_ask(visitor=limits), books) is None
    assert code_of(gate, make_ask(visitor=limits), books) == "visitor_open"


def test_quotas_come_from_the_books_and_what_is_open_counts(gate, books):
    books.say(day_points=8 * UNIT, day_questions=1)
    limits = VisitorLimits(points_per_day=Decimal(10), questions_per_day=4)
    codes = [code_of(gate, make_ask(visitor=limits), books) for _ in range(3)]
    assert codes == [None, None, "visitor_day_points"]
    assert books.asked[0] == {"day_points", "day_questions"}


def test_hold_is_what_was_last_known_of_the_links_questions(gate, books):
    books.say(balance=100 * UNIT)
    admission = gate.admit(make_ask(credit_limit=0), books, expected=(7 * UNIT, 3 * UNIT))
    assert (admission.hold, admission.points_hold) == (7 * UNIT, 3 * UNIT)
    assert admission.mode == "degraded"


def test_policy_refuse_wants_all_that_is_expected(books):
    gate = DegradedGate(replace(RULES_OF_THE_HOUSE, needs_all=True), workers=1)
    books.say(balance=UNIT - 1)
    assert code_of(gate, make_ask(credit_limit=0), books) == "balance_too_low"


def test_rules_are_checked_in_the_same_order_as_by_the_script(gate, books):
    nothing = {"questions_per_minute": 0, "open_questions": 0}
    day = {"questions_per_day": 0, "points_per_day": Decimal(0)}
    limits = {
        "visitor": (VisitorLimits, {**nothing, **day, "points_per_month": Decimal(0)}),
        "guests": (GuestLimits, {**nothing, **day}),
        "link": (
            LinkLimits,
            {**nothing, "points_per_month": Decimal(0), "points_total": Decimal(0)},
        ),
    }
    lifts = {
        "rate": "questions_per_minute",
        "open": "open_questions",
        "day_questions": "questions_per_day",
        "day_points": "points_per_day",
        "month_points": "points_per_month",
        "total_points": "points_total",
    }
    seen: list[str] = []
    while "balance_too_low" not in seen:
        stated = {scope: model(**values) for scope, (model, values) in limits.items()}
        seen.append(code_of(gate, make_guest(**stated, credit_limit=0), books) or "admitted")
        scope, _, kind = seen[-1].partition("_")
        if scope in limits:
            del limits[scope][1][lifts[kind]]
    assert tuple(seen) == RULES


def test_memory_has_an_end(books, monkeypatch):
    monkeypatch.setattr(degraded, "TICKETS_MAX", 10)
    gate = DegradedGate(RULES_OF_THE_HOUSE, workers=1)
    for user_id in range(100):
        limits = VisitorLimits(questions_per_minute=60)
        gate.admit(make_ask(user_id=user_id, visitor=limits), books, expected=None)
    assert len(gate._tickets) <= 11
    assert len(gate._open) <= 12
