"""What is counted of usage lines, wherever they are read from: equal counts mean equal lines."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.metering.events_digest import EventsDigest
from app.money import format_nano

COLUMNS = (
    "event_id",
    "position",
    "received_month",
    "model",
    "node_kind",
    "input_tokens",
    "output_tokens",
    "embedding_tokens",
    "rerank_tokens",
    "points",
    "charge",
    "is_covered",
)
"""Of a line, in the order in which they are digested."""
TOKENS = tuple(name for name in COLUMNS if name.endswith("_tokens"))


@dataclass(slots=True)
class Tally:
    """Sums and digests of lines that come by event and position."""

    rows: int = 0
    events: int = 0
    first_event: int = 0
    last_event: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKENS, 0))
    priced: EventsDigest = field(default_factory=EventsDigest)
    _lines: Any = field(default_factory=hashlib.sha256)
    _open: tuple[int, int] = (0, 0)

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        for line in lines:
            if line["event_id"] != self.last_event:
                self._close_event()
                self.events += 1
                self.first_event = self.first_event or line["event_id"]
                self.last_event = line["event_id"]
            self.rows += 1
            self._open = (self._open[0] + line["points"], self._open[1] + line["charge"])
            for name in TOKENS:
                self.tokens[name] += line[name] or 0
            self._lines.update(_text([line[name] for name in COLUMNS]))

    def facts(self) -> dict[str, Any]:
        """As they stand in a manifest: amounts as decimal text, numbers as such."""
        self._close_event()
        return {
            "rows": self.rows,
            "events": self.events,
            "first_event": self.first_event,
            "last_event": self.last_event,
            "points": format_nano(self.priced.points),
            "charge": format_nano(self.priced.charge),
            **self.tokens,
            "events_digest": self.priced.hexdigest(),
            "lines_digest": self._lines.hexdigest(),
        }

    def _close_event(self) -> None:
        self.priced.add(self.last_event, *self._open)
        self._open = (0, 0)


def _text(values: Sequence[object]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"
