"""CloudEvents 1.0 in structured JSON, one a line, for meters: OpenMeter, Lago, Stripe and others.

The id is the same whenever the row is exported again, so that a meter counts it once. How each
takes them stands in docs/exports.md.
"""

from typing import Any

import msgspec

from app.exports.columns import Batch
from app.exports.formats.json_lines import objects
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally

SPEC_VERSION = "1.0"


class CloudEventsWriter:
    def __init__(self, sheet: Sheet, sink: Sink) -> None:
        table = sheet.table
        if table.event is None or table.time is None:
            raise AssertionError(f"rows of {table.name} are no events")
        self._columns = table.columns
        self._event = table.event
        self._time = table.time
        self._source = sheet.source
        self._sink = sink
        self._encoder = msgspec.json.Encoder()

    def begin(self) -> None:
        pass

    def write(self, batch: Batch) -> None:
        data = objects(self._columns, batch)
        events = [
            self._told(self._event.id_of(row), told)
            for row, told in zip(batch.rows, data, strict=True)
        ]
        self._sink.write(self._encoder.encode_lines(events))

    def end(self, tally: Tally) -> None:
        pass

    def drop(self) -> None:
        pass

    def _told(self, event_id: str, data: dict[str, Any]) -> dict[str, Any]:
        event = {
            "specversion": SPEC_VERSION,
            "type": self._event.type,
            "source": self._source,
            "id": event_id,
            "time": data[self._time],
            "datacontenttype": "application/json",
            "data": data,
        }
        # An attribute that is not known is left out: the specification has no null.
        if self._event.subject is not None and data[self._event.subject]:
            event["subject"] = data[self._event.subject]
        return event


FORMAT = Format(
    name="cloudevents",
    about="CloudEvents 1.0, one a line, for meters.",
    suffix="cloudevents.jsonl",
    media_type="application/x-ndjson; charset=utf-8",
    open=CloudEventsWriter,
    tables=frozenset({"events", "lines", "postings", "refusals", "audit"}),
)
