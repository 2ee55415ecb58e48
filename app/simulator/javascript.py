"""Numbers and JSON as FastGPT's JavaScript writes them.

FastGPT adds up doubles, so its bodies carry 1.8800000000000003 where a person expects 1.88. The
exact amount is the decimal that was printed. This is the one place where amounts are floats: they
are somebody else's.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_POINT_MAX = 21
_POINT_MIN = -6


def number_text(number: float) -> str:
    """As ``String(number)`` prints it: the shortest digits that mean this double."""
    if not math.isfinite(number):
        raise ValueError(f"{number} has no JSON form")
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent)  # where the decimal point stands, from the first digit
    return ("-" if sign else "") + _place_point(text, point)


def exact(number: float) -> Decimal:
    """The decimal that ``number_text`` prints: what a reader of the body must count."""
    return Decimal(number_text(number))


def stringify(value: object) -> str:
    """``JSON.stringify``: no blanks, NaN and infinities as null, lone surrogates escaped."""
    if isinstance(value, str):
        quoted = json.dumps(value, ensure_ascii=False)
        return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return number_text(value) if math.isfinite(value) else "null"
    if isinstance(value, Mapping):
        pairs = (f"{stringify(str(key))}:{stringify(item)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(stringify, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _place_point(digits: str, point: int) -> str:
    if len(digits) <= point <= _POINT_MAX:
        return digits + "0" * (point - len(digits))
    if 0 < point <= _POINT_MAX:
        return f"{digits[:point]}.{digits[point:]}"
    if _POINT_MIN < point <= 0:
        return f"0.{'0' * -point}{digits}"
    power = point - 1
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{'+' if power > 0 else '-'}{abs(power)}"
