"""What a statement says of granted credit: of each grant, and of all of it. Pure.

Amounts are nano-units here, and decimal text in documents. ``opening + given - spent - expired -
revoked = closing``, for each grant and for all together; paid credit is the balance without them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from app.money import format_nano, parse_amount

GRANTS_MAX = 500
"""A statement lists so many grants; the sums are always of all."""


@dataclass(slots=True)
class CreditSum:
    """What a period made of some grants.

    ``spent`` is net: what was given back to a grant is taken off it, and what a grant covered of a
    debt is in it. ``charged`` is what answers' charges alone drew.
    """

    opening: int = 0
    given: int = 0
    spent: int = 0
    expired: int = 0
    revoked: int = 0
    charged: int = 0

    @property
    def closing(self) -> int:
        return self.opening + self.given - self.spent - self.expired - self.revoked

    @property
    def is_empty(self) -> bool:
        return not any(asdict(self).values())

    def add(self, other: "CreditSum") -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def amounts(self) -> dict[str, str]:
        """As decimal text, what is left at the end too."""
        return {
            **{name: format_nano(amount) for name, amount in asdict(self).items()},
            "closing": format_nano(self.closing),
        }


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """One grant, named by its transaction; times are canonical text, ``amount`` what was given."""

    transaction: int
    source: str
    plan: int | None
    month: str | None
    priority: int
    granted_at: str
    expires_at: str | None
    amount: int


GrantRow = tuple[GrantTerms, CreditSum]


def total(rows: Sequence[GrantRow]) -> CreditSum:
    whole = CreditSum()
    for _, sums in rows:
        whole.add(sums)
    return whole


def grants_document(rows: Sequence[GrantRow]) -> dict[str, Any]:
    """The first of the grants as JSON, in the order they were given, and how many are not there."""
    return {
        "grants": [
            {**asdict(terms), "amount": format_nano(terms.amount), **sums.amounts()}
            for terms, sums in rows[:GRANTS_MAX]
        ],
        "grants_left_out": max(len(rows) - GRANTS_MAX, 0),
    }


def credit_document(sums: CreditSum, *, opening: int, charged: int, closing: int) -> Any:  # noqa: ANN401 - JSON
    """Granted and paid credit beside each other; None where there was none but paid.

    The others are of the whole statement: its balances, and what its answers cost.
    """
    if sums.is_empty:
        return None
    return {
        **sums.amounts(),
        "paid_opening": format_nano(opening - sums.opening),
        "paid_charged": format_nano(charged - sums.charged),
        "paid_closing": format_nano(closing - sums.closing),
    }


def credit_of(said: Mapping[str, Any] | None) -> CreditSum:
    """The sums that a document says."""
    if said is None:
        return CreditSum()
    return CreditSum(**{one.name: parse_amount(said[one.name]) for one in fields(CreditSum)})
