"""Tables as text: CSV that spreadsheets open without harm, and values as JSON has them. Pure."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from app.money import format_nano, to_nano

BOM = "\ufeff"
"""Excel takes a file that begins with it for UTF-8."""
RISKY = re.compile(r"[\s\0]*[=+\-@|%＝＋－＠]|[\t\r\n']")
"""How a text begins that a spreadsheet would not show as it is."""
RISKY_FIRST = r"[\s\0=+\-@|%＝＋－＠']"
"""The first character of all such texts; of few others."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")

Cell = str | int | Decimal | bool | datetime | None | Mapping[str, object] | Sequence[object]


def csv_lines(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, with_bom: bool
) -> Iterator[str]:
    """The lines of a file, the heading first; ``rows`` may be a generator."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if with_bom:
        buffer.write(BOM)
    writer.writerow([cell(name) for name in columns])
    yield _taken(buffer)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        yield _taken(buffer)


def cell(value: Cell) -> str:
    """The value as text that no spreadsheet takes for a formula; see ``guarded``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else _text(value)
    return guarded(text)


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula.

    One that begins like a formula gets an apostrophe before it, and so does one that begins with
    an apostrophe itself: whoever takes one from the beginning of a cell has the text again. Plain
    numbers stay as they are.
    """
    text = text.replace("\0", "")
    if RISKY.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _text(value: Cell) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal | datetime):
        return str(plain(value))
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=plain)


def plain(value: object) -> str:
    """What JSON has no word for, as text: Decimals without trailing zeros, times as ISO 8601."""
    if isinstance(value, Decimal):
        return format_nano(to_nano(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
