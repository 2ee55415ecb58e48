"""What one drain takes from the spool, and what is left when it is done with it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from app.spool import frames, segments
from app.spool.aside import Aside
from app.spool.frames import Damage, Frame
from app.spool.segments import CLOSED, Segment

BATCH_BYTES_MAX = 8 * 1024 * 1024
"""At least one segment is taken, however large."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One waiting record."""

    segment: Segment
    frame: Frame

    def read_frame(self) -> bytes:
        return segments.piece(self.segment.path, self.frame.offset, self.frame.size)

    def read_payload(self) -> bytes:
        return frames.payload_of(self.read_frame())


class Batch:
    """The oldest closed segments. Only who holds the spool's drain lock may have one.

    ``entries`` are in order of arrival. Each is to be ``done`` once what became of it is durable,
    or ``reject``ed; those that are neither stay in the spool.
    """

    def __init__(self, found: Sequence[Segment], aside: Aside) -> None:
        self._aside = aside
        self._taken = _oldest(found)
        self._open: dict[Segment, list[Entry]] = defaultdict(list)
        self._settled: set[Entry] = set()
        self._must_stay: set[Segment] = set()
        self.damaged = 0
        for segment in self._taken:
            self._index(segment)
        self.entries = sorted(
            (entry for entries in self._open.values() for entry in entries),
            key=lambda entry: entry.frame.received_at,
        )

    def done(self, entry: Entry) -> None:
        self._settled.add(entry)

    def reject(self, entry: Entry, reason: str, now: datetime) -> None:
        """Keep the record aside for an operator; it leaves the spool."""
        self._aside.reject(entry.read_frame(), reason, now)
        self.done(entry)

    def finish(self) -> None:
        """Remove segments that are done with; of others, keep what is not.

        Killed anywhere in here, or before, the records are found again, some of them although they
        are done: drained twice, they count once.
        """
        for segment in self._taken:
            left = [entry for entry in self._open[segment] if entry not in self._settled]
            is_untouched = bool(left) and len(left) == len(self._open[segment])
            if is_untouched or segment in self._must_stay:
                continue
            try:
                if left:
                    segments.write_whole(_successor(segment), (one.read_frame() for one in left))
                segments.remove(segment.path)
            except OSError as error:
                self._stays(segment, error)

    def _index(self, segment: Segment) -> None:
        try:
            pieces = segments.read(segment.path)
        except OSError as error:
            self._stays(segment, error)
            return
        for piece in pieces:
            if isinstance(piece, Frame):
                self._open[segment].append(Entry(segment, piece))
            else:
                self._keep_damaged(segment, piece)

    def _keep_damaged(self, segment: Segment, piece: Damage) -> None:
        try:
            found = segments.piece(segment.path, piece.offset, piece.size)
            self.damaged += self._aside.keep_damaged(found)
        except OSError as error:
            # A full disk must not keep whole records from being drained, which makes room.
            self._stays(segment, error)

    def _stays(self, segment: Segment, because: OSError) -> None:
        self._must_stay.add(segment)
        log.warning("spool.segment_stays", segment=segment.stem, problem=because.strerror)


def _oldest(found: Sequence[Segment]) -> list[Segment]:
    taken: list[Segment] = []
    size = 0
    for segment in found:
        size += segments.size_of(segment.path)
        if taken and size > BATCH_BYTES_MAX:
            break
        taken.append(segment)
    return taken


def _successor(segment: Segment) -> Path:
    """Where what is left of a segment goes: another file, at the same place in the order."""
    micros = segment.stem.split("-")[0]
    fresh = segments.new_stem(segment.lane, frames.EPOCH).split("-", 1)[1]
    return segment.path.with_name(f"{micros}-{fresh}{CLOSED}")
