"""Drain the spool: settle what waited there, as if it came in only now but counted as of then.

Safe to be killed anywhere: a record leaves the spool after what became of it is durable, and
settling it a second time finds the first.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from app.db import DatabaseAway
from app.errors import ServiceError
from app.keys import SealBroken
from app.spool.batch import Batch, Entry
from app.spool.record import RecordUnreadable
from app.spool.spool import Spool
from app.turns.finish import Accepted, Arrival, Finishes, Quarantined
from app.turns.refusals import LinkUnknown
from app.turns.safekeeping import door_of

FAILURES_PER_PASS = 3
"""So many, and it is the database rather than the records: try again at the next pass."""
FAILURES_MAX = 20
"""A record that failed in so many passes in which others were settled is set aside."""

log = structlog.get_logger(__name__)

Outcome = Literal["recorded", "replayed", "quarantined", "rejected"]


@dataclass(frozen=True, slots=True)
class Drained:
    """What one pass did, by outcome. ``failed`` records stay in the spool."""

    outcomes: Mapping[Outcome, int]
    failed: int = 0
    state: Literal["drained", "empty", "database_away", "busy"] = "drained"
    """``busy``: another process is draining."""

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())


class Drain:
    """Empties one machine's spool, a batch at each pass."""

    def __init__(
        self,
        *,
        spool: Spool,
        finishes: Finishes,
        on_settled: Callable[[Accepted], None] = lambda _: None,
    ) -> None:
        """``on_settled`` is told of each finish that is in the books, for the metrics."""
        self._spool = spool
        self._finishes = finishes
        self._on_settled = on_settled
        self._failures: Counter[bytes] = Counter()
        self._held_against: Counter[bytes] = Counter()

    def run(self, now: datetime) -> Drained:
        """Settle the oldest records in order of arrival; what cannot be settled now stays.

        Records that failed more than once come last, so that nothing waits for them.
        """
        if self._spool.is_empty():
            return Drained({}, state="empty")
        if not self._finishes.is_open(now):
            return Drained({}, state="database_away")
        with self._spool.drain() as batch:
            if batch is None:
                return Drained({}, state="busy")
            done = self._drain(batch, now)
        if done.total:
            log.info("spool.drained", failed=done.failed, outcomes=dict(done.outcomes))
        return done

    def _drain(self, batch: Batch, now: datetime) -> Drained:
        outcomes: Counter[Outcome] = Counter()
        failed: list[Entry] = []
        for entry in sorted(batch.entries, key=self._demotion):
            try:
                outcomes[self._settle(batch, entry, now)] += 1
            except (DatabaseAway, OSError) as problem:
                failed.append(entry)
                self._failures[entry.frame.digest] += 1
                log.warning("spool.record_failed", problem=str(problem))
                if len(failed) >= FAILURES_PER_PASS or not self._finishes.is_open(now):
                    break
            else:
                self._forget(entry)
        if outcomes.total():
            outcomes.update(self._hold_against(batch, failed, now))
        return Drained(outcomes, failed=len(failed))

    def _settle(self, batch: Batch, entry: Entry, now: datetime) -> Outcome:
        """Settle one record, whatever is wrong with it.

        Raises:
            DatabaseAway: it is to be tried again.
            OSError: the disk cannot be read, or has no room for what is set aside.
        """
        try:
            finish = self._spool.open(entry.read_payload())
            arrival = Arrival(finish.body, finish.reference, finish.received_at, has_waited=True)
            settled = self._finishes.settle(door_of(finish), arrival)
        except (DatabaseAway, OSError):
            raise
        except (SealBroken, RecordUnreadable, LinkUnknown) as problem:
            return _reject(batch, entry, problem.code, now)
        except Exception as problem:
            # One that breaks us must not keep those behind it from being paid.
            log.exception("spool.record_broke", received_at=entry.frame.received_at.isoformat())
            return _reject(batch, entry, getattr(problem, "code", ServiceError.code), now)
        batch.done(entry)
        if isinstance(settled, Quarantined):
            return "quarantined"
        self._on_settled(settled)
        return settled.outcome

    def _hold_against(self, batch: Batch, failed: list[Entry], now: datetime) -> Counter[Outcome]:
        """Others went through in this pass: set aside what has failed too often."""
        rejected: Counter[Outcome] = Counter()
        for entry in failed:
            self._held_against[entry.frame.digest] += 1
            if self._held_against[entry.frame.digest] >= FAILURES_MAX:
                rejected[_reject(batch, entry, DatabaseAway.code, now)] += 1
                self._forget(entry)
        return rejected

    def _demotion(self, entry: Entry) -> int:
        """How far back it goes; nowhere the first time, which is likely not its own fault."""
        return max(0, self._failures[entry.frame.digest] - 1)

    def _forget(self, entry: Entry) -> None:
        self._failures.pop(entry.frame.digest, None)
        self._held_against.pop(entry.frame.digest, None)


def _reject(batch: Batch, entry: Entry, reason: str, now: datetime) -> Outcome:
    batch.reject(entry, reason, now)
    log.error("spool.rejected", reason=reason, received_at=entry.frame.received_at.isoformat())
    return "rejected"
