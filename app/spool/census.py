"""How much waits in the spool, told every second without reading everything every second."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.spool import segments
from app.spool.frames import Frame
from app.spool.segments import Segment


@dataclass(frozen=True, slots=True)
class Status:
    """What is in the spool. ``fullness`` is of 1: of its cap, or of what the disk has left."""

    records: int
    size_bytes: int
    oldest_at: datetime | None
    rejected: int
    damaged: int
    fullness: float


@dataclass(frozen=True, slots=True)
class _Counted:
    scanned_to: int = 0
    records: int = 0
    oldest_at: datetime | None = None


class Census:
    """Remembers what it has counted of each segment: they grow at the end only."""

    def __init__(self) -> None:
        self._counted: dict[str, _Counted] = {}

    def count(self, found: Iterable[Segment]) -> tuple[int, datetime | None]:
        """Records waiting, and the arrival of the oldest."""
        self._counted = {
            segment.stem: _grown(self._counted.get(segment.stem, _Counted()), segment)
            for segment in found
        }
        arrivals = [one.oldest_at for one in self._counted.values() if one.oldest_at is not None]
        return sum(one.records for one in self._counted.values()), min(arrivals, default=None)


def fullness(directory: Path, used_bytes: int, bytes_max: int) -> float:
    """How full the spool is, of 1; a disk that has less left than the cap counts as the cap."""
    try:
        free = shutil.disk_usage(directory).free
    except FileNotFoundError:  # nothing was ever spooled
        return 0.0
    room = min(bytes_max, used_bytes + free)
    return used_bytes / room if room else 1.0


def _grown(counted: _Counted, segment: Segment) -> _Counted:
    if segments.size_of(segment.path) == counted.scanned_to:
        return counted
    whole = [
        piece
        for piece in segments.read(segment.path, counted.scanned_to)
        if isinstance(piece, Frame)
    ]
    if not whole:
        return counted
    arrivals = [piece.received_at for piece in whole]
    if counted.oldest_at is not None:
        arrivals.append(counted.oldest_at)
    end = whole[-1].offset + whole[-1].size
    return _Counted(end, counted.records + len(whole), min(arrivals))
