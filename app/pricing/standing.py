"""What an answer costs with all that was made of its charge since. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.ledger.reratings import Price, Rerating
from app.money import parse_amount


@dataclass(frozen=True, slots=True)
class Rerated:
    """A re-rating that was booked: its transaction, and the place of it in the wallet's chain.

    ``reversed_at`` is the place of its reversal; None while it stands.
    """

    transaction_id: int
    sequence: int
    rerating: Rerating
    reversed_at: int | None

    def stood(self, at: int | None) -> bool:
        """Whether it counted when the wallet's transaction ``at`` came; None: whether it does."""
        if at is None:
            return self.reversed_at is None
        return self.sequence < at and (self.reversed_at is None or self.reversed_at > at)


def charged_price(version: int | None, charge: int, arithmetic: Mapping[str, Any]) -> Price:
    """What an event was charged; nothing was free when its arithmetic does not say."""
    return Price(version, charge, parse_amount(str(arithmetic.get("allowance_taken", "0"))))


def standing_price(
    charged: Price, booked: Sequence[Rerated], *, but_run: str | None = None, at: int | None = None
) -> Price:
    """What an event costs: its charge, with its re-ratings but those of ``but_run``.

    ``booked`` are all of them, first to last. ``at`` is as in ``Rerated.stood``.
    """
    price = charged
    for one in booked:
        if one.stood(at) and one.rerating.run != but_run:
            price = Price(
                one.rerating.after.version,
                price.charge - one.rerating.amount,
                price.allowance + one.rerating.allowance_change,
            )
    return price
