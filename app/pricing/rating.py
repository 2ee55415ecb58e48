"""Turn usage into a charge. Exact until the one rounding of the total."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.errors import Invalid
from app.metering.counting import NOISE, Line, Usage
from app.money import EXACT, allocate, format_nano, to_nano
from app.pricing.book import ModelPrice, PriceBook, plain

NAMES_MAX = 20
"""Model names listed in the arithmetic of one charge."""

_ZERO = Decimal(0)
_THOUSAND = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Charge:
    """What one answer costs, in nano-units of the book's currency."""

    total: int
    line_charges: tuple[int, ...]
    """One a line of the usage, in its order; they add up to ``total``. Empty without lines."""
    allowance_taken: int
    """The part that was free; ``total`` is without it."""
    allowance_used_now: int
    """The month's allowance used up to and with this answer."""
    unpriced: tuple[str, ...]
    """Models that were used and cost nothing because no price fits them; the first few."""
    arithmetic: dict[str, object]
    """How it came about, step by step: JSON-safe, amounts as decimal text."""


def rate(
    usage: Usage,
    *,
    book: PriceBook,
    link_multiplier: Decimal,
    plan_multiplier: Decimal,
    allowance_used: int,
) -> Charge:
    """Price an answer.

    Points and matched tokens of each line, plus the price of a question, times both multipliers;
    not less than the minimum; rounded half up to a nano-unit; less what is left of the month's
    allowance (``allowance_used`` nano-units of it are gone). A multiplier of zero makes all free.

    Raises:
        Invalid: the usage is in 2023 prices (convert it first), or the charge is beyond what the
            ledger can hold (``amount_out_of_range``).
    """
    if usage.unit != "points":
        raise Invalid("usage in 2023 prices must be converted to points before it is rated")
    priced = [_priced(line, book) for line in usage.lines]
    sums = _sums(usage, priced, book, link_multiplier, plan_multiplier)
    rounded = to_nano(max(sums.multiplied, sums.minimum))
    left = max(to_nano(book.monthly_allowance) - allowance_used, 0)
    taken = min(rounded, left)
    total = rounded - taken
    unpriced = _unpriced(usage.lines, priced)
    return Charge(
        total=total,
        line_charges=tuple(allocate(total, [one.amount for one in priced])),
        allowance_taken=taken,
        allowance_used_now=allowance_used + taken,
        unpriced=unpriced,
        arithmetic={
            "currency": book.currency,
            "points": plain(usage.total),
            "per_point": plain(book.per_point),
            "points_amount": plain(sums.points),
            "tokens": _token_steps(usage.lines, priced),
            "per_question": plain(sums.question),
            "subtotal": plain(sums.subtotal),
            "link_multiplier": plain(link_multiplier),
            "plan_multiplier": plain(plan_multiplier),
            "multiplied": plain(sums.multiplied),
            "minimum": plain(sums.minimum),
            "rounded": format_nano(rounded),
            "allowance_left": format_nano(left),
            "allowance_taken": format_nano(taken),
            "charge": format_nano(total),
            "unpriced": list(unpriced),
        },
    )


def is_free(book: PriceBook, link_multiplier: Decimal, plan_multiplier: Decimal) -> bool:
    """Whether no answer can cost anything, so that no balance is needed to ask."""
    return book.is_free or not link_multiplier or not plan_multiplier


@dataclass(frozen=True, slots=True)
class _Priced:
    rule: ModelPrice | None
    tokens: Decimal
    amount: Decimal
    """Points and tokens together, before multipliers."""


@dataclass(frozen=True, slots=True)
class _Sums:
    points: Decimal
    question: Decimal
    subtotal: Decimal
    multiplied: Decimal
    minimum: Decimal


def _sums(
    usage: Usage,
    priced: Sequence[_Priced],
    book: PriceBook,
    link_multiplier: Decimal,
    plan_multiplier: Decimal,
) -> _Sums:
    is_billed = bool(usage.lines) or usage.total > 0 or book.zero_usage == "charged"
    question = book.per_question if is_billed else _ZERO
    # Of the total, which the lines add up to: lines read back from the tables are rounded.
    points = EXACT.multiply(usage.total, book.per_point)
    subtotal = _total((points, *(one.tokens for one in priced), question))
    multiplier = EXACT.multiply(link_multiplier, plan_multiplier)
    return _Sums(
        points=points,
        question=question,
        subtotal=subtotal,
        multiplied=EXACT.multiply(subtotal, multiplier),
        minimum=book.minimum if is_billed and multiplier else _ZERO,
    )


def _priced(line: Line, book: PriceBook) -> _Priced:
    rule = _rule_for(line, book)
    tokens_amount = _ZERO if rule is None else _tokens_amount(line, rule)
    points_amount = EXACT.multiply(line.points, book.per_point)
    return _Priced(rule, tokens_amount, EXACT.add(points_amount, tokens_amount))


def _rule_for(line: Line, book: PriceBook) -> ModelPrice | None:
    # What is below the noise of FastGPT's own sums is zero: it adds and subtracts doubles.
    costs_nothing = line.points <= NOISE and not line.is_covered
    for rule in book.models:
        if (rule.applies == "always" or costs_nothing) and rule.matches(line.model):
            return rule
    return None


def _tokens_amount(line: Line, rule: ModelPrice) -> Decimal:
    thousands = _total(
        EXACT.multiply(Decimal(tokens or 0), price) for _, tokens, price in _kinds(line, rule)
    )
    return EXACT.divide(thousands, _THOUSAND)


def _kinds(line: Line, rule: ModelPrice) -> tuple[tuple[str, int | None, Decimal], ...]:
    return (
        ("input", line.input_tokens, rule.input_per_1k),
        ("output", line.output_tokens, rule.output_per_1k),
        ("embedding", line.embedding_tokens, rule.embedding_per_1k),
        ("rerank", line.rerank_tokens, rule.rerank_per_1k),
    )


def _unpriced(lines: Sequence[Line], priced: Sequence[_Priced]) -> tuple[str, ...]:
    models = {
        line.model: None
        for line, one in zip(lines, priced, strict=True)
        if one.rule is None and not one.amount and not line.is_covered
    }
    return tuple(models)[:NAMES_MAX]


def _token_steps(lines: Sequence[Line], priced: Sequence[_Priced]) -> list[dict[str, object]]:
    """One step for each rule that priced a line, in the order of the answer."""
    by_rule: dict[ModelPrice, list[Line]] = {}
    for line, one in zip(lines, priced, strict=True):
        if one.rule is not None:
            by_rule.setdefault(one.rule, []).append(line)
    return [_token_step(rule, its_lines) for rule, its_lines in by_rule.items()]


def _token_step(rule: ModelPrice, lines: Sequence[Line]) -> dict[str, object]:
    step: dict[str, object] = {
        "pattern": rule.pattern,
        "applies": rule.applies,
        "models": list(dict.fromkeys(line.model for line in lines))[:NAMES_MAX],
    }
    used: dict[str, int] = {}
    for line in lines:
        for kind, tokens, _ in _kinds(line, rule):
            used[kind] = used.get(kind, 0) + (tokens or 0)
    for kind, _, price in _kinds(lines[0], rule):
        if used[kind]:
            step |= {f"{kind}_tokens": used[kind], f"{kind}_per_1k": plain(price)}
    step["amount"] = plain(_total(_tokens_amount(line, rule) for line in lines))
    return step


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
