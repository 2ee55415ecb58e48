"""Exact amounts: integers of nano-units in tables and messages, ``Decimal`` in arithmetic.

One nano-unit is 1e-9 of a point or of the wallet currency. The one rounding rule of the service
is half up, away from zero on a tie, applied once, when a total becomes nano-units.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

from app.errors import Invalid

NANO = 1_000_000_000
NANO_MAX = 2**63 - 1
"""The largest amount a BIGINT column holds: about 9.2 billion units."""

MAGNITUDE_MAX = 40
"""Powers of ten; what is beyond is refused, or zero, without computing with it."""

_ONE_NANO = Decimal("1e-9")
_PLAIN = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,60})?")

EXACT = Context(prec=100, rounding=ROUND_HALF_UP)
"""Wide enough that sums and products of amounts are exact; use it, not the thread's context."""


def to_nano(amount: Decimal) -> int:
    """The amount in nano-units, rounded half up.

    Raises:
        Invalid: not finite, or too large for the ledger (``amount_out_of_range``).
    """
    if amount.is_zero():
        return 0
    if not amount.is_finite() or amount.adjusted() > MAGNITUDE_MAX:
        raise Invalid(f"{amount} is not an amount this ledger can hold", code="amount_out_of_range")
    if amount.adjusted() < -MAGNITUDE_MAX:
        return 0
    # quantize() rounds once; a product would be rounded to its 100 digits before.
    nano = int(amount.quantize(_ONE_NANO, context=EXACT).scaleb(9, EXACT))
    if abs(nano) > NANO_MAX:
        raise Invalid(f"{amount} is more than this ledger can hold", code="amount_out_of_range")
    return nano


def from_nano(nano: int) -> Decimal:
    """The exact amount of so many nano-units."""
    return Decimal(nano).scaleb(-9, EXACT)


def parse_amount(text: str) -> int:
    """Nano-units of an amount a person or a program wrote, such as ``"12.50"``.

    Raises:
        Invalid: not a plain decimal number, finer than nine decimals, or out of range.
    """
    # Decimal() also takes exponents, underscores and the digits of every script.
    if not _PLAIN.fullmatch(text.strip()):
        raise Invalid(f"{text[:60]!r} is not a decimal amount", code="amount_invalid")
    amount = Decimal(text.strip())
    nano = to_nano(amount)
    if from_nano(nano) != amount:
        raise Invalid(f"{text!r} has more than nine decimals", code="amount_too_fine")
    return nano


def format_nano(nano: int) -> str:
    """The amount as plain decimal text without trailing zeros: ``"13.7614"``, ``"0"``, ``"-2"``."""
    sign = "-" if nano < 0 else ""
    whole, fraction = divmod(abs(nano), NANO)
    return f"{sign}{whole}.{fraction:09d}".rstrip("0").rstrip(".")


def allocate(total: int, weights: Sequence[Decimal]) -> list[int]:
    """Split ``total`` in proportion to non-negative ``weights``; the parts add up to it exactly.

    Each part is floored and what is left goes, one unit each, to the largest remainders (the
    earlier part on a tie). Weights that are all zero give the whole to the first part. A weight
    counts to 40 decimals.
    """
    if not weights:
        return []
    # Integers, because quotients of decimals are rounded and parts must not be.
    scaled = [int(weight.scaleb(MAGNITUDE_MAX, EXACT)) for weight in weights]
    whole = sum(scaled)
    if whole == 0:
        return [total] + [0] * (len(weights) - 1)
    shares = [divmod(total * weight, whole) for weight in scaled]
    parts = [part for part, _ in shares]
    by_remainder = sorted(range(len(parts)), key=lambda i: (-shares[i][1], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
