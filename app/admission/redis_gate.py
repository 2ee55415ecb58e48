"""The rules of admission as scripts in Redis: one decision, one script, one round trip.

The one place where redis-py's errors are known; what leaves it is ``RedisAway``.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from importlib import resources
from typing import Any, TypeAlias

import redis
from redis.exceptions import MovedError, NoScriptError

from app.admission import pressure, wire
from app.admission.breaker import Breaker
from app.admission.connect import Server
from app.admission.keys import KeyNames
from app.admission.micro import floor_micro, from_micro
from app.admission.periods import Periods, SeedName, periods_at
from app.admission.question import Admission, Answered, Ask, Load, Seeds, Settlement, Snapshot
from app.admission.refusals import StaleMemory, refusal
from app.admission.rules import REVISION_TTL_S, Rules
from app.admission.watch import Collected, OpenQuestions

SCRIPTS = (
    "admit",
    "settle",
    "answered",
    "cancel",
    "balance",
    "announce",
    "snapshot",
    "expired",
    "acknowledge",
    "open",
)
LOADS_MAX = 3
"""How often what the books say is loaded for one question while finishes keep overtaking it."""
CLOCK_TRIES_MAX = 3

Reply: TypeAlias = Any
"""What redis-py, which does not type replies, gives back."""

_EXPECTED_MAX = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RedisAway(Exception):
    """Redis gave no usable answer within its budget; ``kind`` says how it failed."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    digest: str


def load_scripts() -> dict[str, Script]:
    """Every script by name, with the prelude in front."""
    folder = resources.files("app.admission")
    prelude = (folder / "prelude.lua").read_text("utf-8")
    texts = {name: prelude + (folder / f"{name}.lua").read_text("utf-8") for name in SCRIPTS}
    return {
        name: Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
        for name, text in texts.items()
    }


class Scripts:
    """Runs scripts, tells the breaker how it went, and translates what can go wrong."""

    def __init__(
        self, server: Server, *, timeout_s: float, on_event: Callable[[str], None]
    ) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._on_event = on_event
        self._scripts = load_scripts()
        self.breaker: Breaker | None = None

    def run(self, name: str, keys: Sequence[str], *args: str | int) -> Reply:
        """The script's answer.

        Raises:
            RedisAway: none within the budget, or the breaker is open.
        """
        script = self._scripts[name]
        return self.ask(lambda client: _evaluate(client, script, keys, args))

    def ask(self, command: Callable[[redis.Redis], Reply]) -> Reply:
        """The answer to a command that may be sent twice without harm.

        Raises:
            RedisAway: as for ``run``.
        """
        if self.breaker is not None and self.breaker.is_open:
            raise RedisAway("breaker_open")
        try:
            answer = self._ask_patiently(command)
        except Exception as error:
            # Not only its own errors: a connection that another thread closes while it is read,
            # as when the process ends, shows as whatever redis-py then stumbles over.
            kind = _kind_of(error)
            self._on_event(f"redis_{kind}")
            if self.breaker is not None:
                self.breaker.failed()
            raise RedisAway(kind) from error
        if self.breaker is not None:
            self.breaker.succeeded()
        return answer

    def is_usable(self, key: str) -> bool:
        """Whether the server can be found, reached and written to, whatever the breaker says.

        It is given the scripts on the way, so that no question pays for sending them.
        """
        try:
            self._server.locate()
            client = self._server.client
            client.set(key, 1, px=1000)
            for script in self._scripts.values():
                client.script_load(script.text)
        except redis.RedisError:
            return False
        return True

    def _ask_patiently(self, command: Callable[[redis.Redis], Reply]) -> Reply:
        """Ask again where the first failure says nothing about the server's health.

        - The slot has moved to another node.
        - The connection was lost without using up the budget: the server restarted, or something
          in between closed it. A server that is gone refuses the second time at once.
        - The time ran out on a machine with more to run than processors, or much more of it than
          was asked for: the server may not have been run, and deciding without it would admit
          more than the limits say. It gets one longer chance.
        """
        began = time.monotonic()
        try:
            return command(self._server.client)
        except MovedError as error:
            self._server.follow(error)
        except redis.TimeoutError:
            is_late = time.monotonic() - began > 1.5 * self._timeout_s
            if not is_late and not pressure.is_overcommitted():
                raise
            self._on_event("redis_starved")
            return command(self._server.patient_client)
        except redis.ConnectionError:
            if time.monotonic() - began > 0.5 * self._timeout_s:
                raise
        return command(self._server.client)


