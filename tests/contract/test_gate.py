"""Every rule of the gate, on a single server and on a cluster."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from app.admission.gate import Gate, QuestionRefused, StaleMemory
from app.admission.refusals import RULES
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admission_builders import (
    UNIT,
    Books,
    make_answered,
    make_ask,
    make_gate,
    make_guest,
    make_settlement,
)


@pytest.fixture(params=["valkey_url", "valkey_cluster_url"], ids=["single", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


@pytest.fixture
def make(url: str, namespace: str) -> Iterator:
    made: list[Gate] = []

    def make_one(**sections) -> Gate:
        made.append(make_gate(url, namespace, **sections))
        return made[-1]

    yield make_one
    for gate in made:
        gate.close()


@pytest.fixture
def gate(make) -> Gate:
    return make(admission={"first_hold": "1", "first_points": "1"})


@pytest.fixture
def books() -> Books:
    return Books()


def refused(gate: Gate, ask, books: Books) -> QuestionRefused:
    with pytest.raises(QuestionRefused) as caught:
        gate.admit(ask, books)
    return caught.value


# Admission ---------------------------------------------------------------------------------------


def test_question_without_limits_is_admitted_without_asking_the_books(gate, books):
    ask = make_ask()
    admission = gate.admit(ask, books)
    assert admission.mode == "gate"
    assert admission.ticket == ask.ticket
    assert (admission.hold, admission.points_hold) == (UNIT, UNIT)
    assert timedelta(minutes=14) < admission.expires_at - ask.now < timedelta(minutes=16)
    assert books.asked == []


def test_same_ticket_gets_the_same_admission_and_is_counted_once(gate, books):
    ask = make_ask(visitor=VisitorLimits(open_questions=1, questions_per_day=1))
    first = gate.admit(ask, books)
    assert gate.admit(ask, books) == first
    assert gate.snapshot(7, 3).visitor_open == 1
    assert gate.snapshot(7, 3).day_questions == 1


def test_wrong_clock_of_this_machine_does_not_matter(gate, books):
    books.say(day_questions=4)
    ask = make_ask(visitor=VisitorLimits(questions_per_day=5), now=datetime(2031, 5, 5, tzinfo=UTC))
    gate.admit(ask, books)
    today = make_ask(visitor=VisitorLimits(questions_per_day=5))
    assert refused(gate, today, books).code == "visitor_day_questions"


# Revision ----------------------------------------------------------------------------------------


def test_ask_from_memory_older_than_announced_is_stale_and_consumes_nothing(gate, books):
    gate.announce(5)
    with pytest.raises(StaleMemory) as caught:
        gate.admit(make_ask(revision=4), books)
    assert caught.value.announced == 5
    assert gate.snapshot(7, 3).visitor_open == 0


def test_gate_without_revision_sends_the_caller_to_the_database(url, namespace, books):
    gate = make_gate(url, namespace + "x")
    other = make_gate(url, namespace + "y")
    try:
        gate._redis._scripts.ask(lambda c: c.delete(gate._redis._names.revision))
        assert gate.revision() is None
        with pytest.raises(StaleMemory) as caught:
            gate.admit(make_ask(), books)
        assert caught.value.announced is None
        gate.announce(9)
        assert gate.revision() == 9
        assert gate.admit(make_ask(revision=9), books).mode == "gate"
    finally:
        gate.close()
        other.close()


def test_announcing_a_lower_number_changes_nothing(gate):
    gate.announce(8)
    gate.announce(3)
    assert gate.revision() == 8


def test_ask_with_a_newer_revision_announces_it(gate, books):
    gate.admit(make_ask(revision=6), books)
    assert gate.revision() == 6


# Rates -------------------------------------------------------------------------------------------

RATES = {
    "visitor_rate": lambda limit: make_ask(visitor=VisitorLimits(**limit)),
    "link_rate": lambda limit: make_ask(link=LinkLimits(**limit)),
    "guests_rate": lambda limit: make_guest(guests=GuestLimits(**limit)),
}


@pytest.mark.parametrize("rule", RATES)
def test_burst_passes_at_once_and_the_next_waits_one_interval(gate, books, rule):
    limit = {"questions_per_minute": 2, "burst": 3}
    for _ in range(3):
        gate.admit(RATES[rule](limit), books)
    refusal = refused(gate, RATES[rule](limit), books)
    assert refusal.code == rule
    assert 25 <= refusal.retry_after_s <= 30
    assert refusal.params["wait_s"] == refusal.retry_after_s
    assert refusal.params["limit"] == 2


def test_burst_is_the_rate_itself_when_not_given(gate, books):
    ask = make_ask(visitor=VisitorLimits(questions_per_minute=4))
    for _ in range(4):
        gate.admit(replace(ask, ticket=make_ask().ticket), books)
    assert refused(gate, make_ask(visitor=ask.visitor), books).code == "visitor_rate"


def test_rate_of_zero_never_admits_and_names_no_wait(gate, books):
    refusal = refused(gate, make_ask(visitor=VisitorLimits(questions_per_minute=0)), books)
    assert (refusal.code, refusal.retry_after_s) == ("visitor_rate", None)
    assert "wait_s" not in refusal.params


def test_debt_made_under_a_slow_limit_is_forgiven_by_a_faster_one(gate, books):
    gate.admit(make_ask(visitor=VisitorLimits(questions_per_minute=1, burst=1)), books)
    fast = VisitorLimits(questions_per_minute=600, burst=1)
    assert refused(gate, make_ask(visitor=fast), books).retry_after_s == 1


def test_visitors_do_not_share_a_rate_but_guests_of_a_link_do(gate, books):
    limits = VisitorLimits(questions_per_minute=1)
    gate.admit(make_ask(user_id=1, visitor=limits), books)
    gate.admit(make_ask(user_id=2, visitor=limits), books)
    gate.admit(make_guest(1, guests=GuestLimits(questions_per_minute=1)), books)
    other = make_guest(2, guests=GuestLimits(questions_per_minute=1))
    assert refused(gate, other, books).code == "guests_rate"


# Open questions ----------------------------------------------------------------------------------

OPEN = {
    "visitor_open": lambda **kw: make_ask(visitor=VisitorLimits(open_questions=2), **kw),
    "link_open": lambda **kw: make_ask(link=LinkLimits(open_questions=2), **kw),
    "guests_open": lambda **kw: make_guest(guests=GuestLimits(open_questions=2), **kw),
}


@pytest.mark.parametrize("rule", OPEN)
def test_open_questions_are_limited_until_one_is_answered(gate, books, rule):
    gate.admit(OPEN[rule](), books)
    gate.admit(OPEN[rule](), books)
    refusal = refused(gate, OPEN[rule](), books)
    assert refusal.code == rule
    assert refusal.params["limit"] == 2
    assert 890 <= refusal.retry_after_s <= 900
    gate.settle(make_settlement(is_guest=rule == "guests_open"))
    assert gate.admit(OPEN[rule](), books).mode == "gate"


@pytest.mark.parametrize("rule", OPEN)
def test_ticket_frees_itself_when_no_finish_comes(make, books, rule):
    gate = make(admission={"ticket_ttl_s": 10})
    gate._redis._rules = replace(gate._rules, ticket_ttl_s=1)
    gate.admit(OPEN[rule](), books)
    gate.admit(OPEN[rule](), books)
    assert refused(gate, OPEN[rule](), books).retry_after_s == 1
    threading.Event().wait(1.1)
    gate.admit(OPEN[rule](), books)
    snapshot = gate.snapshot(7, 3)
    assert snapshot.visitor_open == snapshot.link_open == 1
    assert snapshot.visitor_hold == UNIT // 10
    assert snapshot.link_points_hold == UNIT // 10


def test_another_visitors_expired_ticket_frees_the_links_slot(make, books):
    gate = make()
    gate._redis._rules = replace(gate._rules, ticket_ttl_s=1)
    one_slot = LinkLimits(open_questions=1)
    gate.admit(make_ask(user_id=1, link=one_slot), books)
    assert refused(gate, make_ask(user_id=2, link=one_slot), books).code == "link_open"
    threading.Event().wait(1.1)
    gate.admit(make_ask(user_id=2, link=one_slot), books)
    assert gate.snapshot(2, 3).link_points_hold == UNIT // 10


def test_cancelled_admission_frees_its_ticket_and_gives_the_question_back(gate, books):
    limits = VisitorLimits(open_questions=1, questions_per_day=1)
    ask = make_ask(visitor=limits)
    gate.admit(ask, books)
    gate.cancel(ask)
    gate.cancel(ask)
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.visitor_open, snapshot.visitor_hold, snapshot.link_open) == (0, 0, 0)
    assert snapshot.day_questions == 0
    gate.admit(make_ask(visitor=limits), books)


# Questions of a day -------------------------------------------------------------------------------


def test_days_questions_go_on_from_what_the_books_say(gate, books):
    books.say(day_questions=3)
    limits = VisitorLimits(questions_per_day=5)
    gate.admit(make_ask(visitor=limits), books)
    gate.admit(make_ask(visitor=limits), books)
    refusal = refused(gate, make_ask(visitor=limits), books)
    assert refusal.code == "visitor_day_questions"
    assert refusal.params["limit"] == 5
    assert 0 < refusal.retry_after_s <= 86400
    assert books.asked == [{"day_questions"}]


def test_guests_share_the_questions_of_a_day(gate, books):
    books.say(guests_day_questions=1)
    limits = GuestLimits(questions_per_day=2)
    gate.admit(make_guest(1, guests=limits), books)
    assert refused(gate, make_guest(2, guests=limits), books).code == "guests_day_questions"


def test_answer_does_not_give_the_question_back(gate, books):
    limits = VisitorLimits(questions_per_day=1)
    gate.admit(make_ask(visitor=limits), books)
    gate.settle(make_settlement())
    assert refused(gate, make_ask(visitor=limits), books).code == "visitor_day_questions"


# Points ------------------------------------------------------------------------------------------

POINTS = {
    "visitor_day_points": (
        "day_points",
        lambda n: make_ask(visitor=VisitorLimits(points_per_day=n)),
    ),
    "visitor_month_points": (
        "month_points",
        lambda n: make_ask(visitor=VisitorLimits(points_per_month=n)),
    ),
    "link_month_points": (
        "link_month_points",
        lambda n: make_ask(link=LinkLimits(points_per_month=n)),
    ),
    "link_total_points": (
        "link_total_points",
        lambda n: make_ask(link=LinkLimits(points_total=n)),
    ),
    "guests_day_points": (
        "guests_day_points",
        lambda n: make_guest(guests=GuestLimits(points_per_day=n)),
    ),
}


@pytest.mark.parametrize("rule", POINTS)
def test_points_used_and_held_and_expected_stay_within_the_quota(gate, books, rule):
    name, ask = POINTS[rule]
    books.say(**{name: 7 * UNIT})
    gate.admit(ask(Decimal(10)), books)
    gate.admit(ask(Decimal(10)), books)
    gate.admit(ask(Decimal(10)), books)
    refusal = refused(gate, ask(Decimal(10)), books)
    assert refusal.code == rule
    assert refusal.params["limit"] == "10"
    assert refusal.retry_after_s <= 900  # only the open questions are in the way
    assert books.asked == [{name}]


@pytest.mark.parametrize("rule", POINTS)
def test_settled_points_count_and_the_wait_is_the_periods_end(gate, books, rule):
    _, ask = POINTS[rule]
    gate.admit(ask(Decimal("2.5")), books)
    guest = rule == "guests_day_points"
    gate.settle(make_settlement(points=5 * UNIT // 2, version=2, is_guest=guest))
    refusal = refused(gate, ask(Decimal("2.5")), books)
    assert refusal.code == rule
    assert refusal.params["limit"] == "2.5"
    assert (refusal.retry_after_s is None) == (rule == "link_total_points")


@pytest.mark.parametrize("rule", POINTS)
def test_what_is_left_of_a_quota_admits_one_question_that_holds_it(gate, books, rule):
    _, ask = POINTS[rule]
    gate.admit(ask(Decimal("2.5")), books)
    guest = rule == "guests_day_points"
    gate.settle(make_settlement(points=2 * UNIT, version=2, is_guest=guest))
    assert gate.admit(ask(Decimal("2.5")), books).points_hold == UNIT // 2
    assert refused(gate, ask(Decimal("2.5")), books).code == rule


@pytest.mark.parametrize("rule", POINTS)
def test_a_strict_operator_wants_all_that_is_expected_left_of_a_quota(make, books, rule):
    gate = make(admission={"last_question": "refuse"})
    _, ask = POINTS[rule]
    gate.admit(ask(Decimal("2.5")), books)
    guest = rule == "guests_day_points"
    gate.settle(make_settlement(points=2 * UNIT, version=2, is_guest=guest))
    assert refused(gate, ask(Decimal("2.5")), books).code == rule


@pytest.mark.parametrize("rule", POINTS)
def test_unused_quota_admits_one_question_that_is_expected_to_take_more(gate, books, rule):
    _, ask = POINTS[rule]
    gate.admit(ask(Decimal("0.2")), books)
    assert refused(gate, ask(Decimal("0.2")), books).code == rule


@pytest.mark.parametrize("rule", POINTS)
def test_quota_of_zero_admits_nothing(gate, books, rule):
    _, ask = POINTS[rule]
    assert refused(gate, ask(Decimal(0)), books).code == rule


def test_minus_one_lifts_every_limit(gate, books):
    every = dict.fromkeys(VisitorLimits.model_fields, -1)
    link = dict.fromkeys(LinkLimits.model_fields, -1)
    guests = dict.fromkeys(GuestLimits.model_fields, -1)
    for _ in range(3):
        gate.admit(
            make_guest(
                visitor=VisitorLimits(**every),
                link=LinkLimits(**link),
                guests=GuestLimits(**guests),
            ),
            books,
        )
    assert books.asked == []


def test_points_of_a_finish_that_the_seed_includes_are_not_counted_again(gate, books):
    books.say(day_points=5 * UNIT, version=10)
    limits = VisitorLimits(points_per_day=100)
    gate.admit(make_ask(visitor=limits), books)
    gate.settle(make_settlement(points=2 * UNIT, version=10))
    assert gate.snapshot(7, 3).day_points == 5 * UNIT
    gate.settle(make_settlement(points=2 * UNIT, version=12))
    gate.settle(make_settlement(points=UNIT, version=11))
    assert gate.snapshot(7, 3).day_points == 8 * UNIT


def test_seed_overtaken_by_a_finish_is_loaded_again(gate, books):
    books.say(day_points=0, version=3)

    def load(periods):
        seeds = books(periods)
        if len(books.asked) == 1:  # a finish comes in between the reading and the handing in
            gate.settle(make_settlement(points=4 * UNIT, version=4))
            books.say(day_points=4 * UNIT, version=4)
        return seeds

    gate.admit(make_ask(visitor=VisitorLimits(points_per_day=100)), load)
    assert len(books.asked) == 2
    assert gate.snapshot(7, 3).day_points == 4 * UNIT


def test_books_that_went_back_to_an_older_copy_do_not_lock_the_visitor_out(gate, books):
    gate.settle(make_settlement(version=50))
    books.say(version=20)
    gate.admit(make_ask(visitor=VisitorLimits(points_per_day=100)), books)


def test_late_finish_of_yesterday_is_not_counted_today(gate, books):
    gate.admit(make_ask(visitor=VisitorLimits(points_per_day=100)), books)
    gate.settle(make_settlement(version=2, now=datetime.now(UTC) - timedelta(days=1)))
    assert gate.snapshot(7, 3).day_points == 0


def test_what_was_loaded_is_loaded_again_however_often_it_was_used(make, books):
    gate = make()
    gate._redis._rules = replace(gate._rules, reload_s=1)
    ask = {"visitor": VisitorLimits(points_per_day=100), "credit_limit": 0}
    books.say(balance=5 * UNIT)
    gate.admit(make_ask(**ask), books)
    for _ in range(4):
        threading.Event().wait(0.3)
        gate.admit(make_ask(**ask), books)
    assert books.asked[:2] == [{"day_points", "balance"}] * 2


# Balance -----------------------------------------------------------------------------------------


def test_question_holds_what_it_is_expected_to_cost(gate, books):
    books.say(balance=3 * UNIT)
    assert gate.admit(make_ask(credit_limit=0), books).hold == UNIT
    assert gate.snapshot(7, 3).visitor_hold == UNIT


def test_last_question_holds_all_that_is_left_and_the_next_is_refused(gate, books):
    books.say(balance=UNIT + 5000)
    gate.admit(make_ask(credit_limit=0), books)
    assert gate.admit(make_ask(credit_limit=0), books).hold == 5000
    refusal = refused(gate, make_ask(credit_limit=0), books)
    assert refusal.code == "balance_too_low"
    assert refusal.status == 402
    assert refusal.params["balance"] == "1.000005"
    assert refusal.retry_after_s <= 900  # what is held may come back


def test_empty_balance_names_no_wait(gate, books):
    refusal = refused(gate, make_ask(credit_limit=0), books)
    assert (refusal.code, refusal.retry_after_s) == ("balance_too_low", None)


def test_policy_refuse_wants_all_that_is_expected(make, books):
    gate = make(admission={"first_hold": "1", "last_question": "refuse"})
    books.say(balance=UNIT - 1)
    assert refused(gate, make_ask(credit_limit=0), books).code == "balance_too_low"
    gate.set_balance(7, UNIT, 2)
    assert gate.admit(make_ask(credit_limit=0), books).hold == UNIT


def test_credit_reaches_below_zero_to_its_limit(gate, books):
    books.say(balance=-4 * UNIT)
    assert gate.admit(make_ask(credit_limit=5 * UNIT), books).hold == UNIT
    assert refused(gate, make_ask(credit_limit=5 * UNIT), books).code == "balance_too_low"


def test_free_question_holds_nothing_and_endless_credit_does_not_look(gate, books):
    books.say(balance=-100 * UNIT)
    assert gate.admit(make_ask(is_free=True, credit_limit=0), books).hold == 0
    assert gate.admit(make_ask(credit_limit=None), books).hold == UNIT
    assert books.asked == []


def test_only_a_newer_version_replaces_a_balance(gate, books):
    books.say(balance=2 * UNIT, version=5)
    gate.admit(make_ask(credit_limit=0), books)
    gate.set_balance(7, 9 * UNIT, 5)
    gate.set_balance(7, 8 * UNIT, 4)
    assert gate.snapshot(7, 3).balance == 2 * UNIT
    gate.set_balance(7, 7 * UNIT, 6)
    assert (gate.snapshot(7, 3).balance, gate.snapshot(7, 3).version) == (7 * UNIT, 6)


@pytest.mark.parametrize("nano", [2**63 - 1, -(2**63), 9_007_199_254_740_993_000, 1])
def test_amounts_of_any_size_survive(gate, books, nano):
    gate.set_balance(7, nano, 2**53 - 1)
    held = gate.snapshot(7, 3).balance
    assert held <= nano or nano < -9 * 10**18
    assert abs(held - nano) <= 1000 or abs(held) == 9 * 10**18


# Settling ----------------------------------------------------------------------------------------


def test_settling_frees_the_oldest_open_question_on_that_link(gate, books):
    asks = [make_ask(link_id=link) for link in (9, 3, 3)]
    for ask in asks:
        gate.admit(ask, books)
    gate.settle(make_settlement(link_id=3))
    gate.cancel(asks[1])  # already free
    assert gate.snapshot(7, 3).visitor_open == 2
    gate.cancel(asks[2])
    assert gate.snapshot(7, 3).link_open == 0
    assert gate.snapshot(7, 9).link_open == 1


def test_same_settlement_fifty_times_in_parallel_counts_once(gate, books):
    limits = VisitorLimits(points_per_day=1000)
    for _ in range(3):
        gate.admit(make_ask(visitor=limits), books)
    settlement = make_settlement(points=5 * UNIT, balance=-5 * UNIT, version=2)
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(gate.settle, [settlement] * 50))
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.day_points, snapshot.balance) == (5 * UNIT, -5 * UNIT)
    assert (snapshot.visitor_open, snapshot.link_open) == (2, 2)


def test_finish_without_a_start_settles(gate):
    gate.settle(make_settlement(balance=4 * UNIT, version=3))
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.balance, snapshot.visitor_open, snapshot.visitor_hold) == (4 * UNIT, 0, 0)


def test_finish_that_comes_hours_late_frees_no_newer_question(gate, books):
    gate.admit(make_ask(), books)
    gate.settle(make_settlement(now=datetime.now(UTC) - timedelta(hours=2)))
    assert gate.snapshot(7, 3).visitor_open == 1


def test_estimate_follows_what_answers_really_take(gate, books):
    gate.settle(make_settlement(charge=8 * UNIT, points=4 * UNIT))
    admission = gate.admit(make_ask(), books)
    assert (admission.hold, admission.points_hold) == (8 * UNIT, 4 * UNIT)
    gate.settle(make_settlement(charge=16 * UNIT, points=0))
    admission = gate.admit(make_ask(), books)
    assert (admission.hold, admission.points_hold) == (9 * UNIT, int(3.5 * UNIT))
    assert gate.admit(make_ask(plan_id=None), books).hold == UNIT  # another plan, other prices


# All or nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        "link_rate",
        "link_open",
        "visitor_day_points",
        "link_total_points",
        "balance_too_low",
    ],
)
def test_refusal_consumes_nothing(gate, books, rule):
    plenty = VisitorLimits(questions_per_minute=5, questions_per_day=5, open_questions=5)
    none = {
        "link_rate": {"link": LinkLimits(questions_per_minute=0)},
        "link_open": {"link": LinkLimits(open_questions=0)},
        "visitor_day_points": {"visitor": plenty.model_copy(update={"points_per_day": Decimal(0)})},
        "link_total_points": {"link": LinkLimits(points_total=Decimal(0))},
        "balance_too_low": {"credit_limit": 0},
    }[rule]
    for _ in range(20):
        assert refused(gate, make_ask(**{"visitor": plenty, **none}), books).code == rule
    for _ in range(5):
        gate.admit(make_ask(visitor=plenty), books)
    assert gate.snapshot(7, 3).visitor_open == 5


def test_rules_are_checked_in_the_stated_order(gate, books):
    nothing = {"questions_per_minute": 0, "open_questions": 0}
    day = {"questions_per_day": 0, "points_per_day": Decimal(0)}
    visitor = {**nothing, **day, "points_per_month": Decimal(0)}
    guests = {**nothing, **day}
    link = {**nothing, "points_per_month": Decimal(0), "points_total": Decimal(0)}
    seen = []
    lifts = {
        "rate": "questions_per_minute",
        "open": "open_questions",
        "day_questions": "questions_per_day",
        "day_points": "points_per_day",
        "month_points": "points_per_month",
        "total_points": "points_total",
    }
    scopes = {"visitor": visitor, "guests": guests, "link": link}
    while "balance_too_low" not in seen:
        ask = make_guest(
            visitor=VisitorLimits(**visitor),
            guests=GuestLimits(**guests),
            link=LinkLimits(**link),
            credit_limit=0,
        )
        rule = refused(gate, ask, books).code
        seen.append(rule)
        scope, _, kind = rule.partition("_")
        if scope in scopes:
            del scopes[scope][lifts[kind]]
    assert tuple(seen) == RULES


def test_hundred_at_once_against_a_limit_of_five_admit_exactly_five(gate, books):
    books.say(balance=100 * UNIT)
    limits = VisitorLimits(open_questions=5, points_per_day=1000)
    asks = [make_ask(visitor=limits, credit_limit=0) for _ in range(100)]
    together = threading.Barrier(100)

    def ask_one(ask):
        together.wait()
        try:
            return gate.admit(ask, books)
        except QuestionRefused as refusal:
            return refusal.code

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(ask_one, asks))
    admitted = [answer for answer in answers if not isinstance(answer, str)]
    assert len(admitted) == 5
    assert set(answers) - set(admitted) == {"visitor_open"}
    assert gate.snapshot(7, 3).visitor_hold == sum(admission.hold for admission in admitted)
    for number in range(5):
        gate.settle(make_settlement(version=2 + number, balance=(99 - number) * UNIT))
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.visitor_open, snapshot.visitor_hold, snapshot.visitor_points_hold) == (0, 0, 0)
    assert (snapshot.link_open, snapshot.link_points_hold) == (0, 0)
    assert (snapshot.balance, snapshot.day_points) == (95 * UNIT, 5 * UNIT)


# Whatever happens --------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ask", "again", "settle", "repeat", "answered", "waited", "cancel", "top_up", "expire"]
        ),
        st.integers(1, 2),  # user
        st.integers(1, 2),  # link
        st.booleans(),  # guest
        st.integers(0, 5 * UNIT),
    ),
    max_size=25,
)


class Life:
    """Plays steps against a gate and remembers what it asked."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.books = Books()
        self.books.say(balance=20 * UNIT)
        self.asks = [make_ask(credit_limit=0)]
        self.settlements = [make_settlement()]

    def play(self, kind: str, version: int, amount: int, **who) -> None:
        if kind == "ask":
            limits = VisitorLimits(points_per_day=50)
            self.asks.append(make_guest(**who) if who["is_guest"] else make_ask(**who))
            self.asks[-1] = replace(self.asks[-1], credit_limit=0, visitor=limits)
        if kind in ("ask", "again"):
            with contextlib.suppress(QuestionRefused):
                self.gate.admit(self.asks[-1], self.books)
        if kind == "answered":
            self.gate.answered(make_answered(user_id=who["user_id"], link_id=who["link_id"]))
        if kind in ("settle", "waited"):
            amounts = {"points": amount, "charge": amount, "balance": amount, "version": version}
            settlement = make_settlement(**who, **amounts, has_waited=kind == "waited")
            self.settlements.append(settlement)
        if kind in ("settle", "waited", "repeat"):
            self.gate.settle(self.settlements[-1])
        if kind == "cancel":
            self.gate.cancel(self.asks[-1])
        if kind == "expire":
            self._expire(who["user_id"], who["link_id"])
        if kind == "top_up":
            self.gate.set_balance(who["user_id"], 50 * UNIT, version)

    def _expire(self, user_id: int, link_id: int) -> None:
        """As if the tickets of this visitor on this link were opened long ago."""
        redis_gate = self.gate._redis
        mine = [a.ticket for a in self.asks if (a.user_id, a.link_id) == (user_id, link_id)]
        for name in redis_gate._names._tickets(user_id, link_id)[::2]:
            for ticket in mine:
                redis_gate._scripts.ask(
                    lambda client, name=name, ticket=ticket: client.zadd(name, {ticket: 1}, xx=True)
                )


@given(steps=STEPS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_when_every_question_is_over_nothing_is_held(gate, steps):
    life = Life(gate)
    for number, (kind, user, link, is_guest, amount) in enumerate(steps):
        life.play(kind, number, amount, user_id=user, link_id=link, is_guest=is_guest)
    for ask in life.asks:
        gate.cancel(ask)
    for user, link in ((1, 1), (1, 2), (2, 1), (2, 2), (7, 3)):
        held = gate.snapshot(user, link)
        assert (held.visitor_open, held.visitor_hold, held.visitor_points_hold) == (0, 0, 0)
        assert (held.link_open, held.link_points_hold, held.guests_open) == (0, 0, 0)


def test_ping_and_snapshot_tell_that_redis_is_there(gate):
    assert gate.ping()
    assert gate.snapshot(1, 1).revision == 1
