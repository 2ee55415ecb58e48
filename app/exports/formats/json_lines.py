"""JSON Lines: an object a line; decimals as text, because most readers make floats of numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from app.exports.cells import decimal_texts
from app.exports.columns import Batch, Column
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally


class JsonLinesWriter:
    def __init__(self, sheet: Sheet, sink: Sink) -> None:
        self._columns = sheet.table.columns
        self._row = row_type(self._columns)
        self._sink = sink
        self._encoder = msgspec.json.Encoder()

    def begin(self) -> None:
        pass

    def write(self, batch: Batch) -> None:
        lines = (
            self._encoder.encode_lines(objects(self._row, self._columns, piece))
            for piece in batch.pieces()
        )
        self._sink.write(b"".join(lines))

    def end(self, tally: Tally) -> None:
        pass

    def drop(self) -> None:
        pass


def row_type(columns: Sequence[Column]) -> type[msgspec.Struct]:
    """What a row is an object of: made and encoded in a third of the time that a dict takes."""
    return msgspec.defstruct("Row", [column.name for column in columns], gc=False)


def objects(
    row: type[msgspec.Struct], columns: Sequence[Column], batch: Batch
) -> Iterator[msgspec.Struct]:
    """Each row as an object of that type, ready to be encoded."""
    values = [
        _json_values(column, found) for column, found in zip(columns, batch.columns, strict=True)
    ]
    return map(row, *values)


def _json_values(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    if column.kind == "decimal":
        return [text or None for text in decimal_texts(values)]
    if column.kind == "json":
        return [None if text is None else msgspec.Raw(text.encode()) for text in values]
    return values


FORMAT = Format(
    name="jsonl",
    about="JSON Lines: one object a line, decimals as text.",
    suffix="jsonl",
    media_type="application/x-ndjson; charset=utf-8",
    open=JsonLinesWriter,
)
