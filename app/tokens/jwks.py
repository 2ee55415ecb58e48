"""Key sets of issuers, fetched in the background and remembered.

Rules: a set is fetched again when it is older than its time to live, or when a token names a key
that is not in it; whatever asks, at most once per cool-down and one fetch at a time. A fetch that
fails, or brings no usable key, changes nothing: the last good keys go on serving. Nobody waits for
a fetch whose outcome they can do without, and only a few threads may wait at all, so that a slow
issuer cannot hold up the visitors of others.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.errors import ServiceError, Unavailable
from app.tokens import keyring
from app.tokens.fetch import Fetcher
from app.tokens.keyring import VerificationKey

FLIGHT_MAX = timedelta(minutes=1)
"""A fetch that takes longer hangs, whatever its timeouts say; another one may start."""


class KeySetAway(Unavailable):
    """An issuer's keys have never been fetched, and cannot be now."""

    code = "issuer_away"


@dataclass(frozen=True, slots=True)
class KeySetState:
    """How one key set fares, for operators."""

    url: str
    keys_count: int
    fetched_at: datetime | None
    problem: str | None
    """Why the last fetch failed; None when it did not."""


class _KeySet:
    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: tuple[VerificationKey, ...] = ()
        self.fetched_at: datetime | None = None
        self.attempted_at: datetime | None = None
        self.flight: threading.Event | None = None
        self.problem: str | None = None

    def state(self) -> KeySetState:
        return KeySetState(self.url, len(self.keys), self.fetched_at, self.problem)


class KeySets:
    """The key sets of one process. Safe for threads; starts none before it is first asked.

    ``allow_private`` lets sets be fetched from private addresses, and over http.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        fetch: Callable[[str], bytes] | None = None,
        ttl: timedelta = timedelta(minutes=10),
        cooldown: timedelta = timedelta(seconds=15),
        wait_s: float = 3,
        waiters_max: int = 3,
    ) -> None:
        self._fetch = fetch or Fetcher(allow_private=allow_private)
        self._ttl = ttl
        self._cooldown = cooldown
        self._wait_s = wait_s
        self._waiters = threading.BoundedSemaphore(waiters_max)
        self._lock = threading.Lock()
        self._sets: dict[str, _KeySet] = {}

    def find(self, url: str, kid: str | None, now: datetime) -> tuple[VerificationKey, ...]:
        """The keys of the set that a token naming ``kid`` may be signed with; often none.

        Raises:
            KeySetAway: the set was never fetched successfully.
        """
        with self._lock:
            key_set = self._sets.setdefault(url, _KeySet(url))
            found = keyring.matching(key_set.keys, kid)
            if self._is_due(key_set, found, now):
                self._refresh(key_set, now)
            flight = key_set.flight
        if found:
            return found
        if flight is not None:
            self._await(flight)
        with self._lock:
            if key_set.fetched_at is None:
                raise KeySetAway(
                    f"the keys at {url} cannot be fetched: {key_set.problem or 'still waiting'}"
                )
            return keyring.matching(key_set.keys, kid)

    def states(self) -> list[KeySetState]:
        """Every set asked for so far, by address."""
        with self._lock:
            return [self._sets[url].state() for url in sorted(self._sets)]

    def _is_due(self, key_set: _KeySet, found: tuple[VerificationKey, ...], now: datetime) -> bool:
        if key_set.attempted_at and now - key_set.attempted_at < self._cooldown:
            return False
        fetched_at = key_set.fetched_at
        return not found or fetched_at is None or now - fetched_at >= self._ttl

    def _refresh(self, key_set: _KeySet, now: datetime) -> None:
        """Start a fetch unless one is under way; the lock is held."""
        started_at = key_set.attempted_at
        if key_set.flight and started_at and now - started_at < FLIGHT_MAX:
            return
        flight = threading.Event()
        thread = threading.Thread(
            target=self._fly, args=(key_set, flight, now), name="key-set", daemon=True
        )
        key_set.attempted_at, key_set.flight = now, flight
        try:
            thread.start()
        except RuntimeError as error:  # no more threads: the keys at hand must do
            key_set.problem, key_set.flight = str(error), None

    def _fly(self, key_set: _KeySet, flight: threading.Event, now: datetime) -> None:
        try:
            keys = keyring.parse_key_set(self._fetch(key_set.url))
        except ServiceError as error:
            self._land(key_set, flight, problem=error.message)
        except Exception as error:  # noqa: BLE001 - what comes back is somebody else's document
            self._land(key_set, flight, problem=f"{type(error).__name__}: {error}")
        else:
            with self._lock:
                if key_set.flight is flight:
                    key_set.keys, key_set.fetched_at = keys, now
            self._land(key_set, flight, problem=None)

    def _land(self, key_set: _KeySet, flight: threading.Event, *, problem: str | None) -> None:
        with self._lock:
            if key_set.flight is flight:  # else it was given up, and another one is under way
                key_set.problem = problem
                key_set.flight = None
        flight.set()

    def _await(self, flight: threading.Event) -> None:
        if not self._waiters.acquire(blocking=False):
            return
        try:
            flight.wait(self._wait_s)
        finally:
            self._waiters.release()
