"""What a statement and a closing say, and the bytes that are hashed. Pure.

Amounts are decimal text, times UTC with six decimals, keys sorted, ASCII only: the same JSON as the
ledger's own (``transactions.canonical_json``). A change of this form needs a new ``v``.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.closings.granted import (
    CreditSum,
    GrantRow,
    credit_document,
    credit_of,
    grants_document,
)
from app.ledger.chain import GENESIS
from app.ledger.transactions import canonical_json
from app.money import format_nano, parse_amount

VERSION = 1
ENTRIES_MAX = 500
"""A statement lists so many changes that are no charges; the sums are always of all."""


class SumKey(NamedTuple):
    """Re-ratings are apart from other adjustments, and what came late from what did not."""

    kind: str
    is_rerating: bool
    is_late: bool


@dataclass(frozen=True, slots=True)
class Sum:
    count: int
    amount: int


class LinkSum(NamedTuple):
    name: str
    answers: int
    charge: int


class ModelSum(NamedTuple):
    lines: int
    charge: int


class EntryFacts(NamedTuple):
    """One change of a wallet that is no charge and no re-rating; ``at`` is canonical text."""

    transaction: int
    at: str
    kind: str
    amount: int
    reverses: int | None
    is_late: bool


@dataclass(slots=True)
class Figures:
    """What a month made of a wallet, in nano-units.

    ``links`` by link id, ``models`` by name; the model None has what no line explains: charges of
    answers without lines, and of lines that lie in an archive only.
    """

    opening: int = 0
    sums: dict[SumKey, Sum] = field(default_factory=dict)
    links: dict[int, LinkSum] = field(default_factory=dict)
    models: dict[str | None, ModelSum] = field(default_factory=dict)
    entries: list[EntryFacts] = field(default_factory=list)
    entries_left_out: int = 0
    grants: list[GrantRow] = field(default_factory=list)
    credit: CreditSum = field(default_factory=CreditSum)
    """All of ``grants`` together."""

    @property
    def closing(self) -> int:
        return self.opening + sum(one.amount for one in self.sums.values())

    @property
    def charged(self) -> int:
        """What the answers cost, as a number above zero."""
        return -sum(one.amount for key, one in self.sums.items() if key.kind == "charge")

    @property
    def is_empty(self) -> bool:
        return not self.opening and not self.sums

    def explain_rest(self) -> None:
        """Give what the lines do not explain a row of its own, so that the models add up."""
        rest = self.charged - sum(one.charge for one in self.models.values())
        if rest:
            self.models[None] = ModelSum(0, rest)

    def add(self, other: "Figures") -> None:
        """Have this also be of the other's wallet."""
        self.opening += other.opening
        for key, one in other.sums.items():
            mine = self.sums.get(key, Sum(0, 0))
            self.sums[key] = Sum(mine.count + one.count, mine.amount + one.amount)
        self.credit.add(other.credit)
        for link, its in other.links.items():
            known = self.links.get(link, LinkSum(its.name, 0, 0))
            self.links[link] = LinkSum(
                known.name, known.answers + its.answers, known.charge + its.charge
            )
        for model, used in other.models.items():
            before = self.models.get(model, ModelSum(0, 0))
            self.models[model] = ModelSum(before.lines + used.lines, before.charge + used.charge)


@dataclass(frozen=True, slots=True)
class Frame:
    """What all statements of a closing say alike; times are canonical text."""

    month: str
    since: str
    until: str
    zone: str
    currency: str
    after: int | None
    upto: int
    """Transaction ids."""

    def document(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "month": self.month,
            "since": self.since,
            "until": self.until,
            "zone": self.zone,
            "currency": self.currency,
            "position": {"after": self.after, "upto": self.upto},
        }


@dataclass(frozen=True, slots=True)
class Head:
    """Where the wallet's chain stood at the closing's position."""

    sequence: int
    hash: str


class Member(NamedTuple):
    """A wallet's line in its department's statement."""

    number: str
    wallet: str
    opening: int
    charged: int
    closing: int


def number_of(year: int, ordinal: int) -> str:
    """As people write it: 2026-000123."""
    return f"{year:04}-{ordinal:06}"


