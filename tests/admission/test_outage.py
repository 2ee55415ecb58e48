"""Redis killed, frozen, emptied, restarted or refusing to write: what the policy decides."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import redis
from app.admission.breaker import FAILURES_TO_OPEN
from app.admission.gate import Gate, GateAway, QuestionRefused, StaleMemory
from app.admission.redis_gate import RedisAway
from app.limits import VisitorLimits

from admission_builders import UNIT, Books, make_ask, make_gate, make_settings, make_settlement
from valkey_fixtures import ValkeyProcess, wait_until

ONE_OPEN = VisitorLimits(open_questions=1)
QUICK = {"timeout_ms": 150, "retry_after_ms": 50}


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def make(private_valkey: ValkeyProcess, namespace: str, events: list[str]):
    made = []

    def make_one(**redis) -> Gate:
        sections = {"redis": QUICK | redis, "admission": {"first_hold": "1"}}
        made.append(make_gate(private_valkey.url, namespace, on_event=events.append, **sections))
        return made[-1]

    yield make_one
    private_valkey.thaw() if private_valkey._process else None
    for gate in made:
        gate.close()


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture(params=["freeze", "kill"])
def break_redis(request, private_valkey):
    return getattr(private_valkey, request.param)


def test_degraded_gate_limits_open_questions_by_itself(make, books, break_redis, events):
    gate = make()
    break_redis()
    first = gate.admit(make_ask(visitor=ONE_OPEN), books)
    assert first.mode == "degraded"
    with pytest.raises(QuestionRefused) as caught:
        gate.admit(make_ask(visitor=ONE_OPEN), books)
    assert caught.value.code == "visitor_open"
    gate.settle(make_settlement())
    assert gate.admit(make_ask(visitor=ONE_OPEN), books).mode == "degraded"
    assert events.count("admitted_degraded") == 2
    assert events.count("refused_degraded") == 1


def test_connection_that_is_closed_while_it_is_read_is_an_outage(make, books, events, monkeypatch):
    gate = make()

    def stumble(*_, **__):
        raise AttributeError("'NoneType' object has no attribute 'readline'")  # as redis-py does

    monkeypatch.setattr(redis.Redis, "parse_response", stumble)
    assert gate.revision() is None
    gate.settle(make_settlement())
    assert gate.admit(make_ask(), books).mode == "degraded"
    assert {"redis_error", "settle_missed"} <= set(events)


def test_degraded_gate_reads_the_balance_from_the_books(make, books, break_redis):
    gate = make()
    break_redis()
    books.say(balance=UNIT)
    assert gate.admit(make_ask(credit_limit=0), books).hold == UNIT
    with pytest.raises(QuestionRefused) as caught:
        gate.admit(make_ask(credit_limit=0), books)
    assert caught.value.code == "balance_too_low"
    assert books.asked == [{"balance"}] * 2


def test_policy_refuse_refuses(make, books, break_redis, events):
    gate = make(on_outage="refuse")
    break_redis()
    with pytest.raises(GateAway) as caught:
        gate.admit(make_ask(), books)
    assert caught.value.code == "unavailable"
    assert "refused_outage" in events


def test_policy_admit_lets_everybody_through_and_counts_them(make, books, break_redis, events):
    gate = make(on_outage="admit")
    break_redis()
    modes = {gate.admit(make_ask(visitor=ONE_OPEN), books).mode for _ in range(5)}
    assert modes == {"open"}
    assert events.count("admitted_open") == 5
    assert books.asked == []


def test_everything_else_answers_quietly_while_redis_is_away(make, break_redis):
    gate = make()
    break_redis()
    gate.settle(make_settlement())
    gate.cancel(make_ask())
    assert not gate.set_balance(7, UNIT, 1)
    assert not gate.announce(9)
    assert gate.revision() is None
    assert gate.snapshot(7, 3) is None
    assert not gate.ping()


def test_breaker_spares_requests_the_wait(make, books, private_valkey, events):
    gate = make(retry_after_ms=60_000)
    private_valkey.freeze()
    for _ in range(20):
        gate.admit(make_ask(), books)
    assert events.count("redis_timeout") == FAILURES_TO_OPEN
    assert events.count("breaker_opened") == 1
    assert events.count("admitted_degraded") == 20


def test_frozen_server_is_not_asked_twice(make, private_valkey, events):
    gate = make()
    private_valkey.freeze()
    asked = []

    def ping(client):
        asked.append(client)
        return client.ping()

    with pytest.raises(RedisAway):
        gate._scripts.ask(ping)
    assert len(asked) == 1 + events.count("redis_starved")  # which it is not, or this machine is


def test_single_miss_without_an_outage_is_made_up_for_at_the_next_chance(
    make, private_valkey, events
):
    gate = make()
    private_valkey.freeze()
    gate.settle(make_settlement(balance=3 * UNIT, version=5))
    private_valkey.thaw()
    assert "breaker_opened" not in events
    gate.set_balance(8, UNIT, 1)
    assert events[-1] == "told_later"
    assert gate.snapshot(7, 3).balance == 3 * UNIT


def test_gate_comes_back_by_itself_and_is_told_what_it_missed(
    make, books, private_valkey, events, namespace
):
    gate = make()
    gate.admit(make_ask(), books)
    private_valkey.kill()
    gate.set_balance(7, 3 * UNIT, 8)
    gate.settle(make_settlement(balance=5 * UNIT, version=9))
    gate.announce(4)
    private_valkey.start()
    wait_until(lambda: "breaker_closed" in events or gate.ping())
    wait_until(lambda: events.count("told_later") == 3)
    assert gate.snapshot(7, 3).balance == 5 * UNIT
    assert gate.snapshot(7, 3).revision == 4
    assert gate.admit(make_ask(revision=4), books).mode == "gate"


def test_revision_is_doubted_once_after_an_outage(make, private_valkey, events):
    gate = make()
    private_valkey.freeze()
    for _ in range(FAILURES_TO_OPEN):
        assert gate.revision() is None
    private_valkey.thaw()
    wait_until(lambda: "breaker_closed" in events)
    assert gate.revision() is None
    assert gate.revision() == 1


def test_admission_that_redis_carried_out_too_late_is_taken_back(
    make, books, private_valkey, events
):
    gate = make(on_outage="refuse")
    private_valkey.freeze()
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(GateAway):
            gate.admit(make_ask(), books)
    private_valkey.thaw()
    wait_until(lambda: events.count("told_later") == FAILURES_TO_OPEN)
    assert gate.snapshot(7, 3).visitor_open == 0


def test_late_ticket_of_a_degraded_admission_is_freed_by_its_finish(
    make, books, private_valkey, events
):
    gate = make()
    private_valkey.freeze()
    for _ in range(FAILURES_TO_OPEN):
        assert gate.admit(make_ask(), books).mode == "degraded"
    private_valkey.thaw()
    wait_until(lambda: "breaker_closed" in events)
    wait_until(lambda: gate.snapshot(7, 3).visitor_open == FAILURES_TO_OPEN)
    for _ in range(FAILURES_TO_OPEN):
        gate.settle(make_settlement())
    assert gate.snapshot(7, 3).visitor_open == 0


def test_emptied_redis_is_filled_from_the_books(make, books, private_valkey):
    gate = make()
    limits = VisitorLimits(points_per_day=10, questions_per_day=10)
    ask = make_ask(visitor=limits, credit_limit=0)
    books.say(balance=9 * UNIT, day_points=2 * UNIT, day_questions=2)
    gate.admit(ask, books)
    private_valkey.client().flushall()
    with pytest.raises(StaleMemory) as caught:
        gate.admit(replace(ask, ticket=make_ask().ticket), books)
    assert caught.value.announced is None
    gate.announce(1)
    books.say(balance=8 * UNIT, day_points=3 * UNIT, day_questions=3)
    gate.admit(make_ask(visitor=limits, credit_limit=0), books)
    snapshot = gate.snapshot(7, 3)
    assert (snapshot.balance, snapshot.day_points) == (8 * UNIT, 3 * UNIT)
    assert snapshot.day_questions == 4


@pytest.mark.parametrize("corrected_by", ["settlement", "reload"])
def test_old_replica_that_is_promoted_is_believed_for_a_bounded_time(
    make, books, private_valkey, corrected_by
):
    gate = make()
    ask = {"visitor": VisitorLimits(points_per_day=100), "credit_limit": 0}
    books.say(version=1, balance=9 * UNIT, day_points=0)
    gate.admit(make_ask(**ask), books)
    old_copy = Copy(private_valkey)
    gate.settle(make_settlement(version=2, charge=9 * UNIT, points=9 * UNIT, balance=0))
    assert refused(gate, ask, books) == "balance_too_low"

    old_copy.promote()
    assert gate.admit(make_ask(**ask), books).mode == "gate"  # the money that is no more
    books.say(version=3, balance=-UNIT, day_points=10 * UNIT)
    if corrected_by == "settlement":
        gate.settle(make_settlement(version=3, charge=UNIT, balance=-UNIT))
    else:
        old_copy.expire_what_was_loaded(gate)
    assert refused(gate, ask, books) == "balance_too_low"


class Copy:
    """What a replica that lags holds: keys keep the time at which they expire."""

    def __init__(self, valkey: ValkeyProcess) -> None:
        self._client = redis.Redis(unix_socket_path=str(valkey.socket_path))
        self._keys = {
            key: (self._client.dump(key), self._client.pexpiretime(key))
            for key in self._client.scan_iter()
        }

    def promote(self) -> None:
        self._client.flushall()
        for key, (value, expires_at_ms) in self._keys.items():
            self._client.restore(key, max(expires_at_ms, 0), value, absttl=True)

    def expire_what_was_loaded(self, gate: Gate) -> None:
        """As if ``admission.reload_s`` had passed since it was loaded; it is never prolonged."""
        for key in self._client.scan_iter(match=gate._redis._names.loaded_pattern()):
            assert 0 < self._client.pttl(key) <= gate._rules.reload_s * 1000
            self._client.delete(key)


def refused(gate: Gate, ask: dict, books: Books) -> str:
    with pytest.raises(QuestionRefused) as caught:
        gate.admit(make_ask(**ask), books)
    return caught.value.code


def test_restarted_redis_without_our_scripts_is_no_outage(make, books, private_valkey, events):
    gate = make(timeout_ms=2000)
    private_valkey.kill()
    private_valkey.start()
    gate.announce(1)
    assert gate.admit(make_ask(), books).mode == "gate"
    assert "breaker_opened" not in events


def test_redis_that_refuses_to_write_is_an_outage(make, books, private_valkey, events):
    gate = make(timeout_ms=2000)
    private_valkey.client().config_set("maxmemory", 1)
    assert gate.admit(make_ask(), books).mode == "degraded"
    assert "redis_error" in events
    private_valkey.client().config_set("maxmemory", 0)
    assert gate.admit(make_ask(), books).mode == "gate"


def test_gate_made_while_redis_is_away_waits_for_it(private_valkey, namespace, books, events):
    private_valkey.kill()
    settings = make_settings(namespace, redis=QUICK)
    gate = Gate(settings, url=private_valkey.url, on_event=events.append)
    try:
        assert gate.admit(make_ask(), books).mode == "degraded"
        private_valkey.start()
        wait_until(lambda: "breaker_closed" in events)
        gate.announce(1)
        assert gate.admit(make_ask(), books).mode == "gate"
    finally:
        gate.close()


def test_starved_process_asks_again_instead_of_crying_outage(make, books, events):
    """The time ran out, but far more of it than was asked for: nobody was given the processor."""
    gate = make()
    scripts = gate._scripts
    calls = []

    def slow_once(client):
        calls.append(client)
        if len(calls) == 1:
            threading.Event().wait(0.4)
            raise redis.TimeoutError
        return client.ping()

    assert scripts.ask(slow_once)
    assert events == ["redis_starved"]


def test_healthy_redis_under_load_admits_exactly_five_with_default_settings(
    private_valkey, namespace, events
):
    """A hundred threads of one process on few processors: slow, but nobody is silent."""
    settings = make_settings(namespace, redis={"timeout_ms": 40})
    gate = Gate(settings, url=private_valkey.url, on_event=events.append)
    gate.announce(1)
    asks = [make_ask(visitor=VisitorLimits(open_questions=5)) for _ in range(100)]
    together = threading.Barrier(100)

    def is_admitted(ask):
        together.wait()
        try:
            return gate.admit(ask, Books()).mode
        except QuestionRefused as refusal:
            return refusal.code

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(is_admitted, asks))
    gate.close()
    assert answers.count("gate") == 5
    assert answers.count("visitor_open") == 95
