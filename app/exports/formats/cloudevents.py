"""CloudEvents 1.0 in structured JSON, one a line, for meters: OpenMeter, Lago, Stripe and others.

The id is the same whenever the row is exported again, so that a meter counts it once. How each
takes them stands in docs/exports.md.
"""

from collections.abc import Iterable
from itertools import repeat

import msgspec

from app.exports.columns import Batch
from app.exports.formats.json_lines import lines_of, objects, row_type
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally

SPEC_VERSION = "1.0"


class _Told(msgspec.Struct, gc=False):
    """An event; its attributes in the order in which they are written."""

    specversion: str
    type: str
    source: str
    id: str
    time: str
    datacontenttype: str
    data: msgspec.Struct
    subject: str | msgspec.UnsetType


class CloudEventsWriter:
    def __init__(self, sheet: Sheet, sink: Sink) -> None:
        table = sheet.table
        if table.event is None or table.time is None:
            raise AssertionError(f"rows of {table.name} are no events")
        self._columns = table.columns
        self._row = row_type(self._columns)
        self._event = table.event
        self._time = table.place(table.time)
        self._subject = None if table.event.subject is None else table.place(table.event.subject)
        self._source = sheet.source
        self._sink = sink

    def begin(self) -> None:
        pass

    def write(self, batch: Batch) -> None:
        self._sink.write(b"".join(map(self._encoded, batch.pieces())))

    def _encoded(self, batch: Batch) -> bytes:
        events = map(
            _Told,
            repeat(SPEC_VERSION),
            repeat(self._event.type),
            repeat(self._source),
            map(self._event.id_of, batch.rows),
            batch.columns[self._time],
            repeat("application/json"),
            objects(self._row, self._columns, batch),
            self._subjects(batch),
        )
        return lines_of(events)

    def _subjects(self, batch: Batch) -> Iterable[str | msgspec.UnsetType]:
        """An attribute that is not known is left out: the specification has no null."""
        if self._subject is None:
            return repeat(msgspec.UNSET)
        return [subject or msgspec.UNSET for subject in batch.columns[self._subject]]

    def end(self, tally: Tally) -> None:
        pass

    def drop(self) -> None:
        pass


FORMAT = Format(
    name="cloudevents",
    about="CloudEvents 1.0, one a line, for meters.",
    suffix="cloudevents.jsonl",
    media_type="application/x-ndjson; charset=utf-8",
    open=CloudEventsWriter,
    tables=frozenset({"events", "lines", "postings", "refusals", "audit"}),
)
