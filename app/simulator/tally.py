"""What a run has seen so far: latencies, refusals, broken answers, and what the ledger owes."""

import threading
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.simulator.contract import HOOKS, Answer, Hook
from app.simulator.payloads import Payload, Rates

SAMPLES_MAX = 10
PERCENTILES = (50.0, 95.0, 99.0, 99.9)


@dataclass(slots=True)
class Due:
    """What one visitor's finishes must come to in the ledger; copies count once.

    ``charge`` is None when only the service knows its prices. ``blank_count`` finishes carry no
    node: the ledger cannot tell two of them apart, so it may hold any number of them from one up.
    """

    points: int = 0
    charge: int | None = None
    finishes: list[tuple[str, int]] = field(default_factory=list)
    blank_count: int = 0

    @property
    def questions_min(self) -> int:
        return len(self.finishes) - self.blank_count + min(self.blank_count, 1)

    @property
    def questions_max(self) -> int:
        return len(self.finishes)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds one hook took: ``percentiles`` as in ``PERCENTILES``, and the longest."""

    count: int
    percentiles: tuple[float, ...]
    longest: float


class Tally:
    """Counts from many threads; read it when they are done, or for a glance in between."""

    def __init__(self, rates: Rates) -> None:
        self._lock = threading.Lock()
        self._rates = rates
        self._taken_ms: Mapping[Hook, array[float]] = {hook: array("d") for hook in HOOKS}
        self.events: Counter[str] = Counter()
        self.shapes: Counter[str] = Counter()
        self.refusals: Counter[tuple[Hook, str]] = Counter()
        self.violations: Counter[tuple[Hook, str]] = Counter()
        self.samples: list[str] = []
        self.due: dict[str, Due] = {}

    def count(self, event: str) -> None:
        with self._lock:
            self.events[event] += 1

    def answered(self, hook: Hook, taken_s: float, answer: Answer, sample: str) -> None:
        """Note one call and what came back; ``sample`` says what it looked like if it was bad."""
        with self._lock:
            self._taken_ms[hook].append(taken_s * 1000)
            if answer.is_accepted is False:
                self.refusals[hook, answer.code] += 1
            for violation in answer.violations:
                self.violations[hook, violation] += 1
                if len(self.samples) < SAMPLES_MAX:
                    self.samples.append(f"{hook}: {violation}: {sample}")

    def sent(self, subject: str, payload: Payload) -> None:
        """Note a finish that is on its way: from now on the ledger owes it."""
        points, charge = payload.nano(self._rates)
        with self._lock:
            due = self.due.setdefault(subject, Due())
            due.points += points
            due.charge = None if charge is None else (due.charge or 0) + charge
            due.finishes.append((payload.name, points))
            due.blank_count += not payload.is_distinct
            self.shapes[payload.name] += 1

    @property
    def request_count(self) -> int:
        return sum(len(taken) for taken in self._taken_ms.values())

    def latency(self, hook: Hook) -> Latency | None:
        """None when the hook was never called."""
        ordered = sorted(self._taken_ms[hook])
        if not ordered:
            return None
        percentiles = tuple(nearest_rank(ordered, share) for share in PERCENTILES)
        return Latency(len(ordered), percentiles, ordered[-1])


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` percent of all are not above."""
    rank = -(-len(ordered) * share // 100)
    return ordered[max(int(rank), 1) - 1]
