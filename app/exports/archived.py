"""Usage lines whose month was removed from the database, out of the archives on this machine.

An archive has its lines by event, an export by time; both go nearly together. So a few row groups
in memory are enough, and each is read about once.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app import disk
from app.db import Database
from app.exports.columns import Row
from app.exports.scope import Scope
from app.exports.usage import store
from app.exports.usage.store import LINE_COLUMNS, Part
from app.metering.months import month_of, month_text, months_from
from app.reports.explore import LinesGone

GROUPS_KEPT = 3
AMOUNTS = ("points", "charge")
DIGITS = 19


class Archives:
    """The lines of events whose months are given; see ``usage.store.Archived``."""

    def __init__(self, parts: Sequence[Part], directory: Path | None) -> None:
        self._parts = parts
        self._directory = directory
        self._files: dict[str, _File] = {}

    def __call__(self, months: Mapping[int, int]) -> Mapping[int, Sequence[Row]]:
        """Raises: LinesGone, when a file is not on this machine, or is another one."""
        found: dict[int, Sequence[Row]] = {}
        for part in self._parts:
            wanted = [
                event_id
                for event_id, month in months.items()
                if month == part.month and part.after_event < event_id <= part.last_event
            ]
            if wanted:
                found.update(self._file(part).lines(wanted))
        return found

    def check(self, first: int, last: int) -> None:
        """Open what the months from the first to the last need.

        Raises:
            LinesGone: some of it is not on this machine, or is another file.
        """
        touched = set(months_from(first, last))
        for part in self._parts:
            if part.month in touched:
                self._file(part)

    def _file(self, part: Part) -> "_File":
        if part.file not in self._files:
            self._files[part.file] = _File(self._place(part))
        return self._files[part.file]

    def _place(self, part: Part) -> Path:
        month = month_text(part.month)
        if self._directory is None:
            raise LinesGone(
                f"usage lines of {month} lie in archives: say where (exports.archives in the "
                "settings, --archives), or let `shareauth archives restore` put them back"
            )
        place = self._directory / part.file
        try:
            is_right = disk.sha256(place) == part.sha256
        except OSError as error:
            raise LinesGone(
                f"usage lines of {month} lie in archives, and {place} cannot be read: "
                f"{error.strerror}"
            ) from None
        if not is_right:
            raise LinesGone(f"{place} is not the archive of {month} that the database knows")
        return place


def open_archives(db: Database, scope: Scope, directory: Path | None) -> Archives:
    """Those that lines of the scope may need.

    Raises:
        LinesGone: some are needed and not on this machine.
    """
    with db.read() as session:
        archives = Archives(store.removed_parts(session), directory)
    archives.check(month_of(scope.period.since), month_of(scope.period.until))
    return archives


class _File:
    """One archive; ``_groups`` are the row groups that were read last."""

    def __init__(self, place: Path) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415 - large, and rarely used

        self._file = pq.ParquetFile(place)
        self._groups: OrderedDict[int, Mapping[int, Sequence[Row]]] = OrderedDict()
        at = self._file.schema_arrow.get_field_index("event_id")
        metadata = self._file.metadata
        self._bounds = [
            (found.min, found.max)
            for number in range(metadata.num_row_groups)
            if (found := metadata.row_group(number).column(at).statistics) is not None
        ]

    def lines(self, event_ids: Sequence[int]) -> Mapping[int, Sequence[Row]]:
        wanted, found = set(event_ids), dict[int, list[Row]]()
        low, high = min(event_ids), max(event_ids)
        for number, (first, last) in enumerate(self._bounds):
            if first <= high and last >= low:
                group = self._group(number)
                for event_id in wanted & group.keys():
                    # The lines of an event may go over from one group into the next.
                    found.setdefault(event_id, []).extend(group[event_id])
        return found

    def _group(self, number: int) -> Mapping[int, Sequence[Row]]:
        if number in self._groups:
            self._groups.move_to_end(number)
            return self._groups[number]
        group: dict[int, list[Row]] = {}
        for event_id, *line in _rows(self._file.read_row_group(number)):
            group.setdefault(event_id, []).append(tuple(line))
        self._groups[number] = group
        while len(self._groups) > GROUPS_KEPT:
            self._groups.popitem(last=False)
        return group


def _rows(table: Any) -> Iterator[Row]:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - see above

    columns = []
    for name in ("event_id", *LINE_COLUMNS):
        column = table.column(name).combine_chunks()
        if name in AMOUNTS:
            column = column.view(pa.decimal128(DIGITS, 0)).cast(pa.int64())
        columns.append(column.to_pylist())
    return zip(*columns, strict=True)
