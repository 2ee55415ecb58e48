"""What goes into the tables of usage: exact amounts become nano-units here, and still add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.metering.counting import NOISE, Line, Usage
from app.money import EXACT, allocate, from_nano, to_nano

PER_QUESTION = "perQuestion"
"""The node kind of the price of a question that called no model."""

_NOISE_SHARE = to_nano(NOISE)


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
    segment_id: int | None = None


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
    """Also of a line whose points are more than noise, though its share of them is not: prices go
    by shares when an event is priced again, and must find what they found in the exact points."""


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
    lost most. ``stored_usage`` reads rows back, and a price book finds in them what it found in
    the lines. An answer that used nothing, yet costs something by the price of a question, has one
    row that no model and no node stands in.
    """
    if not lines and charge:
        return [LineRow("", PER_QUESTION, None, None, None, None, points=points, charge=charge)]
    shares = _shares(points, lines)
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
            is_covered=line.is_covered or (share <= _NOISE_SHARE and line.points > NOISE),
        )
        for line, share, its_charge in zip(lines, shares, line_charges, strict=True)
    ]


def stored_usage(total: Decimal, lines: Sequence[LineRow]) -> Usage:
    """What was used, read back from an event's rows, to be priced again.

    ``total`` are the event's exact points, as its arithmetic has them. The lines have their shares
    of it in whole nano-points, so together they are up to half a nano-point away from it.
    """
    return Usage(
        generation="G?",
        unit="points",
        total=total,
        lines=tuple(
            Line(
                model=row.model,
                node_kind=row.node_kind,
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
                embedding_tokens=row.embedding_tokens,
                rerank_tokens=row.rerank_tokens,
                points=from_nano(row.points),
                is_covered=row.is_covered,
            )
            for row in lines
            if not (_is_per_question(row) and not total)
        ),
        input_tokens=None,
        output_tokens=None,
        node_count=len(lines),
        running_time_ms=None,
        warnings={},
    )


def _is_per_question(row: LineRow) -> bool:
    tokens = (row.input_tokens, row.output_tokens, row.embedding_tokens, row.rerank_tokens)
    return row.node_kind == PER_QUESTION and not row.model and tokens == (None,) * 4


def _shares(points: int, lines: Sequence[Line]) -> list[int]:
    shares = allocate(points, [line.points for line in lines])
    for place, line in enumerate(lines):
        # Rounding up may lift noise above noise. Another line is short of that nano-point then.
        if line.points <= NOISE and shares[place] > _NOISE_SHARE:
            missing = [
                EXACT.subtract(line.points, from_nano(share))
                for line, share in zip(lines, shares, strict=True)
            ]
            shares[place] -= 1
            shares[missing.index(max(missing))] += 1
    return shares
