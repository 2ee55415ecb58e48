"""Commit finishes together that would otherwise wait for one another.

The thread whose finish arrives while nothing is being committed commits it at once. Those that
arrive meanwhile queue; when it is done, the first of them takes all that wait into one transaction.
So there is no timer and no further thread: alone, a finish waits for nothing; under load, one
commit (one fsync) and the same few statements do for many.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import structlog

from app.db import Database, DatabaseAway, DatabaseBusy
from app.turns.settle import FinishRules, Recorded, Turn, settle_turn, settle_turns

log = structlog.get_logger(__name__)

BATCH_TURNS_MAX = 64
"""Bounds how long a batch holds its wallets; beyond it hardly anything is saved."""
BATCH_ATTEMPTS = 2
"""How often a batch that lost a race is tried again as a batch."""


class Overdue(DatabaseAway):
    """Others' finishes took too long. Whether this one is recorded is unknown: send it again."""


class _Place(Enum):
    QUEUED = auto()
    LEADING = auto()
    """It is this thread that commits next, for itself and for those who wait."""
    BOARDED = auto()
    """In the batch that another thread is committing."""
    CALLED = auto()
    """That thread is done; without an outcome the turn must be settled by itself."""


@dataclass(slots=True, eq=False)
class _Seat:
    """One waiting finish. ``place`` changes only under the committer's lock."""

    turn: Turn
    place: _Place = _Place.QUEUED
    called: threading.Event = field(default_factory=threading.Event)
    recorded: Recorded | None = None
    away: DatabaseAway | None = None


class Committer:
    """Settles the finishes of one process; safe for its threads."""

    def __init__(
        self, *, db: Database, rules: FinishRules, batch_turns_max: int = BATCH_TURNS_MAX
    ) -> None:
        self._db = db
        self._rules = rules
        self._batch_turns_max = batch_turns_max
        self._lock = threading.Lock()
        self._queue: deque[_Seat] = deque()
        self._is_led = False

    def settle(self, turn: Turn, *, budget_s: float | None = None) -> Recorded:
        """Bill the turn's visitor, once; when this returns, it is committed.

        It waits for others at most ``budget_s``, and no attempt of its own begins later than that
        after its first. A turn that cannot be settled fails alone: those that were to be committed
        with it are committed.

        Raises:
            Overdue: the wait was over before the others were.
            DatabaseAway: whether it was recorded is unknown when the connection broke in the
                commit; settling it once more is safe and tells.
        """
        seat = self._take_seat(turn)
        if seat.place is not _Place.LEADING:
            self._wait(seat, budget_s)
        if seat.place is _Place.LEADING:
            self._lead(seat, budget_s)
        if seat.away is not None:
            # One error of its own for each thread: raising adds a traceback to it.
            raise type(seat.away)(seat.away.message) from seat.away
        return seat.recorded or self._settle_alone(turn, budget_s)

    def _take_seat(self, turn: Turn) -> _Seat:
        seat = _Seat(turn)
        with self._lock:
            if self._is_led:
                self._queue.append(seat)
            else:
                self._is_led = True
                seat.place = _Place.LEADING
        return seat

    def _wait(self, seat: _Seat, budget_s: float | None) -> None:
        try:
            is_called = seat.called.wait(budget_s)
        except BaseException:
            # The thread is being ended. If it was just given the lead, nobody else has it.
            if self._leave(seat) is _Place.LEADING:
                self._hand_on()
            raise
        if not is_called and self._leave(seat) in {_Place.QUEUED, _Place.BOARDED}:
            raise Overdue("the database is busy: the finishes before this one take too long")

    def _leave(self, seat: _Seat) -> _Place:
        """Wait no more; returns the place that the seat had in that moment."""
        with self._lock:
            if seat.place is _Place.QUEUED:
                self._queue.remove(seat)
            return seat.place

    def _lead(self, seat: _Seat, budget_s: float | None) -> None:
        batch = [seat]
        try:
            with self._lock:
                while self._queue and len(batch) < self._batch_turns_max:
                    batch.append(self._queue.popleft())
                    batch[-1].place = _Place.BOARDED
            self._commit(batch, budget_s)
        finally:
            # The next batch first: this one's threads have nothing but their answers to write.
            self._hand_on()
            for follower in batch[1:]:
                with self._lock:
                    follower.place = _Place.CALLED
                follower.called.set()

    def _hand_on(self) -> None:
        with self._lock:
            heir = self._queue.popleft() if self._queue else None
            self._is_led = heir is not None
            if heir is not None:
                heir.place = _Place.LEADING
                heir.called.set()

    def _commit(self, batch: Sequence[_Seat], budget_s: float | None) -> None:
        """Give every seat its outcome; none to those that must be settled by themselves."""
        if len(batch) == 1:
            batch[0].recorded = self._settle_alone(batch[0].turn, budget_s)
            return
        turns = [seat.turn for seat in batch]
        try:
            recorded = self._db.run(
                lambda session: settle_turns(session, turns, self._rules),
                attempts=BATCH_ATTEMPTS,
                budget_s=budget_s,
            )
        except DatabaseAway as error:
            # A lock that is held too long may be one wallet's, an outage is everybody's.
            if not isinstance(error, DatabaseBusy):
                for seat in batch:
                    seat.away = error
            log.warning("finish.batch_failed", turns=len(batch), error=error.message)
        except Exception as error:  # noqa: BLE001 - whose it is shows when each is settled alone
            log.warning("finish.batch_failed", turns=len(batch), error=type(error).__name__)
        else:
            for seat, outcome in zip(batch, recorded, strict=True):
                seat.recorded = outcome

    def _settle_alone(self, turn: Turn, budget_s: float | None) -> Recorded:
        return self._db.run(
            lambda session: settle_turn(session, turn, self._rules), budget_s=budget_s
        )
