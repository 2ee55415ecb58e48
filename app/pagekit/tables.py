"""Tables as files to take away: CSV that spreadsheets open without harm, and JSON Lines.

Rows are written as they come, so a table may be longer than the memory.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from flask import Response

from app.csv_text import BOM, Cell, cell, csv_lines, plain

__all__ = ("BOM", "Cell", "cell", "csv_response", "json_lines_response")


def csv_response(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], name: str, *, with_bom: bool = False
) -> Response:
    """A file ``<name>.csv`` with a heading; ``rows`` may be a generator."""
    lines = csv_lines(columns, rows, with_bom=with_bom)
    return _file(lines, f"{name}.csv", "text/csv; charset=utf-8")


def json_lines_response(rows: Iterable[Mapping[str, object]], name: str) -> Response:
    """A file ``<name>.jsonl``: one object a line; Decimals as text, times as ISO 8601."""
    lines = (json.dumps(row, ensure_ascii=False, default=plain) + "\n" for row in rows)
    return _file(lines, f"{name}.jsonl", "application/x-ndjson; charset=utf-8")


def _file(lines: Iterable[str], name: str, content_type: str) -> Response:
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    chunks = (line.encode("utf-8", "replace") for line in lines)
    response = Response(chunks, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    return response
