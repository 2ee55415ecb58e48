"""Which credit is spent: a wallet's transactions replayed over its grants. Pure.

The rules, in the order of a wallet's chain; README.md says why:

1. What an answer costs is drawn from the grants in force at the time it is posted for: the lowest
   priority first, then what expires first, then what was given first. The rest is paid credit's.
2. Any other taking (a correction, the reversal of a top-up) is paid credit's first.
3. Paid credit below zero is covered by grants in force, at once, in the order of 1.
4. What is given back for an answer goes back where it was drawn from, last drawn first; to paid
   credit where that grant is not in force any more, and for what 3 covered.
5. Everything else that comes in is paid credit. A grant ends with the expiry that closes it.

So paid credit is the balance without what is left of grants, and is below zero only where no grant
in force has anything left.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.ledger.grants import Closing, Terms

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Move:
    """One transaction of a wallet. ``at`` is when it is posted for, ``amount`` in nano-units.

    ``terms`` are of a grant, ``closing`` of an expiry. ``answer`` is the sequence of the charge
    whose answer this charges, prices again or gives back; None for all that is about no answer.
    """

    sequence: int
    at: datetime
    amount: int
    terms: Terms | None = None
    closing: Closing | None = None
    answer: int | None = None

    @property
    def is_correction(self) -> bool:
        """Whether it is about an answer that was charged before."""
        return self.answer is not None and self.answer != self.sequence


@dataclass(slots=True)
class Held:
    """A grant that is not closed, and what is left of it."""

    terms: Terms
    amount: int
    remaining: int


@dataclass(slots=True)
class Credit:
    """A wallet's credit after the transaction with that ``sequence``.

    ``corrected`` are the answers that are given back or priced again somewhere in the chain: what
    they drew is remembered. Begin before the first grant to replay corrections, see ``Move``.
    """

    sequence: int = 0
    balance: int = 0
    open: dict[int, Held] = field(default_factory=dict)
    """By the sequence of the grant."""
    corrected: Collection[int] = ()
    _drawn: defaultdict[int, list[tuple[int | None, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @property
    def granted(self) -> int:
        """What is left of all grants that are not closed."""
        return sum(held.remaining for held in self.open.values())

    @property
    def paid(self) -> int:
        return self.balance - self.granted

    def apply(self, move: Move) -> None:
        """Go on by one transaction, the next of the chain."""
        self.sequence = move.sequence
        self.balance += move.amount
        if move.terms is not None:
            self.open[move.sequence] = Held(move.terms, move.amount, move.amount)
        elif move.closing is not None:
            self.open.pop(move.closing.grant, None)
        elif move.answer is not None and move.amount < 0:
            self._spend(-move.amount, move)
        elif move.answer is not None:
            self._give_back(move.amount, move.answer, move.at)
        self._cover(move.at)

    def in_force(self, at: datetime) -> Iterator[tuple[int, Held]]:
        """The grants with something left that may be spent then, in the order they are spent."""
        found = [
            (held.terms.priority, held.terms.expires_at or _NEVER, sequence)
            for sequence, held in self.open.items()
            if held.remaining and held.terms.holds(at)
        ]
        for _, _, sequence in sorted(found):
            yield sequence, self.open[sequence]

    def _spend(self, amount: int, move: Move) -> None:
        parts = self._draw(amount, move.at)
        rest = amount - sum(part for _, part in parts)
        if move.answer is not None and move.answer in self.corrected:
            self._drawn[move.answer] += [*parts, (None, rest)]

    def _draw(self, amount: int, at: datetime) -> list[tuple[int | None, int]]:
        parts: list[tuple[int | None, int]] = []
        for sequence, held in self.in_force(at):
            part = min(amount, held.remaining)
            held.remaining -= part
            amount -= part
            parts.append((sequence, part))
            if not amount:
                break
        return parts

    def _give_back(self, amount: int, answer: int, at: datetime) -> None:
        drawn = self._drawn[answer]
        while amount and drawn:
            sequence, part = drawn.pop()
            back = min(amount, part)
            amount -= back
            if back < part:
                drawn.append((sequence, part - back))
            held = None if sequence is None else self.open.get(sequence)
            if held is not None and held.terms.holds(at):
                held.remaining += back

    def _cover(self, at: datetime) -> None:
        if self.paid < 0:
            self._draw(-self.paid, at)
