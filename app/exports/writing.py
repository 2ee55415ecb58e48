"""Write an export into a folder, with its manifest: ``write`` is what everybody calls.

Constant memory, whatever the format. An interrupted run goes on from where it noted last, and
leaves the same bytes as one that was not.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import disk
from app.db import Database
from app.exports import reading
from app.exports.calendar import Calendar
from app.exports.columns import Batch
from app.exports.files import (
    ExportPlaceTaken,
    ExportPlaceUnwritable,
    Files,
    Folder,
    GzipSink,
    Nowhere,
)
from app.exports.formats.port import Sink, Writer
from app.exports.order import MANIFEST_VERSION, Order, WrittenFile, manifest
from app.exports.scope import months_between
from app.exports.tally import Tally
from app.exports.usage.store import Archived
from app.exports.walk.store import Key

NOTE_PAGES = 5
MANIFEST = ".manifest.json"


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is. ``saved`` is from where another run goes on; None before there is such."""

    fraction: float
    rows: int
    saved: dict[str, Any] | None


Note = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class How:
    """``base`` names the files, without suffix; ``saved`` is of a run before.

    ``note`` is called after every few pages; what it raises ends the run, and another may go on.
    """

    base: str | None = None
    saved: Mapping[str, Any] | None = None
    note: Note = lambda _: None
    note_pages: int = NOTE_PAGES
    page: int | None = None
    replaces: bool = False
    """What lies there already is our own, of a run that did not get as far as its manifest."""
    is_flat: bool = False
    """Without a folder for each month."""


def write(
    db: Database, order: Order, folder: Path, archives: Archived, how: How | None = None
) -> dict[str, Any]:
    """Write the files of an order, made by ``reading.prepare``, and its manifest; the manifest.

    Raises:
        ExportPlaceTaken: there are such files.
        ExportPlaceUnwritable: they cannot be written there.
        LinesGone: an archive that is needed is not on this machine.
    """
    how = how or How()
    place = folder / f"{how.base or order.name}{order.suffix}{MANIFEST}"
    if place.exists():
        raise ExportPlaceTaken(f"{place} exists: move it away, or name another place")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        told = made(db, order, Folder(folder, replaces=how.replaces), archives, how)
        partial = place.with_name(f".{place.name}.partial")
        partial.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
        disk.sync(partial)
        partial.rename(place)
        disk.sync(folder)
    except OSError as error:
        raise ExportPlaceUnwritable(f"cannot write to {folder}: {error.strerror}") from error
    return told


def again(db: Database, order: Order, archives: Archived, how: How) -> dict[str, Any]:
    """The manifest of an order that is made anew, while nothing is kept of it."""
    return made(db, order, Nowhere(), archives, how)


def made(db: Database, order: Order, files: Files, archives: Archived, how: How) -> dict[str, Any]:
    """Write the files of an order; the manifest."""
    run = _Run.resumed(order, files, how)
    try:
        found = reading.pages(db, order, archives, run.take, key=run.key, size=how.page)
        for number, key in enumerate(found, 1):
            run.reach(key)
            if number % how.note_pages == 0 and key is not None:
                how.note(run.step())
    except BaseException:
        run.leave()
        raise
    return run.finish()


