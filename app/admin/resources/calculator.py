"""What a chat would cost: by typed calls, or by what FastGPT reports of one. Nothing is kept."""

import json
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from app.admin.desk import Desk
from app.errors import Invalid
from app.metering.counting import Usage
from app.money import from_nano, to_nano
from app.plans import store as plan_store
from app.pricing import preview, rating, store
from app.pricing.book import DEFAULT_BOOK, PriceBook
from app.pricing.preview import NODE_KIND, Sample

CALLS_MAX = 50
TOKENS_MAX = 10**12
BODY_CHARS_MAX = 2_000_000

Tokens = Annotated[int, Field(ge=0, le=TOKENS_MAX)]
Amount = Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=9)]


class CallIn(BaseModel):
    """One model call."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[str, Field(max_length=200)] = ""
    """As FastGPT displays it."""
    node_kind: Annotated[str, Field(max_length=60)] = NODE_KIND
    points: Amount = Decimal(0)
    """What FastGPT charges its team for it."""
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    embedding_tokens: Tokens = 0
    rerank_tokens: Tokens = 0


class TermsIn(BaseModel):
    """By which prices, and for whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int | None, Field(ge=1, lt=2**63)] = None
    """Default: the version in force now."""
    book: PriceBook | None = None
    """Prices that are not published, instead of a version."""
    plan: Annotated[str | None, Field(max_length=80)] = None
    """With the multiplier of this plan."""
    link_multiplier: Annotated[Decimal, Field(ge=0, le=1000, decimal_places=9)] = Decimal(1)
    allowance_used: Amount = Decimal(0)
    """How much of the month's free allowance is gone."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "TermsIn":
        if self.version is not None and self.book is not None:
            raise ValueError("give either version or book")
        return self


class CalculationIn(TermsIn):
    """Calls to price."""

    calls: Annotated[list[CallIn], Field(max_length=CALLS_MAX)]


class MeteringIn(TermsIn):
    """What FastGPT reports of a chat, to be metered and priced."""

    response_data: Annotated[list[dict[str, Any]], Field(max_length=2000)]
    """``responseData`` of a finish."""


class CostLineOut(BaseModel):
    """One model call, and its part of the charge."""

    model: str
    node_kind: str
    input_tokens: int | None
    output_tokens: int | None
    embedding_tokens: int | None
    rerank_tokens: int | None
    points: Decimal
    charge: Decimal


class CostOut(BaseModel):
    """What it would cost, and how that comes about."""

    charge: Decimal
    currency: str
    version: int | None
    allowance_taken: Decimal
    lines: list[CostLineOut]
    unpriced: list[str]
    warnings: dict[str, int] = Field(description="What metering did not understand or believe.")
    arithmetic: dict[str, Any] = Field(description="Step by step, as it is stored with an answer.")


def calculate(desk: Desk, asked: CalculationIn) -> CostOut:
    samples = [Sample(**call.model_dump()) for call in asked.calls]
    return _cost(desk, asked, preview.usage_of(samples))


def meter(desk: Desk, asked: MeteringIn) -> CostOut:
    """Raises: Unreadable (Invalid), when it cannot be read."""
    body = json.dumps({"responseData": asked.response_data}).encode()
    return _cost(desk, asked, _metered(desk, body))


def meter_text(desk: Desk, terms: TermsIn, text: str) -> CostOut:
    """Of a pasted ``responseData``, or a whole body that has one.

    Raises:
        Invalid: it cannot be read, or is longer than anybody pastes.
    """
    pasted = text.strip()
    if not pasted:
        raise Invalid("paste a responseData", code="response_data_missing")
    if len(pasted) > BODY_CHARS_MAX:
        raise Invalid(f"at most {BODY_CHARS_MAX} characters", code="response_data_too_long")
    if pasted.startswith("["):
        pasted = f'{{"responseData":{pasted}}}'
    return _cost(desk, terms, _metered(desk, pasted.encode("utf-8", "replace")))


def _metered(desk: Desk, body: bytes) -> Usage:
    rules = desk.settings.metering
    return preview.metered(
        body,
        points_per_price_unit=rules.points_per_price_unit,
        points_per_node_max=rules.points_per_node_max,
    )


def _cost(desk: Desk, terms: TermsIn, usage: Usage) -> CostOut:
    with desk.db.read() as session:
        book, version = _book(session, desk, terms)
        plan = plan_store.get_by_name(session, terms.plan) if terms.plan else None
    charge = rating.rate(
        usage,
        book=book,
        link_multiplier=terms.link_multiplier,
        plan_multiplier=Decimal(1) if plan is None else from_nano(plan.price_multiplier),
        allowance_used=to_nano(terms.allowance_used),
    )
    shares = charge.line_charges or (0,) * len(usage.lines)
    lines = [
        CostLineOut(
            model=line.model,
            node_kind=line.node_kind,
            input_tokens=line.input_tokens,
            output_tokens=line.output_tokens,
            embedding_tokens=line.embedding_tokens,
            rerank_tokens=line.rerank_tokens,
            points=line.points,
            charge=from_nano(share),
        )
        for line, share in zip(usage.lines, shares, strict=True)
    ]
    return CostOut(
        charge=from_nano(charge.total),
        currency=book.currency,
        version=version,
        allowance_taken=from_nano(charge.allowance_taken),
        lines=lines,
        unpriced=list(charge.unpriced),
        warnings=dict(usage.warnings),
        arithmetic=charge.arithmetic,
    )


def _book(session: Session, desk: Desk, terms: TermsIn) -> tuple[PriceBook, int | None]:
    if terms.book is not None:
        return terms.book, None
    if terms.version is not None:
        return store.book_of(store.get(session, terms.version)), terms.version
    version = store.find_in_force(session, desk.now)
    return (store.book_of(version), version.id) if version else (DEFAULT_BOOK, None)
