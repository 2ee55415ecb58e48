"""What goes into the tables of usage: exact amounts become nano-units here, and still add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.metering.counting import Line, Usage
from app.money import EXACT, allocate, to_nano

PER_QUESTION = "perQuestion"
"""The node kind of the price of a question that called no model."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One finish as it will stand in ``usage_events``; amounts in nano-units."""

    reference: str
    idempotency_key: str
    fingerprint: str
    link_id: int
    user_id: int
    plan_id: int | None
    price_version_id: int | None
    received_at: datetime
    app_name: str | None
    chat_id: str | None
    generation: str
    billed_by: str
    points: int
    price_sum: int | None
    charge: int
    input_tokens: int | None
    output_tokens: int | None
    node_count: int
    running_time_ms: int | None
    body_bytes: int
    warnings: Mapping[str, int]
    arithmetic: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line as it will stand in ``usage_lines``; amounts in nano-units."""

    model: str
    node_kind: str
    input_tokens: int | None
    output_tokens: int | None
    embedding_tokens: int | None
    rerank_tokens: int | None
    points: int
    charge: int
    is_covered: bool = False


@dataclass(frozen=True, slots=True)
class DayKey:
    """Which daily sum an event belongs to. ``day`` is by the operator's clock."""

    day: date
    is_guest: bool


def in_points(usage: Usage, *, points_per_price_unit: Decimal) -> Usage:
    """The same use counted in points: a 2023 price is converted, exactly; points stay."""
    if usage.unit == "points":
        return usage

    def converted(price: Decimal) -> Decimal:
        return EXACT.multiply(price, points_per_price_unit)

    lines = tuple(replace(line, points=converted(line.points)) for line in usage.lines)
    return replace(usage, unit="points", total=converted(usage.total), lines=lines)


def price_sum(usage: Usage) -> int | None:
    """The raw sum of 2023 prices in nano-units of 1e-5 CNY; None for usage in points."""
    return to_nano(usage.total) if usage.unit == "price" else None


def line_rows(
    lines: Sequence[Line], *, points: int, charge: int, line_charges: Sequence[int]
) -> list[LineRow]:
    """Rows that add up to the event's ``points`` and ``charge``; ``line_charges`` one a line.

    Each line's share is its exact points rounded down; what is left over goes to the lines that
    lost most. An answer that used nothing, yet costs something by the price of a question, has one
    row that no model and no node stands in.
    """
    if not lines and charge:
        return [LineRow("", PER_QUESTION, None, None, None, None, points=points, charge=charge)]
    shares = allocate(points, [line.points for line in lines])
    return [
        LineRow(
            model=line.model,
            node_kind=line.node_kind,
            input_tokens=line.input_tokens,
            output_tokens=line.output_tokens,
            embedding_tokens=line.embedding_tokens,
            rerank_tokens=line.rerank_tokens,
            points=share,
            charge=its_charge,
            is_covered=line.is_covered,
        )
        for line, share, its_charge in zip(lines, shares, line_charges, strict=True)
    ]
