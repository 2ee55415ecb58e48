"""Where the files of an export go: a folder, or nowhere while they are only proven."""

import hashlib
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from app import disk
from app.errors import Conflict, Unavailable
from app.exports.formats.port import Sink

PARTIAL = ".partial"
CHUNK = 1024 * 1024
GZIP_LEVEL = 6
GZIP_BITS = 31


class ExportPlaceTaken(Conflict):
    """There is a file of that name already."""

    code = "place_taken"


class ExportPlaceUnwritable(Unavailable):
    """The files cannot be written there: no room, or not allowed."""

    code = "place_unwritable"


class GzipSink(Sink):
    """Compresses what it is given, piece by piece: a file may end, and go on, after each.

    Nothing of the time is in it, so the same pieces give the same bytes.
    """

    def __init__(self, inner: Sink) -> None:
        super().__init__()
        self._inner = inner

    def write(self, data: bytes) -> int:
        if data:
            self._inner.write(zlib.compress(data, GZIP_LEVEL, GZIP_BITS))
        return len(data)


class Files(Protocol):
    """Makes files by their names."""

    def create(self, name: str) -> Sink: ...

    def reopen(self, name: str, size: int) -> Sink | None:
        """Go on with a file that was left at that size; None when it is not there any more."""

    def keep(self, sink: Sink) -> None:
        """Have what was written so far on the disk."""

    def finish(self, name: str, sink: Sink) -> None:
        """The file is whole."""

    def leave(self, sink: Sink) -> None:
        """Somebody else goes on, or nobody."""

    def has(self, name: str, size: int) -> bool:
        """Whether a file that was finished is still there."""


class Nowhere:
    """Counts and digests, and keeps nothing."""

    def create(self, name: str) -> Sink:
        del name
        return Sink()

    def reopen(self, name: str, size: int) -> Sink | None:
        del name, size
        return None

    def keep(self, sink: Sink) -> None:
        pass

    def finish(self, name: str, sink: Sink) -> None:
        pass

    def leave(self, sink: Sink) -> None:
        pass

    def has(self, name: str, size: int) -> bool:
        del name, size
        return False


class Folder:
    """Files appear under their names when they are whole."""

    def __init__(self, directory: Path, *, replaces: bool = False) -> None:
        self._directory = directory
        self._replaces = replaces

    def create(self, name: str) -> Sink:
        """Raises: ExportPlaceTaken, ExportPlaceUnwritable."""
        place = self._directory / name
        if place.exists() and not self._replaces:
            raise ExportPlaceTaken(f"{place} exists: move it away, or name another place")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            return Sink(_opened(_partial(place), os.O_CREAT | os.O_TRUNC))
        except OSError as error:
            raise ExportPlaceUnwritable(f"cannot write {place}: {error.strerror}") from error

    def reopen(self, name: str, size: int) -> Sink | None:
        place = _partial(self._directory / name)
        if not place.exists() or place.stat().st_size < size:
            return None
        sink = Sink(_opened(place, 0))
        sink.digest, sink.size = _digest(place, size), size
        if sink.file is not None:
            sink.file.truncate(size)
            sink.file.seek(size)
        return sink

    def keep(self, sink: Sink) -> None:
        sink.flush()
        if sink.file is not None:
            os.fsync(sink.file.fileno())

    def finish(self, name: str, sink: Sink) -> None:
        self.keep(sink)
        self.leave(sink)
        place = self._directory / name
        _partial(place).rename(place)
        disk.sync(place.parent)

    def leave(self, sink: Sink) -> None:
        if sink.file is not None:
            sink.file.close()
            sink.file = None

    def has(self, name: str, size: int) -> bool:
        place = self._directory / name
        return place.exists() and place.stat().st_size == size


def _partial(place: Path) -> Path:
    return place.with_name(f".{place.name}{PARTIAL}")


def _opened(place: Path, flags: int) -> BinaryIO:
    return os.fdopen(os.open(place, os.O_RDWR | flags, 0o600), "r+b")


def _digest(place: Path, size: int) -> Any:  # noqa: ANN401 - hashlib's own type has no public name
    digest, left = hashlib.sha256(), size
    with place.open("rb") as file:
        while left and (piece := file.read(min(CHUNK, left))):
            digest.update(piece)
            left -= len(piece)
    return digest
