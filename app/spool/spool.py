"""The spool of one machine: where finishes wait on the disk while the database cannot take them.

One object per process, made after the fork; all of them share the directory.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog

from app.errors import Unavailable
from app.keys import Keys
from app.spool import frames, record, segments
from app.spool.aside import Aside, Rejected
from app.spool.batch import Batch, Entry
from app.spool.census import Census, Status, fullness
from app.spool.frames import Frame
from app.spool.record import Record
from app.spool.segments import FILE_MODE, LANES, Lane
from app.spool.writer import Writer

LOCK_FILE = "drain.lock"
ALARMS = (0.5, 0.8)
"""Parts of the room at which somebody is told, long before it is full."""
UNPROVEN_PART = 4
"""Finishes whose link could not be checked get at most one part in so many: anybody may send them,
and must not crowd out those that are worth money."""

Event = Literal["appended", "full", "failed", "damaged"]

log = structlog.get_logger(__name__)


class SpoolUnusable(Unavailable):
    """The spool's directory cannot be written: the disk is full or broken, or it is not ours."""

    code = "spool_unusable"


class SpoolFull(SpoolUnusable):
    """The spool has reached its cap."""

    code = "spool_full"


class Spool:
    """Keeps sealed finishes durably, and gives them back in order of arrival.

    ``on_event`` is told of each append, refusal and damaged record.
    """

    def __init__(
        self,
        directory: Path,
        *,
        keys: Keys,
        bytes_max: int,
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self.directory = directory
        self._keys = keys
        self._bytes_max = bytes_max
        self._on_event = on_event
        self._aside = Aside(directory)
        self._census = Census()
        self._writers: dict[Lane, Writer] = {lane: Writer(directory, lane) for lane in LANES}
        self._alarm_level = 0
        self._alarming = threading.Lock()

    def append(self, finish: Record, *, lane: Lane, now: datetime) -> None:
        """Keep a finish; when this returns it survives a power cut.

        Raises:
            SpoolFull: there is no room for it.
            SpoolUnusable: it could not be written.
        """
        self.append_sealed(record.seal(finish, keys=self._keys), finish, lane=lane, now=now)

    def append_sealed(self, payload: bytes, finish: Record, *, lane: Lane, now: datetime) -> None:
        """The same for a record that was sealed before."""
        frame = frames.encode(payload, finish.received_at)
        try:
            segments.make_directory(self.directory)
            self._require_room(len(frame), lane)
            self._writers[lane].append(frame, now)
        except OSError as error:
            self._on_event("failed")
            raise SpoolUnusable(f"the spool {self.directory}: {error.strerror}") from error
        self._on_event("appended")

    def prepare(self) -> None:
        """Make the directory.

        Raises:
            SpoolUnusable: it cannot be made or written.
        """
        try:
            segments.make_directory(self.directory)
            # On a full disk it could not be made, and draining is what makes room there.
            (self.directory / LOCK_FILE).touch(FILE_MODE)
        except OSError as error:
            raise SpoolUnusable(f"the spool {self.directory}: {error.strerror}") from error
        if not os.access(self.directory, os.R_OK | os.W_OK | os.X_OK):
            raise SpoolUnusable(f"the spool {self.directory} cannot be written by this user")

    def is_empty(self) -> bool:
        """Whether nothing waits; empty segments and what is kept aside do not count."""
        found = segments.list_segments(self.directory)
        return not any(segments.size_of(segment.path) for segment in found)

    def status(self) -> Status:
        found = segments.list_segments(self.directory)
        records, oldest_at = self._census.count(found)
        used = sum(segments.size_of(segment.path) for segment in found)
        return Status(
            records=records,
            size_bytes=used,
            oldest_at=oldest_at,
            rejected=self._aside.count_rejected(),
            damaged=len(self._aside.list_damaged()),
            fullness=fullness(self.directory, used, self._bytes_max),
        )

    def waiting(self) -> list[Entry]:
        """Every waiting record, in order of arrival; some may be drained meanwhile."""
        entries = [
            Entry(segment, piece)
            for segment in segments.list_segments(self.directory)
            for piece in segments.read(segment.path)
            if isinstance(piece, Frame)
        ]
        return sorted(entries, key=lambda entry: entry.frame.received_at)

    def rejected(self, limit: int | None = None) -> list[Rejected]:
        return self._aside.list_rejected(limit)

    def damaged(self) -> list[Path]:
        return self._aside.list_damaged()

    def open(self, payload: bytes) -> Record:
        """The finish in a record's payload.

        Raises:
            SealBroken: it was sealed under another secret key.
            RecordUnreadable: a newer version of this program wrote it.
        """
        return record.unseal(payload, keys=self._keys)

    def seal(self, finish: Record) -> bytes:
        return record.seal(finish, keys=self._keys)

    def take_back(self, rejected: Sequence[Rejected], now: datetime) -> None:
        """Put rejected records into the spool again, to be judged anew.

        Raises:
            SpoolUnusable: what could not be put back is still rejected.
        """
        for one in rejected:
            self.append_sealed(one.payload, self.open(one.payload), lane="known", now=now)
            self._aside.take_back(one)

    @contextlib.contextmanager
    def drain(self) -> Iterator[Batch | None]:
        """The oldest records, for one drain at a time; None while another process drains.

        When the block ends, also by an exception, what was done is removed.
        """
        with self._drain_lock() as is_ours:
            if not is_ours:
                yield None
                return
            segments.remove_drafts(self.directory)
            self._aside.remove_drafts()
            batch = Batch(self._claimed(), self._aside)
            for _ in range(batch.damaged):
                self._on_event("damaged")
            if batch.damaged:
                log.error("spool.damaged", pieces=batch.damaged)
            try:
                yield batch
            finally:
                batch.finish()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _claimed(self) -> list[segments.Segment]:
        """Closed segments, those included that processes were appending to until now."""
        claimed = []
        for segment in segments.list_segments(self.directory):
            if not segment.is_open:
                claimed.append(segment)
                continue
            try:
                claimed.append(segments.close(segment))
            except FileNotFoundError:
                continue  # its own process closed it
            except OSError as error:
                # Another user's command made it: the others can be drained.
                log.warning("spool.segment_stays", segment=segment.stem, problem=error.strerror)
        return claimed

    def _require_room(self, size: int, lane: Lane) -> None:
        found = segments.list_segments(self.directory)
        used = sum(segments.size_of(segment.path) for segment in found)
        self._alarm(fullness(self.directory, used + size, self._bytes_max))
        is_full = used + size > self._bytes_max
        if lane == "unproven":
            unproven = sum(segments.size_of(one.path) for one in found if one.lane == lane)
            unproven += self._aside.size_bytes
            is_full = is_full or unproven + size > self._bytes_max // UNPROVEN_PART
        if is_full:
            self._on_event("full")
            raise SpoolFull(f"the spool {self.directory} is full: see spool.bytes_max")

    def _alarm(self, part: float) -> None:
        level = sum(part >= alarm for alarm in ALARMS)
        with self._alarming:
            before, self._alarm_level = self._alarm_level, level
        if level > before:
            tell = log.error if level == len(ALARMS) else log.warning
            tell("spool.filling", percent=round(part * 100), directory=str(self.directory))

    @contextlib.contextmanager
    def _drain_lock(self) -> Iterator[bool]:
        descriptor = os.open(self.directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield False
            return
        try:
            yield True
        finally:
            os.close(descriptor)