class _Run:
    """One run: where it is, the file it writes, and those that are whole."""

    def __init__(self, order: Order, files: Files, how: How) -> None:
        self._order = order
        self._files = files
        self._base = how.base or order.name
        self._tally = Tally(order.table.columns)
        self._made_as = [MANIFEST_VERSION, *order.table.names]
        """What another version of the program, which may make other rows, would not have noted."""
        self._whole: list[WrittenFile] = []
        self._open: _Open | None = None
        self._saved: dict[str, Any] | None = None
        self.key: Key | None = None
        self._calendar = Calendar(order.scope.period, order.zone)
        form = order.form
        is_cut = form.rows_in_file is not None and order.table.time is not None and not how.is_flat
        self._by_month = is_cut and months_between(order.scope.period, order.zone) > 1

    @classmethod
    def resumed(cls, order: Order, files: Files, how: How) -> "_Run":
        """One that goes on, if what was written before is still there; else a new one."""
        run = cls(order, files, how)
        if how.saved is not None and not run._go_on(how.saved):
            run = cls(order, files, how)
        return run

    def take(self, batch: Batch) -> None:
        for month, of_month in self._cut(batch):
            if self._open is None or self._open.month != month:
                self._turn(month)
            self._tally.add(of_month)
            if self._open is not None:
                self._open.writer.write(of_month)
                self._open.rows += len(of_month)

    def reach(self, key: Key | None) -> None:
        """All before the key was taken."""
        self.key = key
        most = self._order.form.rows_in_file
        if most is not None and self._open is not None and self._open.rows >= most:
            self._close()
            self._saved = self._state()

    def step(self) -> Step:
        if self._order.form.goes_on and self._open is not None:
            self._files.keep(self._open.sink)
            self._saved = self._state()
        return Step(reading.fraction(self._order.scope, self.key), self._tally.rows, self._saved)

    def finish(self) -> dict[str, Any]:
        if self._open is None and not self._whole:
            self._turn(None)  # an export without rows is a file, too
        self._close()
        return manifest(self._order, self._tally, self._whole)

    def leave(self) -> None:
        if self._open is not None:
            self._files.leave(self._open.sink)
            self._open.writer.drop()

    def _go_on(self, saved: Mapping[str, Any]) -> bool:
        """Whether it was possible to take up what an earlier run left."""
        if saved.get("made_as") != self._made_as:
            return False
        whole = [WrittenFile(*file) for file in saved["whole"]]
        if not all(self._files.has(file.name, file.size_bytes) for file in whole):
            return False
        if saved["open"] is not None:
            name, month, rows, size = saved["open"]
            sink = self._files.reopen(name, size)
            if sink is None:
                return False
            self._open = _Open(name, month, sink, self._writer(sink), rows)
        self._whole = whole
        self._tally = Tally.resume(self._order.table.columns, saved["tally"])
        self.key = saved["key"]
        self._saved = dict(saved)
        return True

    def _state(self) -> dict[str, Any]:
        left = self._open
        return {
            "made_as": self._made_as,
            "key": self.key,
            "tally": self._tally.state(),
            "whole": [[file.name, file.rows, file.size_bytes, file.sha256] for file in self._whole],
            "open": None if left is None else [left.name, left.month, left.rows, left.sink.size],
        }

    def _cut(self, batch: Batch) -> Iterator[tuple[str | None, Batch]]:
        """The rows by the folders they go into."""
        if not self._by_month or self._order.table.time is None:
            yield None, batch
            return
        times = batch.columns[self._order.table.place(self._order.table.time)]
        start = 0
        for month, group in itertools.groupby(times, self._calendar.month_of):
            end = start + sum(1 for _ in group)
            yield month, batch.cut(start, end)
            start = end

    def _turn(self, month: str | None) -> None:
        """Begin the next file."""
        if self._open is not None:
            self._close()
        folder = "" if month is None else f"month={month}/"
        stem = self._base if month is None else self._order.table.name
        number = 1 + sum(1 for file in self._whole if file.name.startswith(folder))
        part = f"-part{number}" if number > 1 else ""
        name = f"{folder}{stem}{part}{self._order.suffix}"
        sink = self._files.create(name)
        self._open = _Open(name, month, sink, self._writer(sink), 0)
        self._open.writer.begin()

    def _writer(self, sink: Sink) -> Writer:
        target = GzipSink(sink) if self._order.gzip else sink
        return self._order.form.open(self._order.sheet, target)

    def _close(self) -> None:
        done = self._open
        if done is None:
            return
        done.writer.end(self._tally)
        self._files.finish(done.name, done.sink)
        written = WrittenFile(done.name, done.rows, done.sink.size, done.sink.digest.hexdigest())
        self._whole.append(written)
        self._open = None


@dataclass(slots=True)
class _Open:
    name: str
    month: str | None
    sink: Sink
    writer: Writer
    rows: int
