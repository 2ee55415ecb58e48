"""Values as the text of a cell, a column at a time: that is what makes long files quick."""

import re
from collections.abc import Sequence
from typing import Any

from app.csv_text import RISKY, guarded
from app.exports.columns import Kind
from app.money import format_nano

_ANY_RISKY = re.compile(f"\x01(?:{RISKY.pattern})|\0")
"""The same in many texts at once, each with a mark before it."""


def guarded_texts(values: Sequence[str | None]) -> Sequence[str | None]:
    """``guarded`` for a column; most have few different values, and nothing to guard."""
    distinct = {text for text in values if text}
    if not distinct or not _ANY_RISKY.search("\x01" + "\x01".join(distinct)):
        return values
    changed = {text: safe for text in distinct if (safe := guarded(text)) != text}
    return [changed.get(value, value) if value else value for value in values]


def decimal_texts(values: Sequence[int | None]) -> list[str | None]:
    texts = {nano: format_nano(nano) for nano in set(values) if nano is not None}
    return [None if nano is None else texts[nano] for nano in values]


def flag_texts(values: Sequence[bool | None]) -> list[str | None]:
    return [None if flag is None else "true" if flag else "false" for flag in values]


def csv_texts(kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    """What ``csv.writer`` is to write; integers may stay integers."""
    if kind in {"text", "json"}:
        return guarded_texts(values)
    if kind == "decimal":
        return decimal_texts(values)
    if kind == "flag":
        return flag_texts(values)
    return values
