"""What an adjustment says that prices a usage event again. Pure: no database, no clock.

It names the event by its reference, the price versions before and after, both charges, and what
of each the month's free allowance paid. All of it stands in the transaction's details, and so in
its hash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import Invalid
from app.money import format_nano, parse_amount

DETAIL = "rerating"
"""The key of the details that makes an adjustment a re-rating."""
PREFIX = "rerate:"
"""How the idempotency keys of re-ratings begin, and those of nothing else."""


@dataclass(frozen=True, slots=True)
class Price:
    """How an event is priced: by which version (None: the built-in book), at how many nano-units.

    ``allowance`` is what was free; ``charge`` is without it.
    """

    version: int | None
    charge: int
    allowance: int


@dataclass(frozen=True, slots=True)
class Rerating:
    """One event priced again. ``month`` is the one whose allowance it uses, such as ``2026-11``."""

    reference: str
    run: str
    month: str
    before: Price
    after: Price

    @property
    def amount(self) -> int:
        """The change of the wallet's balance: what is charged less is given back."""
        return self.before.charge - self.after.charge

    @property
    def allowance_change(self) -> int:
        """How much more of the month's allowance is used, in nano-units."""
        return self.after.allowance - self.before.allowance

    def details(self) -> dict[str, Any]:
        """As it stands in the transaction."""
        return {DETAIL: self.document()}

    def document(self) -> dict[str, Any]:
        """JSON-safe, amounts as decimal text."""
        return {
            "reference": self.reference,
            "run": self.run,
            "month": self.month,
            "before": _document(self.before),
            "after": _document(self.after),
        }


def key(reference: str, ordinal: int) -> str:
    """The idempotency key of an event's first (1), second, … re-rating."""
    return f"{PREFIX}{reference}:{ordinal}"


def is_key_of(idempotency_key: str, reference: str) -> bool:
    return idempotency_key.rpartition(":")[0] == f"{PREFIX}{reference}"


def read(details: Mapping[str, Any]) -> Rerating | None:
    """The re-rating that a transaction's details speak of; None when they speak of none.

    Raises:
        Invalid: something of it is missing or has another form (``rerating_invalid``).
    """
    if DETAIL not in details:
        return None
    try:
        said = details[DETAIL]
        return Rerating(
            reference=_text(said["reference"]),
            run=_text(said["run"]),
            month=_text(said["month"]),
            before=_price(said["before"]),
            after=_price(said["after"]),
        )
    except (KeyError, TypeError, Invalid) as error:
        raise Invalid(
            "its details do not say what was priced again", code="rerating_invalid"
        ) from error


def find(details: Mapping[str, Any]) -> Rerating | None:
    """The re-rating that a stored transaction speaks of; None also when it cannot be read.

    Somebody changed it then: verifying the ledger says so.
    """
    try:
        return read(details)
    except Invalid:
        return None


def _document(price: Price) -> dict[str, Any]:
    return {
        "price_version": price.version,
        "charge": format_nano(price.charge),
        "allowance": format_nano(price.allowance),
    }


def _price(said: Mapping[str, Any]) -> Price:
    version = said["price_version"]
    if version is not None and not isinstance(version, int):
        raise TypeError("a price version is a number")
    return Price(
        version, parse_amount(_text(said["charge"])), parse_amount(_text(said["allowance"]))
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
