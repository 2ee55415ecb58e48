"""CSV as RFC 4180 has it: UTF-8, CRLF, quotes where they are needed, no formulas.

What is empty and what is not known are both nothing between two commas.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from app.csv_text import guarded
from app.exports.cells import csv_texts
from app.exports.columns import Batch
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally

BOM = "\ufeff"


class CsvWriter:
    def __init__(self, sheet: Sheet, sink: Sink) -> None:
        self._sheet = sheet
        self._sink = sink
        self._kinds = [column.kind for column in sheet.table.columns]

    def begin(self) -> None:
        mark = BOM if self._sheet.with_bom else ""
        names = [guarded(name) for name in self._sheet.table.names]
        self._sink.write(encoded([names], mark))

    def write(self, batch: Batch) -> None:
        columns = map(csv_texts, self._kinds, batch.columns)
        self._sink.write(encoded(zip(*columns, strict=True)))

    def end(self, tally: Tally) -> None:
        pass

    def drop(self) -> None:
        pass


def encoded(rows: Iterable[Sequence[Any]], mark: str = "") -> bytes:
    """The rows as bytes of a CSV file."""
    buffer = io.StringIO(newline="")
    buffer.write(mark)
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")


FORMAT = Format(
    name="csv",
    about="CSV in UTF-8 for spreadsheets and databases.",
    suffix="csv",
    media_type="text/csv; charset=utf-8",
    open=CsvWriter,
)
