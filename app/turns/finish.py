"""finish: bill what the answer used. FastGPT sends it once and never again.

A finish needs neither its start nor a valid token: whoever the token once proved is billed. What
cannot become an event is quarantined, whole and sealed, for an operator to look at. What the
database cannot take now is spooled, and comes here once more as it came the first time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

import structlog

from app import revision
from app.admission.gate import Answered, Gate, Settlement
from app.db import Database, DatabaseAway
from app.errors import Denied, ServiceError
from app.keys import Keys
from app.metering import store as metering_store
from app.metering.body import FinishBody, parse_finish
from app.metering.counting import Regime, count
from app.metering.store import QuarantineRow
from app.outage import OneAtATime
from app.turns.doors import Door
from app.turns.fingerprint import fingerprint
from app.turns.freshness import Freshness
from app.turns.group_commit import Committer
from app.turns.identify import Directory
from app.turns.link_context import LinkContext, Visitor
from app.turns.price_shelf import PriceShelf
from app.turns.safekeeping import Safekeeping, record_of
from app.turns.segment_shelf import SegmentShelf
from app.turns.settle import FinishRules, Recorded, Turn

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A finish as it came in."""

    body: bytes
    reference: str
    now: datetime
    has_waited: bool = False
    """Whether it comes from the spool."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finish that is in the books: now, or already."""

    uid: str
    link_id: int
    generation: str
    """Of FastGPT, as the body shows it."""
    outcome: Literal["recorded", "replayed"]
    points: int
    charge: int
    warnings: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A finish that is kept aside, and why it could not be billed."""

    problem: Exception


@dataclass(frozen=True, slots=True)
class Spooled:
    """A finish that is on the disk, to be settled or judged when the database is back."""


class Finishes:
    """The hook that brings the money in."""

    def __init__(  # noqa: PLR0913 - collaborators, each of them used
        self,
        *,
        db: Database,
        gate: Gate,
        directory: Directory,
        freshness: Freshness,
        shelf: PriceShelf,
        segments: SegmentShelf,
        keys: Keys,
        rules: FinishRules,
        safekeeping: Safekeeping,
        budget_s: float,
    ) -> None:
        """``budget_s`` is how long the database may take before the finish is spooled."""
        self._db = db
        self._gate = gate
        self._directory = directory
        self._freshness = freshness
        self._shelf = shelf
        self._segments = segments
        self._keys = keys
        self._rules = rules
        self._committer = Committer(db=db, rules=rules)
        self._safekeeping = safekeeping
        self._budget_s = budget_s
        self._alone = OneAtATime(db.outage)

    def accept(self, door: Door, arrival: Arrival) -> Accepted | Quarantined | Spooled:
        """Record one finish, or keep it aside; when this returns, either is durable.

        Raises:
            LinkUnknown: whoever calls does not know the link's key.
            NotRecorded: neither the database nor the spool could take it.
        """
        try:
            return self._settle_or_leave(door, arrival)
        except Denied:
            raise
        except DatabaseAway as away:
            return self._keep(door, arrival, away)
        except Exception as problem:
            # Nothing has judged it, so nothing speaks against it: the drain tries it once more.
            log.exception("finish.broke", reference=arrival.reference)
            return self._keep(door, arrival, problem)

    def is_open(self, now: datetime) -> bool:
        """Whether the database answers; forgets what is older than the newest change."""
        try:
            with self._db.read() as session:
                revision.current(session)
        except DatabaseAway:
            return False
        self._freshness.check(now)
        return True

    def settle(self, door: Door, arrival: Arrival) -> Accepted | Quarantined:
        """The same by the database alone, also for a finish that came long ago.

        It is judged and priced as of its arrival, and counts once however often it is settled.

        Raises:
            LinkUnknown: no link had the key then.
            DatabaseAway: whether anything was recorded is unknown; settle it again.
        """
        link = door.enter(self._directory, arrival.now)
        try:
            return self._record(link, arrival)
        except DatabaseAway:
            raise
        except Exception as problem:  # noqa: BLE001 - FastGPT never sends it again: keep it
            self._quarantine(link, arrival, getattr(problem, "code", "internal_error"))
            return Quarantined(problem)

    def _settle_or_leave(self, door: Door, arrival: Arrival) -> Accepted | Quarantined:
        with self._alone.turn() as may_ask:
            if not may_ask:
                raise DatabaseAway("the database is away, and another finish is asking for it")
            self._freshness.check(arrival.now)
            return self.settle(door, arrival)

    def _let_ask_on(self, door: Door, arrival: Arrival) -> None:
        """The answer waits for the books; whoever has it, and is known here, need not."""

        def tell() -> None:
            link = door.recall(self._directory, arrival.now)
            token = parse_finish(arrival.body).token
            user_id = link and self._directory.recall_debtor(token, arrival.now)
            if link and user_id:
                self._gate.answered(Answered(user_id, link.id, arrival.reference, arrival.now))

        _safely(tell)

    def _record(self, link: LinkContext, arrival: Arrival) -> Accepted:
        body = parse_finish(arrival.body)
        visitor = self._directory.identify(link, body.token, arrival.now, "bill")
        turn = self._turn(visitor, body, arrival)
        recorded = self._committer.settle(turn, budget_s=self._budget_s)
        if recorded.is_replay:
            log.info("finish.replayed", first_reference=recorded.reference)
        if recorded.reference == turn.reference:
            # Also for a replay of itself: its first commit arrived, only the answer was lost.
            settlement = _settlement(turn, recorded, has_waited=arrival.has_waited)
            _safely(lambda: self._gate.settle(settlement))
        return Accepted(
            uid=visitor.user.uid,
            link_id=visitor.link.id,
            generation=turn.usage.generation,
            outcome="replayed" if recorded.is_replay else "recorded",
            points=recorded.points,
            charge=recorded.charge,
            warnings=turn.warnings,
        )

    def keep_oversized(self, door: Door, body_bytes: int, *, reference: str, now: datetime) -> None:
        """Note a finish that was too large to take: there is usage in it that nobody pays for."""
        link = door.enter(self._directory, now)
        log.error("finish.oversized", reference=reference, body_bytes=body_bytes)
        row = QuarantineRow(
            reference=reference,
            link_id=link.id,
            received_at=now,
            reason="body_too_large",
            body_bytes=body_bytes,
            body=None,
        )
        with self._db.begin() as session:
            metering_store.quarantine(session, row, keys=self._keys)

    def _keep(self, door: Door, arrival: Arrival, because: Exception) -> Spooled:
        finish = record_of(door, arrival.body, reference=arrival.reference, received_at=arrival.now)
        self._safekeeping.keep(door, finish, because)
        self._let_ask_on(door, arrival)
        return Spooled()

    def _turn(self, visitor: Visitor, body: FinishBody, arrival: Arrival) -> Turn:
        usage = count(
            body.nodes,
            regime=cast("Regime", visitor.link.counting),
            points_per_node_max=self._rules.points_per_node_max,
            has_chat_id=body.chat_id is not None,
        )
        return Turn(
            visitor=visitor,
            body=body,
            body_bytes=len(arrival.body),
            usage=usage,
            fingerprint=fingerprint(visitor.link.id, visitor.user_id, body),
            priced_by=self._shelf.in_force(arrival.now),
            reference=arrival.reference,
            received_at=arrival.now,
            segment_id=self._segments.segment_of(visitor.user.attributes),
        )

    def _quarantine(self, link: LinkContext, arrival: Arrival, reason: str) -> None:
        row = QuarantineRow(
            reference=arrival.reference,
            link_id=link.id,
            received_at=arrival.now,
            reason=reason,
            body_bytes=len(arrival.body),
            body=arrival.body,
        )
        with self._db.begin() as session:
            if metering_store.find_quarantined(session, row.reference) is not None:
                return  # drained before, by a process that was killed before it could say so
            metering_store.quarantine(session, row, keys=self._keys)
        log.error("finish.quarantined", reference=arrival.reference, reason=reason)


def _safely(tell_gate: Callable[[], None]) -> None:
    """The finish is kept already: whatever breaks now must not make it look otherwise."""
    try:
        tell_gate()
    except Exception as problem:
        # One of ours is about the finish itself, and shows when it is settled.
        log.warning("finish.gate_not_told", exc_info=not isinstance(problem, ServiceError))


def _settlement(turn: Turn, recorded: Recorded, *, has_waited: bool) -> Settlement:
    return Settlement(
        user_id=turn.visitor.user_id,
        link_id=turn.visitor.link.id,
        plan_id=turn.visitor.user.plan.id,
        is_guest=turn.visitor.is_guest,
        settle_key=recorded.settle_key,
        points=recorded.points,
        charge=recorded.charge,
        balance=recorded.balance,
        version=recorded.version,
        now=turn.received_at,
        has_waited=has_waited,
    )
