"""What an answer would cost: the same arithmetic as for a real one, for people who ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.metering import counting, rows
from app.metering.body import parse_finish
from app.metering.counting import Line, Regime, Usage
from app.money import EXACT
from app.pricing.book import PriceBook
from app.pricing.rating import Charge, rate

NODE_KIND = "chatNode"
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One model call to price."""

    model: str = ""
    points: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    embedding_tokens: int | None = None
    rerank_tokens: int | None = None
    node_kind: str = NODE_KIND


def preview(
    samples: Sequence[Sample],
    *,
    book: PriceBook,
    link_multiplier: Decimal = _ONE,
    plan_multiplier: Decimal = _ONE,
    allowance_used: int = 0,
) -> Charge:
    """What an answer with just these calls would cost.

    Raises:
        Invalid: the charge is beyond what the ledger can hold.
    """
    return rate(
        usage_of(samples),
        book=book,
        link_multiplier=link_multiplier,
        plan_multiplier=plan_multiplier,
        allowance_used=allowance_used,
    )


def usage_of(samples: Sequence[Sample]) -> Usage:
    """The calls as metering would have counted them."""
    total = Decimal(0)
    for sample in samples:
        total = EXACT.add(total, sample.points)
    return Usage(
        generation="G?",
        unit="points",
        total=total,
        lines=tuple(_line(sample) for sample in samples),
        input_tokens=sum(sample.input_tokens for sample in samples),
        output_tokens=sum(sample.output_tokens for sample in samples),
        node_count=len(samples),
        running_time_ms=None,
        warnings={},
    )


def metered(
    body: bytes,
    *,
    points_per_price_unit: Decimal,
    points_per_node_max: Decimal,
    regime: Regime = "auto",
) -> Usage:
    """The usage in a finish body such as FastGPT posts, in points, as the service would count it.

    Raises:
        Unreadable: it is no JSON object.
    """
    finish = parse_finish(body)
    usage = counting.count(
        finish.nodes,
        regime=regime,
        points_per_node_max=points_per_node_max,
        has_chat_id=finish.chat_id is not None,
    )
    return rows.in_points(usage, points_per_price_unit=points_per_price_unit)


def _line(sample: Sample) -> Line:
    return Line(
        model=sample.model,
        node_kind=sample.node_kind,
        input_tokens=sample.input_tokens,
        output_tokens=sample.output_tokens,
        embedding_tokens=sample.embedding_tokens,
        rerank_tokens=sample.rerank_tokens,
        points=sample.points,
    )
