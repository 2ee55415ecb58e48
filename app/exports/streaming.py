"""An export as bytes that leave as they are made, for whoever fetches it over HTTP.

Nothing of it can be gone on with, and it has no manifest: both are what jobs are for.
"""

import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from app.db import Database
from app.errors import Invalid
from app.exports import reading
from app.exports.columns import Batch
from app.exports.files import CHUNK, GzipSink
from app.exports.formats.port import Sink, Writer
from app.exports.order import Order
from app.exports.tally import Tally
from app.exports.usage.store import Archived

WORKBOOK_ROWS_MAX = 100_000
"""A workbook begins to leave when it is whole: with more rows whoever waits would give up."""


class ExportTooLarge(Invalid):
    """It takes longer to make than anybody waits."""

    code = "export_too_large"


class _Drain:
    """Takes bytes until somebody comes for them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def stream(db: Database, order: Order, archives: Archived) -> Iterator[bytes]:
    """The bytes of an order's one file; ``order`` is made by ``reading.prepare``.

    Raises:
        ExportTooLarge: a workbook of so many rows. Before the first byte.
    """
    if order.form.name == "xlsx":
        return _workbook(db, order, archives)
    return _flow(db, order, archives)


def _flow(db: Database, order: Order, archives: Archived) -> Iterator[bytes]:
    drain = _Drain()
    sink = Sink(cast("BinaryIO", drain))
    writer = order.form.open(order.sheet, GzipSink(sink) if order.gzip else sink)
    tally = Tally(order.table.columns)
    try:
        writer.begin()
        for _ in reading.pages(db, order, archives, writer.write):
            if piece := drain.take():
                yield piece
        writer.end(tally)
    except BaseException:
        writer.drop()
        raise
    yield drain.take()


def _workbook(db: Database, order: Order, archives: Archived) -> Iterator[bytes]:
    _refuse_large(db, order, archives)
    file = tempfile.TemporaryFile(prefix="shareauth-export-")  # noqa: SIM115 - closed at its end
    writer = order.form.open(order.sheet, Sink(cast("BinaryIO", file)))
    try:
        writer.begin()
        writer.end(_filled(db, order, archives, writer))
    except BaseException:
        writer.drop()
        file.close()
        raise
    file.seek(0)
    return _pieces(cast("BinaryIO", file))


def _refuse_large(db: Database, order: Order, archives: Archived) -> None:
    """Read the rows once more before any is written, which takes thirty times as long."""
    rows = 0

    def count(batch: Batch) -> None:
        nonlocal rows
        rows += len(batch)

    for _ in reading.pages(db, order, archives, count):
        if rows > WORKBOOK_ROWS_MAX:
            raise ExportTooLarge(
                f"a workbook of more than {WORKBOOK_ROWS_MAX:,} rows is not made while you "
                "wait: make it in the background, or take CSV"
            )


def _filled(db: Database, order: Order, archives: Archived, writer: Writer) -> Tally:
    tally = Tally(order.table.columns)

    def take(batch: Batch) -> None:
        tally.add(batch)
        writer.write(batch)

    for _ in reading.pages(db, order, archives, take):
        pass
    return tally


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(CHUNK):
            yield piece
