"""CSV as RFC 4180 has it: UTF-8, CRLF, quotes where they are needed, no formulas.

What is empty and what is not known are both nothing between two commas.
"""

from collections.abc import Sequence

from app.exports.cells import csv_texts, csv_values
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
        self._sink.write(encoded([csv_texts([name]) for name in self._sheet.table.names], mark))

    def write(self, batch: Batch) -> None:
        pieces = (list(map(csv_values, self._kinds, piece.columns)) for piece in batch.pieces())
        self._sink.write(b"".join(map(encoded, pieces)))

    def end(self, tally: Tally) -> None:
        pass

    def drop(self) -> None:
        pass


def encoded(columns: Sequence[Sequence[str]], mark: str = "") -> bytes:
    """Rows as bytes of a CSV file, from two or more columns as ``cells`` makes them.

    What ``csv.writer`` gives of the same rows, at a fifth of its cost.
    """
    lines = "\r\n".join(map(",".join, zip(*columns, strict=True)))
    return f"{mark}{lines}\r\n".encode("utf-8", "replace")


FORMAT = Format(
    name="csv",
    about="CSV in UTF-8 for spreadsheets and databases.",
    suffix="csv",
    media_type="text/csv; charset=utf-8",
    open=CsvWriter,
)
