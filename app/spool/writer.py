"""Appends frames, durably, from all threads of one process, beside other processes.

Each process has a segment of its own, so that processes never wait for one another's disk writes.
Frames that are written while an fsync is under way share the next one.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from app.spool import segments
from app.spool.segments import FILE_MODE, OPEN, Lane, Segment

SEGMENT_BYTES_MAX = 4 * 1024 * 1024
"""A segment that reached it is closed; a single frame may be larger."""
SEGMENT_AGE_MAX = timedelta(minutes=1)


class Writer:
    """Appends to one lane. Make it after the fork."""

    def __init__(self, directory: Path, lane: Lane) -> None:
        self._directory = directory
        self._lane = lane
        self._current: _OpenSegment | None = None
        self._writing = threading.Lock()

    def append(self, frame: bytes, now: datetime) -> None:
        """Write the frame; when this returns it is on the disk.

        Raises:
            OSError: it is not; what was written of it is taken back, or ends its segment as a torn
                tail.
        """
        with self._writing:
            segment, mark = self._write(frame, now)
        segment.sync(mark)

    def close(self) -> None:
        with self._writing:
            self._leave()

    def _write(self, frame: bytes, now: datetime) -> "tuple[_OpenSegment, int]":
        while True:
            segment = self._segment(now)
            try:
                with segment.locked() as is_ours:
                    if is_ours:
                        return segment, segment.write(frame)
            except OSError:
                if segment.is_torn:
                    self._leave()
                raise
            self._leave()  # it was closed to be drained

    def _segment(self, now: datetime) -> "_OpenSegment":
        current = self._current
        if current is not None and current.is_due(now):
            self._leave()
            with contextlib.suppress(FileNotFoundError):
                segments.close(Segment(current.path, self._lane))
        if self._current is None:
            segments.make_directory(self._directory)
            path = self._directory / f"{segments.new_stem(self._lane, now)}{OPEN}"
            self._current = _OpenSegment(path, now)
        return self._current

    def _leave(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None


class _OpenSegment:
    """A segment this process appends to."""

    def __init__(self, path: Path, now: datetime) -> None:
        self.path = path
        self.is_torn = False
        self._created_at = now
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        try:
            segments.sync_directory(path.parent)
        except OSError:
            os.close(self._descriptor)
            raise
        self._size = 0
        self._synced = 0
        self._failure: OSError | None = None
        self._syncing = threading.Lock()

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to start another."""
        age = now - self._created_at
        is_broken = self._failure is not None
        return is_broken or self._size >= SEGMENT_BYTES_MAX or abs(age) >= SEGMENT_AGE_MAX

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Nobody closes the segment meanwhile; yields whether it had not been closed before."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield segments.is_at(self._descriptor, self.path)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def write(self, frame: bytes) -> int:
        """Append it; returns the mark to ``sync`` to."""
        rest = memoryview(frame)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            try:
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
            except OSError:
                self.is_torn = True
            raise
        self._size += len(frame)
        return self._size

    def sync(self, mark: int) -> None:
        """Return when everything up to ``mark`` is on the disk.

        Raises:
            OSError: it is not known to be.
        """
        with self._syncing:
            self._sync_to(mark)

    def close(self) -> None:
        """Sync what other threads wait for, then let go of the file."""
        with self._syncing:
            with contextlib.suppress(OSError):  # those who wait for it are told
                self._sync_to(self._size)
            os.close(self._descriptor)

    def _sync_to(self, mark: int) -> None:
        if self._synced >= mark:
            return
        if self._failure is not None:
            # The kernel reports a lost page once; asked again it would say that all is well.
            raise OSError(*self._failure.args)
        size = self._size
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            self._failure = error
            raise
        self._synced = size
