"""The files of a spool: how they are named, opened, claimed, replaced and removed, durably."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Literal, get_args

from app.spool import frames
from app.spool.frames import EPOCH, MICROSECOND, Damage, Frame

Lane = Literal["known", "unproven"]
"""Whether the link's key was checked when the finish came, or could not be."""
LANES: tuple[Lane, ...] = get_args(Lane)

OPEN, CLOSED, DRAFT = ".open", ".closed", ".draft"
FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of frames. An open one may still grow; a closed one never changes."""

    path: Path
    lane: Lane

    @property
    def stem(self) -> str:
        """The same before and after it is closed, and before those of later segments."""
        return self.path.stem

    @property
    def is_open(self) -> bool:
        return self.path.suffix == OPEN


def list_segments(directory: Path) -> list[Segment]:
    """All there are, oldest first; none where there is no directory."""
    try:
        paths = sorted(directory.iterdir(), key=lambda path: path.name)
    except FileNotFoundError:
        return []
    found = ((path, path.stem.split("-")) for path in paths if path.suffix in (OPEN, CLOSED))
    return [
        Segment(path, lane)
        for path, parts in found
        for lane in LANES
        if len(parts) == 3 and parts[1] == lane  # noqa: PLR2004 - see new_stem
    ]


def new_stem(lane: Lane, now: datetime) -> str:
    """A name no other process uses, sorted by time."""
    micros = (now - EPOCH) // MICROSECOND
    return f"{micros:020d}-{lane}-{secrets.token_hex(6)}"


def make_directory(directory: Path) -> None:
    """The directory, for this user alone; it is there after a power cut, too."""
    if directory.is_dir():
        return
    directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Make names in it durable: files created, renamed or removed."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_of(path: Path) -> int:
    """Bytes; zero for a file that has just gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def close(segment: Segment) -> Segment:
    """Take an open segment from the process that appends to it, which then starts another.

    Waits for a write under way. What was written and not yet fsynced by its writer is in the file
    all the same, and is fsynced here.
    """
    descriptor = os.open(segment.path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not is_at(descriptor, segment.path):
            raise FileNotFoundError(segment.path)
        os.fsync(descriptor)
        closed = segment.path.with_suffix(CLOSED)
        segment.path.rename(closed)
        sync_directory(segment.path.parent)
    finally:
        os.close(descriptor)
    return Segment(closed, segment.lane)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def read(path: Path, start: int = 0) -> list[Frame | Damage]:
    """What is in a file from ``start`` on; nothing where the file has gone."""
    with mapped(path) as data:
        return list(frames.scan(data, start))


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[mmap | bytes]:
    """The bytes of a file without reading it whole; none of a file that is empty or gone."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield b""
        return
    with file:
        if not os.fstat(file.fileno()).st_size:
            yield b""
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            yield data


def piece(path: Path, offset: int, size: int) -> bytes:
    """Some bytes of a file."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """A file that is there complete and durable, or not at all; it replaces one of that name."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(6)}{DRAFT}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """Durably; it may have gone already."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def remove_drafts(directory: Path) -> None:
    """Files that a process was writing when it was killed: their originals are still there."""
    for draft in directory.glob(f"*{DRAFT}"):
        draft.unlink(missing_ok=True)
