"""What an answer costs now, and what it would cost by other prices. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.ledger.reratings import Price, Rerating
from app.metering import rows
from app.metering.rows import LineRow
from app.money import to_nano
from app.pricing import rating
from app.pricing.book import PriceBook
from app.pricing.standing import charged_price

PROBLEMS = {
    "charge_reversed": "its charge was reversed: it costs nothing any more",
    "not_charged": "it has no charge: see `shareauth ledger verify`",
    "arithmetic_missing": "it does not say how its charge came about",
    "lines_missing": "its lines are gone: `shareauth archives restore` puts archived ones back",
    "lines_differ": "its lines do not add up to it: see `shareauth ledger verify`",
    "amount_out_of_range": "the charge would be more than the ledger can hold",
}
"""Why an answer is left as it is, by code."""


@dataclass(frozen=True, slots=True)
class Event:
    """A usage event as far as its price goes; nano-units."""

    id: int
    reference: str
    user_id: int
    link_id: int
    received_at: datetime
    version: int | None
    points: int
    charge: int
    arithmetic: Mapping[str, Any]

    @property
    def charged(self) -> Price:
        """What it was charged."""
        return charged_price(self.version, self.charge, self.arithmetic)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer priced again.

    ``current`` is what it costs now, ``before`` what it cost before the run that goes on (the same
    when none does). ``after`` is None for an answer that is left as it is; ``problem`` says why.
    ``booked`` and ``earlier`` count its re-ratings: all, and those of other runs.
    """

    event_id: int
    reference: str
    month: str
    booked: int
    earlier: int
    before: Price
    current: Price
    after: Price | None
    problem: str | None = None

    @property
    def is_change(self) -> bool:
        return self.after is not None and _amounts(self.before) != _amounts(self.after)

    @property
    def is_open(self) -> bool:
        """Whether something is to be booked for it."""
        return self.after is not None and _amounts(self.current) != _amounts(self.after)

    def digested(self) -> str:
        """What a preview's digest covers of it."""
        prices = [self.before] if self.after is None else [self.before, self.after]
        said = [f"{one.version}/{one.charge}/{one.allowance}" for one in prices]
        return f"{self.event_id}/{self.earlier} {' '.join(said)} {self.problem or ''}"

    def rerating(self, run: str) -> Rerating:
        """What is to be booked, from what it costs now."""
        if self.after is None:
            raise ValueError(f"event {self.event_id} is left as it is")
        return Rerating(self.reference, run, self.month, before=self.current, after=self.after)


def missing(event: Event, lines: Sequence[LineRow]) -> str | None:
    """Why the event cannot be priced from what is stored of it; None when it can."""
    if not {"points", "link_multiplier", "plan_multiplier", "allowance_taken"} <= set(
        event.arithmetic
    ):
        return "arithmetic_missing"
    if event.points and not lines:
        return "lines_missing"
    is_whole = to_nano(_points(event)) == event.points == sum(line.points for line in lines)
    return None if is_whole else "lines_differ"


def price_again(
    event: Event, lines: Sequence[LineRow], *, version: int | None, book: PriceBook, left: int
) -> Price:
    """What the event costs by that book with ``left`` nano-units of the allowance for it.

    Raises:
        Invalid: the charge is beyond what the ledger can hold.
    """
    charge = rating.rate(
        rows.stored_usage(_points(event), lines),
        book=book,
        link_multiplier=Decimal(event.arithmetic["link_multiplier"]),
        plan_multiplier=Decimal(event.arithmetic["plan_multiplier"]),
        allowance_used=to_nano(book.monthly_allowance) - left,
    )
    return Price(version, charge.total, charge.allowance_taken)


def _points(event: Event) -> Decimal:
    return Decimal(event.arithmetic["points"])


def _amounts(price: Price) -> tuple[int, int]:
    return price.charge, price.allowance
