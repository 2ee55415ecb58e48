"""JSON Lines: an object a line; decimals as text, because most readers make floats of numbers."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from app.exports.cells import decimal_texts
from app.exports.columns import Batch, Column
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally

_encoder = msgspec.json.Encoder()


class JsonLinesWriter:
    def __init__(self, sheet: Sheet, sink: Sink) -> None:
        self._columns = sheet.table.columns
        self._row = row_type(self._columns)
        self._sink = sink

    def begin(self) -> None:
        pass

    def write(self, batch: Batch) -> None:
        lines = (lines_of(objects(self._row, self._columns, piece)) for piece in batch.pieces())
        self._sink.write(b"".join(lines))

    def end(self, tally: Tally) -> None:
        pass

    def drop(self) -> None:
        pass


def lines_of(objects: Iterable[msgspec.Struct]) -> bytes:
    """Each as JSON on a line of its own."""
    # Of an iterator msgspec 0.22 keeps a reference for good, and with it the rows: of a list not.
    return _encoder.encode_lines(list(objects))


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
