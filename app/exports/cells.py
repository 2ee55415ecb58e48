"""Values as the text of a cell, a column at a time: that is what makes long files quick."""

import re
from collections.abc import Sequence
from typing import Any

from app.exports.columns import Kind
from app.money import format_nano

_RISKY = re.compile(r"[\s\0]*[=+\-@|%＝＋－＠]|[\t\r\n']")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula.

    One that begins like a formula gets an apostrophe before it, and so does one that begins with
    an apostrophe itself: whoever takes one from the beginning of a cell has the text again. Plain
    numbers stay as they are.
    """
    text = text.replace("\0", "")
    if _RISKY.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def guarded_texts(values: Sequence[str | None]) -> Sequence[str | None]:
    """``guarded`` for a column; most have few different values, and nothing to guard."""
    distinct = set(values)
    distinct.discard(None)
    changed = {text: safe for text in distinct if text and (safe := _safe(text)) is not None}
    return [changed.get(value, value) for value in values] if changed else values  # type: ignore[arg-type]


def decimal_texts(values: Sequence[int | None]) -> list[str | None]:
    return [None if nano is None else format_nano(nano) for nano in values]


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


def _safe(text: str) -> str | None:
    if _RISKY.match(text) or "\0" in text:
        safe = guarded(text)
        return None if safe == text else safe
    return None
