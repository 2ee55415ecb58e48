"""Tables as files to take away: CSV that spreadsheets open without harm, and JSON Lines.

Rows are written as they come, so a table may be longer than the memory.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from flask import Response

from app.exports.cells import guarded
from app.money import format_nano, to_nano

BOM = "\ufeff"
"""Excel takes a file that begins with it for UTF-8."""

Cell = str | int | Decimal | bool | datetime | None | Mapping[str, object] | Sequence[object]


def csv_response(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], name: str, *, with_bom: bool = False
) -> Response:
    """A file ``<name>.csv`` with a heading; ``rows`` may be a generator."""
    lines = _csv_lines(columns, rows, with_bom=with_bom)
    return _file(lines, f"{name}.csv", "text/csv; charset=utf-8")


def json_lines_response(rows: Iterable[Mapping[str, object]], name: str) -> Response:
    """A file ``<name>.jsonl``: one object a line; Decimals as text, times as ISO 8601."""
    lines = (json.dumps(row, ensure_ascii=False, default=_plain) + "\n" for row in rows)
    return _file(lines, f"{name}.jsonl", "application/x-ndjson; charset=utf-8")


def cell(value: Cell) -> str:
    """The value as text that no spreadsheet takes for a formula.

    Text that begins like one gets an apostrophe before it; numbers stay numbers.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else _text(value)
    return guarded(text)


def _text(value: Cell) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal | datetime):
        return str(_plain(value))
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format_nano(to_nano(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _csv_lines(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, with_bom: bool
) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if with_bom:
        buffer.write(BOM)
    writer.writerow([cell(name) for name in columns])
    yield _taken(buffer)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _file(lines: Iterable[str], name: str, content_type: str) -> Response:
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    chunks = (line.encode("utf-8", "replace") for line in lines)
    response = Response(chunks, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    return response
