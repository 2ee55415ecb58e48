"""What an answer would cost: the same arithmetic as for a real one, for people who ask."""

from dataclasses import dataclass
from decimal import Decimal

from app.metering.counting import Line, Usage
from app.pricing.book import PriceBook
from app.pricing.rating import Charge, rate

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One model call to price."""

    model: str = ""
    points: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0


def preview(
    sample: Sample,
    *,
    book: PriceBook,
    link_multiplier: Decimal = _ONE,
    plan_multiplier: Decimal = _ONE,
    allowance_used: int = 0,
) -> Charge:
    """What an answer with just this call would cost.

    Raises:
        Invalid: the charge is beyond what the ledger can hold.
    """
    line = Line(
        model=sample.model,
        node_kind="chatNode",
        input_tokens=sample.input_tokens,
        output_tokens=sample.output_tokens,
        embedding_tokens=None,
        rerank_tokens=None,
        points=sample.points,
    )
    usage = Usage(
        generation="G?",
        unit="points",
        total=sample.points,
        lines=(line,),
        input_tokens=sample.input_tokens,
        output_tokens=sample.output_tokens,
        node_count=1,
        running_time_ms=None,
        warnings={},
    )
    return rate(
        usage,
        book=book,
        link_multiplier=link_multiplier,
        plan_multiplier=plan_multiplier,
        allowance_used=allowance_used,
    )
