"""Read one JSON value leniently: what it says when it is of the wanted type, else a warning.

Values arrive as slices of the body; a number becomes a ``Decimal`` from its text, never a float.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import msgspec

from app.metering.json_repair import repair
from app.metering.tally import Tally
from app.money import EXACT

NUMBER_TEXT_MAX = 400
"""Characters of a number that is still looked at; a double needs 25."""
ADJUSTED_MAX = 40
DECIMALS_MAX = 50
"""Decimals that count. Doubles of a realistic size have fewer; sums stay exact within EXACT."""
TOKENS_MAX = 10**9
"""Tokens a single call is believed to use."""

_QUANTUM = Decimal(1).scaleb(-DECIMALS_MAX)
_TEXT = msgspec.json.Decoder(str)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_BLANKS = b" \t\r\n"
_STRUCTURE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)


def is_absent(raw: msgspec.Raw) -> bool:
    return len(memoryview(raw)) == 0


def is_null(raw: msgspec.Raw) -> bool:
    return first_byte(raw) == b"n"


def is_number(raw: msgspec.Raw) -> bool:
    return first_byte(raw) in b"-0123456789" and not is_absent(raw)


def first_byte(raw: msgspec.Raw) -> bytes:
    return bytes(memoryview(raw)[:1])


def text(raw: msgspec.Raw) -> str | None:
    """The string, or None when it is absent or something else."""
    if first_byte(raw) != b'"':
        return None
    try:
        return _TEXT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _TEXT.decode(repair(bytes(raw)).body)


def stored_text(raw: msgspec.Raw, field: str, length_max: int, tally: Tally) -> str | None:
    """Text fit for a column of either database: no NUL, no surrogates, at most ``length_max``."""
    if is_absent(raw) or is_null(raw):
        return None
    value = text(raw)
    if value is None:
        tally.add("text_not_a_string", field)
        return None
    scrubbed = scrub(value)
    if scrubbed != value:
        tally.add("text_scrubbed", field)
    if len(scrubbed) > length_max:
        tally.add("text_cut", field)
    return scrubbed[:length_max]


def scrub(value: str) -> str:
    """Replace what PostgreSQL refuses in text: NUL and code points UTF-8 cannot encode."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def amount(raw: msgspec.Raw, field: str, tally: Tally) -> Decimal | None:
    """The number, whatever its sign and size, or None when there is none to believe."""
    if is_absent(raw):
        return None
    if is_null(raw):
        tally.add(f"{field}_null")
        return None
    if not is_number(raw):
        tally.add(f"{field}_not_a_number")
        return None
    value = _decimal(raw)
    if value is None or value.adjusted() > ADJUSTED_MAX:
        tally.add(f"{field}_absurd")
        return None
    if _is_finer(value):
        tally.add(f"{field}_too_fine")
        return value.quantize(_QUANTUM, ROUND_HALF_UP, EXACT)
    return value


def tokens(raw: msgspec.Raw, tally: Tally) -> int | None:
    """A whole number of tokens from 0 to ``TOKENS_MAX``, or None."""
    value = amount(raw, "tokens", tally)
    if value is None:
        return None
    if value < 0:
        tally.add("tokens_negative")
        return None
    if value > TOKENS_MAX:
        tally.add("tokens_absurd")
        return None
    whole = value.to_integral_value(ROUND_HALF_UP)
    if whole != value:
        tally.add("tokens_fractional")
    return int(whole)


def items(raw: msgspec.Raw, *, is_dense: bool) -> Iterable[msgspec.Raw] | None:
    """The list's values, or None when it is no list.

    ``is_dense``: the body is made of so many small values that they are found one at a time, which
    is slow but holds no list of them.
    """
    if first_byte(raw) != b"[":
        return None
    return _one_by_one(memoryview(raw)) if is_dense else _LIST.decode(raw)


def _one_by_one(view: memoryview) -> Iterator[msgspec.Raw]:
    depth, start = 0, 1
    for token in _STRUCTURE.finditer(view):
        mark = token.group()
        if mark in {b"[", b"{"}:
            depth += 1
        elif mark in {b"]", b"}"}:
            depth -= 1
        if depth == 0 or (depth == 1 and mark == b","):
            value = _trimmed(view[start : token.start()])
            if len(value):
                yield msgspec.Raw(value)
            start = token.end()


def _trimmed(view: memoryview) -> memoryview:
    start, end = 0, len(view)
    while start < end and view[start] in _BLANKS:
        start += 1
    while end > start and view[end - 1] in _BLANKS:
        end -= 1
    return view[start:end]


def _decimal(raw: msgspec.Raw) -> Decimal | None:
    digits = bytes(raw)
    if len(digits) > NUMBER_TEXT_MAX:
        return None
    try:
        value = Decimal(digits.decode())
    except InvalidOperation:
        return None
    return value or Decimal(0)  # -0 and 0e99 are just zero


def _is_finer(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent < -DECIMALS_MAX
