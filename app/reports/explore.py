"""A report: sums of a period, cut by the clock and by whom and what they are of."""

import itertools
import operator
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid
from app.metering.months import month_text
from app.reports import store
from app.reports.cells import EMPTY, MORE, Beside, Cell, Place, Sums, folded, together
from app.reports.query import (
    Amounts,
    Counted,
    Group,
    Query,
    Report,
    Row,
    without,
)
from app.reports.seen import store as seen_store
from app.reports.seen.store import Among
from app.reports.sources import store as sources
from app.reports.sources.books import store as books
from app.reports.sources.wanted import LINE_GROUPS, Wanted, is_wide, questions_column
from app.reports.spans import QUARTER, Span, begin_of, covered, cut, quarter_from, quarter_of
from app.reports.store import Found, Position
from app.reports.visitors import store as visitors_store

T = TypeVar("T")

_WITH_CORRECTIONS = {"user", "link", "issuer"}
_WITH_SEEN = {"link"}

Buckets = tuple[tuple[Span, ...], ...]
Period = tuple[datetime, datetime]
Once = dict[Hashable, Any]
"""What was asked of a snapshot, with the answers."""

ROWS_MAX = 200_000
"""Buckets times groups of a report: more are read by nobody."""
ROWS_WITH_TIMES_MAX = 20_000
"""Each of these is made of dozens."""


class LinesGone(Conflict):
    """Only lines tell what is asked for, and some of the period lie in archives."""

    code = "lines_archived"


def explore(
    session: Session, query: Query, *, position: Position | None = None, once: Once | None = None
) -> Report:
    """The report; read it in one snapshot. Who makes several of one gives the ``position``.

    What they have in common is asked of the database once where they share ``once``, a new dict.

    Raises:
        Invalid: something of the query can not be.
        LinesGone: no sums have what it asks for, of a month whose lines were removed.
    """
    query.check()
    low, high = quarter_of(query.since), quarter_from(query.until)
    starts = [low] if query.per is None else cut(low, high, query.per, query.zone)
    position = position or store.position(session)
    pairs = list(itertools.pairwise((*starts, high)))
    study = _Study(session, query, position, pairs, {} if once is None else once)
    study.refuse_lines_gone()
    total = study.total()
    rows = study.rows(total)
    return Report(
        query=query,
        since=begin_of(low).astimezone(query.zone),
        until=begin_of(high).astimezone(query.zone),
        starts=tuple(begin_of(start).astimezone(query.zone) for start in starts),
        rows=tuple(rows),
        total=total.amounts(),
        counted=study.counted,
    )


def totals(
    session: Session, query: Query, periods: Sequence[Period], *, position: Position
) -> list[Amounts]:
    """What each of these periods adds up to, in one go; they may overlap.

    Of ``query``, which names no groups, its own period does not count.
    """
    query.check()
    pairs = [(quarter_of(since), quarter_from(until)) for since, until in periods]
    return [cell.amounts() for cell in _Study(session, query, position, pairs, {}).totals()]


def refuse_large(query: Query) -> None:
    """Raises: Invalid, when there would be more rows than anybody reads (``report_too_large``)."""
    if query.per is None or not query.by:
        return
    buckets = len(cut(quarter_of(query.since), quarter_from(query.until), query.per, query.zone))
    rows_max = ROWS_WITH_TIMES_MAX if query.with_times else ROWS_MAX
    if buckets * query.limit > rows_max:
        raise Invalid(
            f"the report may have more than {rows_max} rows: take a larger unit, a shorter period "
            "or a lower limit",
            code="report_too_large",
        )


