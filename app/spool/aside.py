"""What cannot be drained is kept beside the spool, never dropped: an operator decides."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.spool import frames, segments

REJECTED, DAMAGED = "rejected", "damaged"
_REJECTED_SUFFIX, _DAMAGED_SUFFIX = ".rejected", ".damaged"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A whole record that nobody can be billed for, and why."""

    path: Path
    reason: str
    rejected_at: datetime
    frame: bytes

    @property
    def payload(self) -> bytes:
        return frames.payload_of(self.frame)


class Aside:
    """Two directories below the spool's own: whole records by reason, and damaged bytes as found.

    Keeping the same bytes again changes nothing: file names are digests of what is in them.
    """

    def __init__(self, directory: Path) -> None:
        self._rejected = directory / REJECTED
        self._damaged = directory / DAMAGED

    def reject(self, frame: bytes, reason: str, now: datetime) -> None:
        head = json.dumps({"reason": reason, "rejected_at": now.isoformat()})
        path = _place(self._rejected, frame, _REJECTED_SUFFIX)
        if not path.exists():
            segments.write_whole(path, [head.encode(), b"\n", frame])

    def keep_damaged(self, found: bytes) -> bool:
        """Whether it was not there before."""
        path = _place(self._damaged, found, _DAMAGED_SUFFIX)
        if path.exists():
            return False
        segments.write_whole(path, [found])
        return True

    def list_rejected(self, limit: int | None = None) -> list[Rejected]:
        """The oldest rejection first; of many, so many of those that came first."""
        paths = list(self._rejected.glob(f"*{_REJECTED_SUFFIX}"))
        if limit is not None and len(paths) > limit:
            paths = sorted(paths, key=lambda path: (path.stat().st_mtime, path.name))[:limit]
        found = [_read(path) for path in paths]
        return sorted(found, key=lambda one: (one.rejected_at, one.path.name))

    def count_rejected(self) -> int:
        """Without reading them."""
        return sum(1 for _ in self._rejected.glob(f"*{_REJECTED_SUFFIX}"))

    def list_damaged(self) -> list[Path]:
        return sorted(self._damaged.glob(f"*{_DAMAGED_SUFFIX}"))

    def take_back(self, rejected: Rejected) -> None:
        """Forget a rejection: its record is in the spool again, durably."""
        segments.remove(rejected.path)

    @property
    def size_bytes(self) -> int:
        return sum(
            segments.size_of(path)
            for directory in (self._rejected, self._damaged)
            for path in directory.glob("*")
        )

    def remove_drafts(self) -> None:
        for directory in (self._rejected, self._damaged):
            segments.remove_drafts(directory)


def _place(directory: Path, content: bytes, suffix: str) -> Path:
    segments.make_directory(directory)
    return directory / (hashlib.sha256(content).hexdigest()[:32] + suffix)


def _read(path: Path) -> Rejected:
    head, _, frame = path.read_bytes().partition(b"\n")
    said = json.loads(head)
    return Rejected(path, said["reason"], datetime.fromisoformat(said["rejected_at"]), frame)
