"""Key sets against a real HTTP server that goes away, dawdles and lies."""

import json
import threading
from datetime import timedelta

import pytest
from app.tokens.jwks import FLIGHT_MAX, KeySetAway, KeySets

from fakes.jwks import JwksServer
from fakes.signers import signer

SECOND = timedelta(seconds=1)
URL = "https://issuer.example/jwks"


@pytest.fixture
def server():
    with JwksServer() as fake:
        fake.keys = [signer("RS256").jwk("one")]
        yield fake


@pytest.fixture
def sets():
    return KeySets(allow_private=True, wait_s=10)


def settle(sets: KeySets) -> None:
    """Wait for every fetch under way."""
    for key_set in sets._sets.values():
        if (flight := key_set.flight) is not None:
            assert flight.wait(10)


def kids(found) -> set[str]:
    return {key.kid for key in found}


def test_keys_are_fetched_once_and_remembered(server, sets, now):
    for _ in range(5):
        assert kids(sets.find(server.url, "one", now)) == {"one"}
    assert kids(sets.find(server.url, None, now)) == {"one"}
    assert server.fetches == 1


def test_set_older_than_its_time_to_live_is_fetched_again_behind_the_scenes(server, sets, now):
    sets.find(server.url, "one", now)
    server.gate.clear()
    later = now + timedelta(minutes=10)
    assert kids(sets.find(server.url, "one", later)) == {"one"}  # though the answer still waits
    server.gate.set()
    settle(sets)
    assert server.fetches == 2


def test_rotated_key_is_found_at_once(server, sets, now):
    sets.find(server.url, "one", now)
    server.keys = [signer("RS256-two").jwk("two")]
    assert kids(sets.find(server.url, "two", now + 16 * SECOND)) == {"two"}
    assert sets.find(server.url, "one", now + 17 * SECOND) == ()


def test_storm_of_unknown_key_ids_fetches_once_per_cooldown(server, sets, now):
    sets.find(server.url, "one", now)
    for number in range(300):
        assert sets.find(server.url, f"made-up-{number}", now + 20 * SECOND) == ()
    assert server.fetches == 2
    for number in range(300):
        assert sets.find(server.url, f"made-up-{number}", now + 36 * SECOND) == ()
    assert server.fetches == 3


def test_last_good_keys_go_on_while_the_endpoint_is_down(server, sets, now):
    sets.find(server.url, "one", now)
    server.status = 500
    for minutes in (11, 12, 600):
        assert kids(sets.find(server.url, "one", now + timedelta(minutes=minutes))) == {"one"}
        settle(sets)
    assert server.fetches == 4
    (state,) = sets.states()
    assert state.problem == "the key set's address answered with status 500"
    assert (state.keys_count, state.fetched_at) == (1, now)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"keys": []}', b'{"keys": [7, {"kty": "oct"}]}']
)
def test_answer_without_usable_keys_never_replaces_good_ones(server, sets, now, body):
    sets.find(server.url, "one", now)
    server.body = body
    sets.find(server.url, "one", now + timedelta(minutes=11))
    settle(sets)
    assert kids(sets.find(server.url, "one", now + timedelta(minutes=11))) == {"one"}


def test_set_that_was_never_fetched_is_away_and_asked_once_per_cooldown(server, sets, now):
    server.status = 503
    for _ in range(20):
        with pytest.raises(KeySetAway):
            sets.find(server.url, "one", now)
    assert server.fetches == 1
    server.status = 200
    assert sets.find(server.url, "one", now + 15 * SECOND)


def test_many_threads_share_one_fetch(server, now):
    sets = KeySets(allow_private=True, wait_s=10, waiters_max=8)
    server.gate.clear()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(kids(sets.find(server.url, "one", now))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    server.gate.set()
    for thread in threads:
        thread.join()
    assert found == [{"one"}] * 8
    assert server.fetches == 1


def test_slow_endpoint_holds_up_only_a_few_threads(now):
    asked, release = threading.Event(), threading.Event()

    def fetch(_url: str) -> bytes:
        asked.set()
        release.wait(10)
        return b""

    sets = KeySets(fetch=fetch, wait_s=10, waiters_max=1)

    def visit() -> None:
        with pytest.raises(KeySetAway):
            sets.find(URL, "one", now)

    waiting = threading.Thread(target=visit)
    waiting.start()
    assert asked.wait(10)
    while sets._waiters._value:  # until that thread has taken the one place to wait
        pass
    visit()  # returns, though nothing has been released yet
    assert waiting.is_alive()
    release.set()
    waiting.join()


def test_fetch_that_hangs_is_given_up_and_its_late_answer_ignored(now):
    release, calls = threading.Event(), []

    def fetch(_url: str) -> bytes:
        calls.append(1)
        if len(calls) == 1:
            release.wait(10)
            raise AssertionError("late")
        return json.dumps({"keys": [signer("RS256-two").jwk("two")]}).encode()

    sets = KeySets(fetch=fetch, wait_s=0.01)
    with pytest.raises(KeySetAway):
        sets.find(URL, "two", now)
    first = sets._sets[URL].flight
    sets._wait_s = 10
    assert kids(sets.find(URL, "two", now + FLIGHT_MAX)) == {"two"}
    release.set()
    assert first.wait(10)
    assert sets.states()[0].problem is None


def test_private_address_is_refused_unless_allowed(server, now):
    strict = KeySets(wait_s=10)
    with pytest.raises(KeySetAway):
        strict.find(server.url, "one", now)
    assert server.fetches == 0