class _Study:
    """One report being made."""

    def __init__(
        self,
        session: Session,
        query: Query,
        position: Position,
        pairs: Sequence[tuple[int, int]],
        once: Once,
    ) -> None:
        self._session = session
        self._query = query
        self._pairs = pairs
        """Where each bucket begins and ends."""
        self._once = once
        self._clock = query.zone if position.zone is None else ZoneInfo(position.zone)
        dimensions = query.dimensions()
        self._has_corrections = dimensions <= _WITH_CORRECTIONS
        self._has_seen = query.seen_since is not None and dimensions <= _WITH_SEEN
        self._has_times = query.with_times and not dimensions & LINE_GROUPS
        self._is_wide = any(map(is_wide, dimensions))
        self._is_filling = (self._is_wide or query.with_times) and position.is_filling
        self._totals_from = position.totals_from
        self._ended = position.ended
        self._begins: dict[int, datetime] = {}
        self._fine_seen: dict[Place, tuple[int, int]] | None = None
        self._models_from = self._if_covered(position.models_from)
        self.counted = position.counted
        """How far it counts: while older events are filled in, those that are."""
        if self._is_filling:
            self.counted = Counted(
                position.filled_to, position.counted.transaction_id, is_behind=True
            )

    def refuse_lines_gone(self) -> None:
        wanted = self._wanted(self._query.by, is_whole=True)
        if not sources.reads_books(wanted):
            return
        touched = books.months_in(Span(QUARTER, *self._whole()))
        gone = sorted(store.removed_months(self._session) & set(touched))
        if gone:
            months = ", ".join(month_text(month) for month in gone)
            raise LinesGone(
                "no sums have all that this report is of: it is read from usage lines, and those "
                f"of {months} lie in archives: `shareauth archives restore` puts them back"
            )

    def total(self) -> Cell:
        if self._query.per is not None and not self._query.with_visitors:
            return together(self.totals())
        return self._cells((), is_whole=True).get((0, ()), self._empty_cell(()))

    def totals(self) -> list[Cell]:
        """Of each bucket, also the empty ones."""
        found = self._cells((), is_whole=False)
        return [
            found.get((bucket, ()), self._empty_cell((), bucket))
            for bucket in range(len(self._pairs))
        ]

    def rows(self, total: Cell) -> list[Row]:
        if not self._query.by:
            return [] if self._query.per is None else self._told(self._cells((), is_whole=False))
        by, limit = self._query.by, self._query.limit
        top = self._cells(by, is_whole=True, limit=limit)
        if self._query.per is None:
            return [*self._told(top), *self._others(0, [*top.values()], total)]
        return self._series(list(top))

    def _series(self, top: Sequence[Place]) -> list[Row]:
        only = [keys for _, keys in top]
        order = {keys: rank for rank, keys in enumerate(only)}
        cells = self._cells(self._query.by, is_whole=False, only=only) if only else {}
        totals = self._cells((), is_whole=False)
        buckets: dict[int, list[Place]] = {bucket: [] for bucket, _ in totals}
        for place in sorted(cells, key=lambda place: (place[0], order[place[1]])):
            buckets.setdefault(place[0], []).append(place)
        rows: list[Row] = []
        named = self._labels(only)
        for bucket in sorted(buckets):
            inside = [cells[place] for place in buckets[bucket]]
            rows += [self._row(place, cells[place], named) for place in buckets[bucket]]
            rows += self._others(
                bucket, inside, totals.get((bucket, ()), self._empty_cell((), bucket))
            )
        return rows

    def _others(self, bucket: int, inside: Sequence[Cell], total: Cell) -> list[Row]:
        """What the rows leave of the total, if anything."""
        left = without(total.sums, [cell.sums for cell in inside])
        has_questions = not set(self._query.by) & LINE_GROUPS
        if not has_questions:
            left["questions"] = 0
        more: dict[str, int | None] = {}
        for name in MORE:
            whole = getattr(total, name)
            parts = sum(getattr(cell, name) or 0 for cell in inside)
            more[name] = None if whole is None else whole - parts
        if not any(left.values()) and not any(more.values()):
            return []
        times = None
        if total.times is not None:
            times = Counter(total.times)
            times.subtract(sum((cell.times or Counter() for cell in inside), Counter[int]()))
        cell = Cell(left, has_questions, times=times, **more)
        return [Row(self._at(bucket), None, ("",) * len(self._query.by), cell.amounts())]

    def _cells(
        self,
        by: tuple[Group, ...],
        *,
        is_whole: bool,
        limit: int | None = None,
        only: Sequence[tuple[Any, ...]] | None = None,
    ) -> dict[Place, Cell]:
        chosen = None if only is None else tuple(only)
        wanted = replace(self._wanted(by, is_whole=is_whole), only=chosen)
        found = (
            self._ask(store.sums, wanted)
            if limit is None
            else self._ask(
                store.top_sums, wanted, sort=self._query.sort, limit=limit, zone=self._clock
            )
        )
        places = {(one.bucket, one.keys): one for one in found}
        if limit is not None:
            wanted = replace(wanted, only=tuple(keys for _, keys in places))
        beside = Beside(
            visitors=self._visitors(wanted, is_whole=is_whole) if places else {},
            times=self._times(wanted, is_whole=is_whole) if places else {},
            corrections=self._corrections(by, is_whole=is_whole),
            seen=self._seen(by, is_whole=is_whole),
        )
        if limit is None and only is None:  # there may be corrections where nobody asked
            missing = beside.places() - set(places)
            places |= {place: Found(*place, dict(EMPTY)) for place in missing}
        if not by and only is None and limit is None:
            places = dict(sorted(places.items()))
        has_questions = wanted.questions is not None
        return {
            place: self._cell(place, one.sums, beside, has_questions=has_questions)
            for place, one in places.items()
        }

    def _ask(self, ask: Callable[..., T], wanted: Wanted, **how: Any) -> T:  # noqa: ANN401 - of each
        key = (ask, wanted, *how.values())
        if key not in self._once:
            self._once[key] = ask(self._session, wanted, **how)
        return cast("T", self._once[key])

    def _cell(self, place: Place, sums: Sums, beside: Beside, *, has_questions: bool) -> Cell:
        refusals, unfinished = beside.seen.get(place, (0, 0))
        is_kept = self._has_seen and self._is_kept(place[0])
        return Cell(
            sums,
            has_questions,
            beside.visitors.get(place, 0) if self._query.with_visitors else None,
            beside.corrections.get(place, 0) if self._has_corrections else None,
            beside.times.get(place, Counter()) if self._has_times else None,
            refusals if is_kept else None,
            unfinished if is_kept else None,
        )

    def _is_kept(self, bucket: int) -> bool:
        """Whether refusals are, from the bucket's beginning on."""
        since = self._query.seen_since
        return since is not None and begin_of(self._pairs[bucket][0]) >= since

    def _visitors(self, wanted: Wanted, *, is_whole: bool) -> dict[Place, int]:
        if not self._query.with_visitors:
            return {}
        if sources.users_read_books(wanted):
            wanted = replace(wanted, buckets=self._buckets_of_quarters(is_whole))
        return self._ask(visitors_store.visitors, wanted, zone=self._clock)

    def _times(self, wanted: Wanted, *, is_whole: bool) -> dict[Place, Counter[int]]:
        if not self._has_times:
            return {}
        wanted = replace(wanted, buckets=self._covers(is_whole))
        if sources.kept_times(self._session, wanted) is None:
            wanted = replace(wanted, buckets=self._buckets_of_quarters(is_whole))
        return self._ask(store.times, wanted)

    def _seen(self, by: tuple[Group, ...], *, is_whole: bool) -> dict[Place, tuple[int, int]]:
        if not self._has_seen:
            return {}
        if self._fine_seen is None:
            among = Among(self._query.filters.links, self._query.link_ids)
            buckets = self._buckets_of_quarters(is_whole=False)
            self._fine_seen = seen_store.both(self._session, buckets, self._query.by, among)
        return folded(self._fine_seen, _both, is_grouped=bool(by), is_whole=is_whole)

    def _corrections(self, by: tuple[Group, ...], *, is_whole: bool) -> dict[Place, int]:
        if not self._has_corrections:
            return {}
        wanted = replace(
            self._wanted(self._query.by, is_whole=False),
            buckets=self._buckets_of_quarters(is_whole=False),
        )
        fine = self._ask(store.corrections, wanted, basis=self._query.basis)
        return folded(fine, operator.add, is_grouped=bool(by), is_whole=is_whole)

    def _wanted(self, by: tuple[Group, ...], *, is_whole: bool) -> Wanted:
        query = self._query
        wanted = Wanted(
            buckets=self._covers(is_whole),
            by=by,
            filters=query.filters,
            link_ids=query.link_ids,
            counted=self.counted.event_id,
            questions=questions_column(by, query.filters),
            with_visitors=query.with_visitors,
            is_wide=self._is_wide,
            is_filling=self._is_filling,
            totals_from=self._totals_from,
            models_from=self._models_from,
        )
        if sources.reads_books(wanted):
            plain = self._buckets_of_quarters(is_whole)
            return replace(wanted, buckets=plain, questions="questions")
        return wanted

    def _if_covered(self, since: int | None) -> int | None:
        """From when models by user and by segment are read; None unless they have all spans.

        The books tell models by their names, and sums by numbers: a report is of one of the two.
        """
        if since is None or not self._query.dimensions() & LINE_GROUPS:
            return None
        buckets = (*self._covers(is_whole=True), *self._covers(is_whole=False))
        spans = [span for bucket in buckets for span in bucket]
        has_all = all(span.low >= since and span.width != QUARTER for span in spans)
        return since if has_all else None

    def _covers(self, is_whole: bool) -> Buckets:  # noqa: FBT001 - of two kinds
        return tuple(covered(*pair, self._clock, self._ended) for pair in self._of(is_whole))

    def _buckets_of_quarters(self, is_whole: bool) -> Buckets:  # noqa: FBT001 - of two kinds
        return tuple((Span(QUARTER, *pair),) for pair in self._of(is_whole))

    def _of(self, is_whole: bool) -> Sequence[tuple[int, int]]:  # noqa: FBT001 - of two kinds
        return [self._whole()] if is_whole else self._pairs

    def _whole(self) -> tuple[int, int]:
        return self._pairs[0][0], self._pairs[-1][1]

    def _told(self, cells: dict[Place, Cell]) -> list[Row]:
        named = self._labels([keys for _, keys in cells])
        return [self._row(place, cell, named) for place, cell in cells.items()]

    def _row(self, place: Place, cell: Cell, named: Sequence[dict[Any, tuple[Any, str]]]) -> Row:
        bucket, keys = place
        known = [names.get(key, (key, str(key))) for key, names in zip(keys, named, strict=False)]
        shown = tuple(label for _, label in known)
        return Row(self._at(bucket), tuple(key for key, _ in known), shown, cell.amounts())

    def _labels(self, keys: Sequence[tuple[Any, ...]]) -> list[dict[Any, tuple[Any, str]]]:
        if not keys:
            return []
        return [
            store.labels(self._session, group, {one[place] for one in keys})
            for place, group in enumerate(self._query.by[: len(keys[0])])
        ]

    def _at(self, bucket: int) -> datetime | None:
        if self._query.per is None:
            return None
        if bucket not in self._begins:  # rows share theirs
            begin = begin_of(self._pairs[bucket][0])
            self._begins[bucket] = begin.astimezone(self._query.zone)
        return self._begins[bucket]

    def _empty_cell(self, by: tuple[Group, ...], bucket: int = 0) -> Cell:
        has_questions = questions_column(by, self._query.filters) is not None
        return self._cell((bucket, ()), dict(EMPTY), Beside(), has_questions=has_questions)


def _both(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]