def of_wallet(
    frame: Frame, number: str, wallet: str, figures: Figures, *, head: Head, previous: str | None
) -> bytes:
    """The bytes of a wallet's statement. ``previous`` is the number of the one before it."""
    return canonical_json(
        {
            **frame.document(),
            "type": "wallet",
            "number": number,
            "wallet": wallet,
            "previous": previous,
            "head": {"sequence": head.sequence, "hash": head.hash},
            "entries": [_entry(one) for one in figures.entries],
            "entries_left_out": figures.entries_left_out,
            **grants_document(figures.grants),
            **_amounts(figures),
        }
    )


def of_department(
    frame: Frame, number: str, department: str, figures: Figures, members: Sequence[Member]
) -> bytes:
    """The bytes of a department's statement: the sum of its members', who are listed."""
    return canonical_json(
        {
            **frame.document(),
            "type": "department",
            "number": number,
            "department": department,
            "members": [
                {
                    "number": one.number,
                    "wallet": one.wallet,
                    "opening": format_nano(one.opening),
                    "charged": format_nano(one.charged),
                    "closing": format_nano(one.closing),
                }
                for one in members
            ],
            **_amounts(figures),
        }
    )


def of_closing(frame: Frame, facts: Mapping[str, Any]) -> bytes:
    """The bytes of a closing: what it froze, and the hash of the closing before."""
    return canonical_json({**frame.document(), "type": "closing", **facts})


def figures_of(said: Mapping[str, Any]) -> Figures:
    """The figures that a statement's content says, without its entries and single grants."""
    return Figures(
        opening=parse_amount(said["opening"]),
        sums={
            SumKey(one["kind"], one["is_rerating"], one["is_late"]): Sum(
                one["count"], parse_amount(one["amount"])
            )
            for one in said["sums"]
        },
        links={
            one["link"]: LinkSum(one["name"], one["answers"], parse_amount(one["charge"]))
            for one in said["links"]
        },
        models={
            one["model"]: ModelSum(one["lines"], parse_amount(one["charge"]))
            for one in said["models"]
        },
        credit=credit_of(said["credit"]),
    )


def sums_document(sums: Mapping[SumKey, Sum]) -> list[dict[str, Any]]:
    """The rows of sums as JSON, in the one order they have."""
    return [
        {**key._asdict(), "count": sums[key].count, "amount": format_nano(sums[key].amount)}
        for key in sorted(sums)
    ]


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fold(digest: str, statement_hash: str) -> str:
    """The digest over the statements so far and one more, in the order of their numbers."""
    return hashlib.sha256(f"{digest}{statement_hash}".encode()).hexdigest()


def fold_all(hashes: Iterable[str]) -> str:
    digest = GENESIS
    for one in hashes:
        digest = fold(digest, one)
    return digest


def read(text: str) -> dict[str, Any]:
    """What is said in a content that was stored."""
    said: dict[str, Any] = json.loads(text)
    return said


def total(figures: Iterable[Figures]) -> Figures:
    """All of these together; their entries are not."""
    whole = Figures()
    for one in figures:
        whole.add(one)
    return whole


def by_kind(sums: Mapping[SumKey, Sum]) -> dict[str, int]:
    """Nano-units by kind, whatever came late and whatever is a re-rating."""
    amounts: Counter[str] = Counter()
    for key, one in sums.items():
        amounts[key.kind] += one.amount
    return dict(amounts)


def _amounts(figures: Figures) -> dict[str, Any]:
    return {
        "opening": format_nano(figures.opening),
        "closing": format_nano(figures.closing),
        "charged": format_nano(figures.charged),
        "credit": credit_document(
            figures.credit,
            opening=figures.opening,
            charged=figures.charged,
            closing=figures.closing,
        ),
        "sums": sums_document(figures.sums),
        "links": [
            {
                "link": link,
                "name": figures.links[link].name,
                "answers": figures.links[link].answers,
                "charge": format_nano(figures.links[link].charge),
            }
            for link in sorted(figures.links)
        ],
        "models": [
            {
                "model": model,
                "lines": figures.models[model].lines,
                "charge": format_nano(figures.models[model].charge),
            }
            for model in sorted(figures.models, key=lambda name: (name is None, name or ""))
        ],
    }


def _entry(one: EntryFacts) -> dict[str, Any]:
    return {**one._asdict(), "amount": format_nano(one.amount)}