class RedisGate:
    """Every rule of admission, on Redis. Methods raise ``RedisAway`` besides what they state."""

    def __init__(self, scripts: Scripts, names: KeyNames, rules: Rules) -> None:
        self._scripts = scripts
        self._names = names
        self._rules = rules
        self.expected: dict[tuple[int, int | None], tuple[int, int]] = {}
        """Last seen expectation of charge and points (nano) by link and plan, for outages."""

    def admit(self, ask: Ask, load: Load) -> Admission:
        """See ``Gate.admit``."""
        periods = periods_at(ask.now, self._rules.zone)
        seeds: Seeds | None = None
        wanted: frozenset[SeedName] = frozenset()
        loads = clock_tries = 0
        while True:
            status, *values = self._ask_once(ask, periods, seeds, is_last=loads >= LOADS_MAX)
            if status == "clock" and clock_tries < CLOCK_TRIES_MAX:
                clock_tries += 1
                periods, seeds = periods_at(_moment(values[0]), self._rules.zone), None
            elif status == "missing" and loads < LOADS_MAX:
                loads += 1
                wanted |= frozenset(values)
                periods = replace(periods, wanted=wanted)
                seeds = load(periods)
            else:
                return self._conclude(ask, status, values)

    def settle(self, settlement: Settlement) -> None:
        periods = periods_at(settlement.now, self._rules.zone)
        keys = self._names.settle(
            settlement.settle_key,
            settlement.user_id,
            settlement.link_id,
            settlement.plan_id,
            periods,
        )
        self._scripts.run("settle", keys, wire.settlement_json(settlement, self._rules))

    def answered(self, answered: Answered) -> None:
        keys = self._names.answered(answered.reference, answered.user_id, answered.link_id)
        self._scripts.run("answered", keys, wire.answered_json(answered, self._rules))

    def cancel(self, ask: Ask) -> bool:
        periods = periods_at(ask.now, self._rules.zone)
        keys = self._names.cancel(ask.user_id, ask.link_id, periods)
        return bool(self._scripts.run("cancel", keys, ask.ticket))

    def set_balance(self, user_id: int, balance: int, version: int) -> bool:
        keys = [self._names.balance(user_id)]
        reload_ms = self._rules.reload_s * 1000
        return bool(self._scripts.run("balance", keys, floor_micro(balance), version, reload_ms))

    def revision(self) -> int | None:
        held = self._scripts.ask(lambda client: client.get(self._names.revision))
        return None if held is None else int(held)

    def announce(self, number: int) -> int:
        keys = [self._names.revision]
        return int(self._scripts.run("announce", keys, number, REVISION_TTL_S * 1000))

    def snapshot(self, user_id: int, link_id: int) -> Snapshot:
        seconds, micros = self._scripts.ask(lambda client: client.time())
        periods = periods_at(_moment(seconds * 1_000_000 + micros), self._rules.zone)
        keys = self._names.snapshot(user_id, link_id, periods)
        values: list[int | None] = self._scripts.run("snapshot", keys)
        return _snapshot(values)

    def collect_expired(self, limit: int) -> Collected:
        return Collected.of(self._scripts.run("expired", self._names.watch(), limit))

    def open_questions(self, limit: int) -> OpenQuestions:
        return OpenQuestions.of(self._scripts.run("open", self._names.watch(), limit))

    def acknowledge_expired(self, collected: Collected) -> None:
        self._scripts.run("acknowledge", self._names.watch(), collected.acknowledgement())

    def forget(self) -> None:
        self._scripts.ask(lambda client: _unlink(client, self._names.everything_pattern()))

    def _ask_once(
        self, ask: Ask, periods: Periods, seeds: Seeds | None, *, is_last: bool
    ) -> list[Any]:
        keys = self._names.admit(ask.user_id, ask.link_id, ask.plan_id, periods)
        text = wire.ask_json(ask, periods, self._rules, seeds, takes_old_seeds=is_last)
        answer: list[Any] = self._scripts.run("admit", keys, text)
        return answer

    def _conclude(self, ask: Ask, status: str, values: list[Any]) -> Admission:
        if status == "refused":
            rule, wait_us, balance = values
            raise refusal(
                rule,
                ask,
                wait_us=wait_us if wait_us >= 0 else None,
                balance=from_micro(int(balance)) if balance else None,
            )
        if status in ("stale", "unknown"):
            raise StaleMemory(values[0] if values else None)
        if status != "admitted":
            raise RedisAway(f"no_agreement_on_{status}")
        hold, points_hold, expires_us, charge, points = map(int, values)
        self._learn(ask, from_micro(charge), from_micro(points))
        return Admission(
            ticket=ask.ticket,
            hold=from_micro(hold),
            points_hold=from_micro(points_hold),
            expires_at=_moment(expires_us),
            mode="gate",
        )

    def _learn(self, ask: Ask, charge: int, points: int) -> None:
        if len(self.expected) >= _EXPECTED_MAX:
            self.expected.clear()
        self.expected[ask.link_id, ask.plan_id] = (charge, points)


def _evaluate(
    client: redis.Redis, script: Script, keys: Sequence[str], args: Sequence[str | int]
) -> Reply:
    try:
        return client.evalsha(script.digest, len(keys), *keys, *args)
    except NoScriptError:
        # A fresh server. EVAL keeps the text for the next EVALSHA.
        return client.eval(script.text, len(keys), *keys, *args)


def _unlink(client: redis.Redis, pattern: str) -> None:
    for name in client.scan_iter(match=pattern, count=1000):
        client.unlink(name)


def _kind_of(error: Exception) -> str:
    if isinstance(error, redis.TimeoutError):
        return "timeout"
    if isinstance(error, redis.ConnectionError):
        return "disconnected"
    return "error"


def _moment(epoch_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=epoch_us)


def _snapshot(values: list[int | None]) -> Snapshot:
    (
        (revision, balance, version, visitor_open, hold, points_hold),
        (guests_open, link_open, link_points_hold, day_questions, guests_day_questions),
        points,
    ) = values[:6], values[6:11], values[11:]
    day, month, guests_day, link_month, link_total = (
        None if value is None else from_micro(value) for value in points
    )
    return Snapshot(
        revision=revision,
        balance=None if balance is None else from_micro(balance),
        version=version,
        visitor_open=visitor_open or 0,
        visitor_hold=from_micro(hold or 0),
        visitor_points_hold=from_micro(points_hold or 0),
        day_questions=day_questions,
        day_points=day,
        month_points=month,
        link_open=link_open or 0,
        link_points_hold=from_micro(link_points_hold or 0),
        link_total_points=link_total,
        link_month_points=link_month,
        guests_open=guests_open or 0,
        guests_day_questions=guests_day_questions,
        guests_day_points=guests_day,
    )
