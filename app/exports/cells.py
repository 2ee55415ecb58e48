"""Values as the text of a cell, a column at a time: that is what makes long files quick."""

import re
from collections.abc import Sequence
from typing import Any

from app.csv_text import RISKY, guarded
from app.exports.columns import Kind
from app.money import format_nano

_MARK = "\x01"
_ANY_RISKY = re.compile(f"{_MARK}(?:{RISKY.pattern})")
"""The same in many texts at once, each with a mark before it."""
_QUOTED = re.compile('[",\r\n]')
"""What a text is put into quotes for."""
_FLAGS = {None: "", False: "false", True: "true"}


def csv_texts(values: Sequence[str | None], *, is_guarded: bool = True) -> Sequence[str]:
    """Texts as they stand in a CSV file: in quotes where they need them; see ``guarded``.

    Most columns have nothing to guard or to quote, and are seen through at once.
    """
    known = blanks(values)
    joined = _MARK + _MARK.join(known)
    if not (
        any(char in joined for char in '",\r\n\0') or (is_guarded and _ANY_RISKY.search(joined))
    ):
        return known
    cells = {text: _quoted(guarded(text) if is_guarded else text) for text in set(known)}
    return [cells[text] for text in known]


def csv_values(kind: Kind, values: Sequence[Any]) -> Sequence[str]:
    """A column as it stands in a CSV file."""
    if kind in {"text", "json"}:
        return csv_texts(values)
    if kind == "integer":
        return integer_texts(values)
    if kind == "decimal":
        return blanks(decimal_texts(values))
    if kind == "flag":
        return [_FLAGS[flag] for flag in values]
    return blanks(values)


def blanks(values: Sequence[str | None]) -> Sequence[str]:
    """Nothing where nothing is known."""
    return [value or "" for value in values] if None in values else values  # type: ignore[return-value]


def decimal_texts(values: Sequence[int | None]) -> list[str | None]:
    return [None if nano is None else format_nano(nano) for nano in values]


def integer_texts(values: Sequence[int | None]) -> list[str]:
    if None in values:
        return ["" if number is None else str(number) for number in values]
    return list(map(str, values))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
