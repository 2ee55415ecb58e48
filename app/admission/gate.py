"""The gate: one question, one decision.

The port that start, finish, funding, the console and the command line use. ``Gate`` asks Redis
(``redis_gate.py``) and, when Redis does not answer in time, lets the operator's policy decide.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from app.admission.breaker import Breaker
from app.admission.connect import Server, parse_url
from app.admission.degraded import DegradedGate
from app.admission.keys import KeyNames
from app.admission.periods import Periods, Window
from app.admission.question import Admission, Answered, Ask, Load, Seeds, Settlement, Snapshot
from app.admission.redis_gate import RedisAway, RedisGate, Scripts
from app.admission.refusals import GateAway, QuestionRefused, StaleMemory
from app.admission.rules import Rules
from app.admission.watch import Collected, ExpiredTicket, LateFinish, OpenQuestions
from app.config import Settings
from app.errors import ServiceError

__all__ = [
    "Admission",
    "Answered",
    "Ask",
    "Collected",
    "ExpiredTicket",
    "Gate",
    "GateAway",
    "LateFinish",
    "Load",
    "Periods",
    "QuestionRefused",
    "Seeds",
    "Settlement",
    "Snapshot",
    "StaleMemory",
    "Window",
]

BACKLOG_MAX = 10_000
"""How much of what Redis missed is told to it later; beyond it the oldest is let go."""

Told = Callable[[RedisGate], object]


class Gate:
    """Made once per process, after the fork; every method may be called from any thread.

    Making it never fails for Redis being away: the breaker is then open from the start.

    Args:
        settings: redis, admission, the operator's zone, the number of workers.
        url: where Redis is (``settings.redis.url``, or ``embedded.url(data_dir)``).
        on_event: told the name of what happened between this process and Redis, for metrics:
            ``redis_timeout``, ``redis_disconnected``, ``redis_error``, ``redis_starved``,
            ``breaker_opened``, ``breaker_closed``, ``admitted_degraded``, ``admitted_open``,
            ``refused_degraded``, ``refused_outage``, ``settle_missed``, ``cancel_missed``,
            ``answered_missed``, ``balance_missed``, ``announce_missed``, ``told_later``.

    Raises:
        RedisUrlInvalid: the URL cannot be understood.
    """

    def __init__(
        self, settings: Settings, *, url: str, on_event: Callable[[str], None] = lambda _: None
    ) -> None:
        names = KeyNames(settings.redis.namespace)
        timeout_s = settings.redis.timeout_ms / 1000
        self._rules = Rules.of(settings)
        self._policy = settings.redis.on_outage
        self._on_event = on_event
        self._server = Server(parse_url(url), slot_of=names.revision, timeout_s=timeout_s)
        self._scripts = Scripts(self._server, timeout_s=timeout_s, on_event=on_event)
        self._redis = RedisGate(self._scripts, names, self._rules)
        self._degraded = DegradedGate(self._rules, workers=settings.service.workers)
        self._backlog: deque[Told] = deque(maxlen=BACKLOG_MAX)
        self._doubts_revision = False
        self._catching_up = threading.Lock()
        self._breaker = Breaker(
            retry_after_s=settings.redis.retry_after_ms / 1000,
            probe=lambda: self._scripts.is_usable(names.probe),
            on_open=self._opened,
            on_close=self._closed,
        )
        self._scripts.breaker = self._breaker
        if not self._scripts.is_usable(names.probe):
            self._breaker.open()

    def admit(self, ask: Ask, load: Load) -> Admission:
        """Admit the question entirely, or refuse it and consume nothing.

        ``load`` reads what the gate does not hold (``Periods.wanted``); it is called outside any
        lock, normally not at all. Asking again with the same ticket returns the same admission.

        Raises:
            QuestionRefused: ``code`` is the rule, ``retry_after_s`` when to come back.
            StaleMemory: the ask is older than the last announced change.
            GateAway: Redis is away and the policy is to refuse.
        """
        try:
            return self._redis.admit(ask, load)
        except RedisAway as away:
            may_be_open = away.kind == "timeout"
        try:
            return self._admit_without_redis(ask, load)
        except ServiceError:
            if may_be_open:
                # Redis may have admitted it after we stopped waiting: nobody will ask it.
                self._backlog.append(lambda redis_gate: redis_gate.cancel(ask))
            raise

    def settle(self, settlement: Settlement) -> None:
        """Tell the gate of an answer in the ledger.

        Frees the visitor's oldest ticket on the link, counts the points, sets the balance, learns
        what a question takes. Repeatable, missable, never raises for Redis being away.
        """
        self._degraded.settle(settlement)
        self._tell("settle_missed", lambda redis_gate: redis_gate.settle(settlement))

    def answered(self, answered: Answered) -> None:
        """Tell the gate of an answer that the ledger cannot take yet.

        The visitor's oldest question on the link counts as open no more, so that they may ask the
        next; what it holds stays held until it is settled or expires. Repeatable, missable.
        """
        self._degraded.answered(answered)
        self._tell("answered_missed", lambda redis_gate: redis_gate.answered(answered))

    def cancel(self, ask: Ask) -> None:
        """Give back an admission whose question is not asked after all. Repeatable."""
        self._degraded.cancel(ask)
        self._tell("cancel_missed", lambda redis_gate: redis_gate.cancel(ask))

    def set_balance(self, user_id: int, balance: int, version: int) -> bool:
        """Tell the gate of a wallet's new balance; only a newer version replaces an older one.

        Returns whether Redis was told; when not, it loads it within ``admission.reload_s``.
        """
        return self._tell(
            "balance_missed",
            lambda redis_gate: redis_gate.set_balance(user_id, balance, version),
        )

    def revision(self) -> int | None:
        """The last announced revision; None while the gate holds none or is away.

        Once more None after an outage: a change may have been announced to nobody.
        """
        if self._doubts_revision and not self._breaker.is_open:
            self._doubts_revision = False
            return None
        try:
            return self._redis.revision()
        except RedisAway:
            return None

    def announce(self, number: int) -> bool:
        """Make memory older than ``number`` stale everywhere; a lower number changes nothing.

        Returns whether Redis was told; when not, every worker notices within a minute.
        """
        return self._tell("announce_missed", lambda redis_gate: redis_gate.announce(number))

    def snapshot(self, user_id: int, link_id: int) -> Snapshot | None:
        """What the gate holds now; None while Redis is away."""
        try:
            return self._redis.snapshot(user_id, link_id)
        except RedisAway:
            return None

    def open_questions(self, limit: int) -> OpenQuestions | None:
        """How many questions wait for their finish, and ``limit`` of them; None: Redis is away.

        Those of visitors only: for one that chat software asks, no finish is expected.
        """
        try:
            return self._redis.open_questions(limit)
        except RedisAway:
            return None

    def collect_expired(self, limit: int) -> Collected | None:
        """At most ``limit`` tickets that expired without a finish; None while Redis is away.

        The same are told again until they are acknowledged. Late finishes come with the last of
        the tickets, so that whoever writes down the tickets first finds those they belong to.
        """
        try:
            return self._redis.collect_expired(limit)
        except RedisAway:
            return None

    def acknowledge_expired(self, collected: Collected) -> bool:
        """Forget what was collected, once it is written down; whether Redis took it."""
        try:
            self._redis.acknowledge_expired(collected)
        except RedisAway:
            return False
        return True

    def forget(self) -> bool:
        """Drop all that is held, the revision too; whether Redis did it.

        For books that were put back: what is held is of later ones, and ids given since stand for
        others now. It costs what losing Redis costs (README.md).
        """
        try:
            self._redis.forget()
        except RedisAway:
            return False
        return True

    def ping(self) -> bool:
        """Whether Redis answers within its budget."""
        try:
            self._scripts.ask(lambda client: client.ping())
        except RedisAway:
            return False
        return True

    def close(self) -> None:
        """Close every connection; the gate is not used afterwards."""
        self._breaker.stop()
        self._server.close()

    def _admit_without_redis(self, ask: Ask, load: Load) -> Admission:
        if self._policy == "refuse":
            self._on_event("refused_outage")
            raise GateAway("Redis is away and redis.on_outage is 'refuse'")
        if self._policy == "admit":
            self._on_event("admitted_open")
            expires_at = ask.now + timedelta(seconds=self._rules.ticket_ttl_s)
            return Admission(ask.ticket, 0, 0, expires_at, "open")
        expected = self._redis.expected.get((ask.link_id, ask.plan_id))
        try:
            admission = self._degraded.admit(ask, load, expected=expected)
        except QuestionRefused:
            self._on_event("refused_degraded")
            raise
        self._on_event("admitted_degraded")
        return admission

    def _tell(self, missed: str, told: Told) -> bool:
        try:
            told(self._redis)
        except RedisAway:
            self._on_event(missed)
            self._backlog.append(told)
            return False
        self._catch_up()
        return True

    def _opened(self) -> None:
        self._doubts_revision = True
        self._on_event("breaker_opened")

    def _closed(self) -> None:
        self._on_event("breaker_closed")
        self._catch_up()

    def _catch_up(self) -> None:
        """Tell Redis what it missed, oldest first, on one thread at a time."""
        if not self._backlog or not self._catching_up.acquire(blocking=False):
            return
        try:
            while self._backlog:
                told = self._backlog[0]
                told(self._redis)
                self._on_event("told_later")
                self._backlog.remove(told)
        except (RedisAway, ValueError):
            return  # away again, or the oldest was let go meanwhile: the rest comes later
        finally:
            self._catching_up.release()
