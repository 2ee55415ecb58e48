"""The ledger's side of a run: what it holds for each visitor, against what it owes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.money import format_nano
from app.simulator.tally import Due


@dataclass(frozen=True, slots=True)
class Booked:
    """What the ledger says of one visitor.

    ``points`` and ``charge`` (nano-units) and ``questions`` are sums of usage events; ``spent`` is
    what the wallet lost to charges: the same amount told by the other half of the books.
    """

    points: int = 0
    charge: int = 0
    questions: int = 0
    spent: int = 0


class ReadLedger(Protocol):
    """Reads the service's ledger; visitors it does not know may be left out."""

    def __call__(self, subjects: Sequence[str], /) -> Mapping[str, Booked]: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """A visitor for whom the ledger is not what was sent."""

    subject: str
    what: str
    expected: str
    booked: str
    hint: str = ""


def compare(due: Mapping[str, Due], booked: Mapping[str, Booked]) -> list[Difference]:
    """Where the ledger is not what was sent, to the last nano-unit; empty when it is."""
    found: list[Difference] = []
    for subject in sorted(due.keys() | booked.keys()):
        owed, held = due.get(subject, Due()), booked.get(subject, Booked())
        found += _differences(subject, owed, held)
    return found


def _differences(subject: str, owed: Due, held: Booked) -> Iterator[Difference]:
    if owed.points != held.points:
        hint = _hint(owed, held.points - owed.points)
        expected, booked = format_nano(owed.points), format_nano(held.points)
        yield Difference(subject, "points", expected, booked, hint)
    if not owed.questions_min <= held.questions <= owed.questions_max:
        expected = str(owed.questions_max)
        if owed.questions_min != owed.questions_max:
            expected = f"{owed.questions_min} to {expected}"
        yield Difference(subject, "questions", expected, str(held.questions))
    if owed.charge is not None and owed.charge != held.charge:
        expected, booked = format_nano(owed.charge), format_nano(held.charge)
        yield Difference(subject, "charge", expected, booked)
    if held.charge != held.spent:
        charge, spent = format_nano(held.charge), format_nano(held.spent)
        hint = "usage events and wallet postings disagree: run `shareauth ledger verify`"
        yield Difference(subject, "wallet", charge, spent, hint)


def _hint(owed: Due, surplus: int) -> str:
    """One finish that would explain the difference, if there is one."""
    fitting = [name for name, nano in owed.finishes if nano == abs(surplus)]
    if not fitting:
        return ""
    return f"as if its {fitting[0]} finish were {'counted twice' if surplus > 0 else 'missing'}"
