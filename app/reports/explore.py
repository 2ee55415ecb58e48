"""A report: sums of a period, cut by the clock and by whom and what they are of."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.errors import Conflict
from app.metering.months import month_text
from app.reports import store
from app.reports.query import (
    MEASURES,
    Amounts,
    Filters,
    Group,
    Query,
    Report,
    Row,
    without,
)
from app.reports.spans import QUARTER, Span, begin_of, cover, cut, quarter_from, quarter_of
from app.reports.store import Found, Position, Sums, Wanted

_WITH_CORRECTIONS = {"user", "link"}
_ONCE_EACH = {"user", "link", "app"}
"""Groups of which an answer has one; it may have several models and node kinds."""

Place = tuple[int, tuple[Any, ...]]
"""A bucket's number and a group's keys."""


class LinesGone(Conflict):
    """Only lines tell users' models, and some of the period lie in archives."""

    code = "lines_archived"


def explore(session: Session, query: Query, *, position: Position | None = None) -> Report:
    """The report; read it in one snapshot. Who makes several of one gives the ``position``.

    Raises:
        Invalid: something of the query can not be.
        LinesGone: it asks for users and models together, of a month whose lines were removed.
    """
    query.check()
    low, high = quarter_of(query.since), quarter_from(query.until)
    starts = [low] if query.per is None else cut(low, high, query.per, query.zone)
    position = position or store.position(session)
    study = _Study(session, query, position, (*starts, high))
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
        counted=position.counted,
    )


@dataclass(frozen=True, slots=True)
class _Cell:
    sums: Sums
    has_questions: bool
    visitors: int | None = None
    corrections: int | None = None

    def amounts(self) -> Amounts:
        known: dict[str, Any] = dict(self.sums)
        if not self.has_questions:
            known["questions"] = None
        return Amounts(**known, visitors=self.visitors, corrections=self.corrections)


_EMPTY: Sums = dict.fromkeys(MEASURES, 0)


class _Study:
    """One report being made."""

    def __init__(
        self, session: Session, query: Query, position: Position, edges: Sequence[int]
    ) -> None:
        self._session = session
        self._query = query
        self._counted = position.counted
        self._edges = edges
        self._clock = query.zone if position.zone is None else ZoneInfo(position.zone)
        self._has_corrections = _dimensions(query.by, query.filters) <= _WITH_CORRECTIONS

    def refuse_lines_gone(self) -> None:
        wanted = self._wanted(self._query.by, is_whole=True)
        if not store.reads_lines(wanted):
            return
        touched = store.months_in(Span(QUARTER, self._edges[0], self._edges[-1]))
        gone = sorted(store.removed_months(self._session) & set(touched))
        if gone:
            months = ", ".join(month_text(month) for month in gone)
            raise LinesGone(
                f"users and models together are read from usage lines, and those of {months} lie "
                "in archives: `shareauth archives restore` puts them back"
            )

    def total(self) -> _Cell:
        return self._cells((), is_whole=True).get((0, ()), self._empty_cell(()))

    def rows(self, total: _Cell) -> list[Row]:
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
            rows += self._others(bucket, inside, totals.get((bucket, ()), self._empty_cell(())))
        return rows

    def _others(self, bucket: int, inside: Sequence[_Cell], total: _Cell) -> list[Row]:
        """What the rows leave of the total, if anything."""
        left = without(total.sums, [cell.sums for cell in inside])
        corrections = None
        if total.corrections is not None:
            corrections = total.corrections - sum(cell.corrections or 0 for cell in inside)
        has_questions = set(self._query.by) <= _ONCE_EACH
        if not has_questions:
            left["questions"] = 0
        if not any(left.values()) and not corrections:
            return []
        cell = _Cell(left, has_questions, corrections=corrections)
        return [Row(self._at(bucket), None, ("",) * len(self._query.by), cell.amounts())]

    def _cells(
        self,
        by: tuple[Group, ...],
        *,
        is_whole: bool,
        limit: int | None = None,
        only: Sequence[tuple[Any, ...]] | None = None,
    ) -> dict[Place, _Cell]:
        wanted = replace(self._wanted(by, is_whole=is_whole), only=only)
        sort = self._query.sort
        found = store.sums(self._session, wanted, sort=sort, limit=limit)
        places = {(one.bucket, one.keys): one for one in found}
        visitors = self._visitors(wanted, list(places), is_limited=limit is not None)
        corrections = self._corrections(by, is_whole=is_whole)
        if limit is None and only is None:  # there may be corrections where nobody asked
            places |= {
                place: Found(*place, dict(_EMPTY)) for place in corrections if place not in places
            }
        if not by and only is None and limit is None:
            places = dict(sorted(places.items()))
        has_questions = wanted.questions is not None
        return {
            place: _Cell(
                one.sums,
                has_questions,
                visitors.get(place, 0) if self._query.with_visitors else None,
                corrections.get(place, 0) if self._has_corrections else None,
            )
            for place, one in places.items()
        }

    def _visitors(
        self, wanted: Wanted, places: Sequence[Place], *, is_limited: bool
    ) -> dict[Place, int]:
        if not self._query.with_visitors or not places:
            return {}
        if is_limited:
            wanted = replace(wanted, only=[keys for _, keys in places])
        return store.visitors(self._session, wanted)

    def _corrections(self, by: tuple[Group, ...], *, is_whole: bool) -> dict[Place, int]:
        if not self._has_corrections:
            return {}
        wanted = replace(
            self._wanted(by, is_whole=is_whole), buckets=self._buckets_of_quarters(is_whole)
        )
        return store.corrections(self._session, wanted, self._query.basis)

    def _wanted(self, by: tuple[Group, ...], *, is_whole: bool) -> Wanted:
        query = self._query
        wanted = Wanted(
            buckets=(),
            by=by,
            filters=query.filters,
            link_ids=query.link_ids,
            counted=self._counted.event_id,
            questions=_questions(by, query.filters),
            with_visitors=query.with_visitors,
        )
        if store.reads_lines(wanted):
            plain = self._buckets_of_quarters(is_whole)
            return replace(wanted, buckets=plain, questions="questions")
        return replace(
            wanted, buckets=[list(cover(*pair, self._clock)) for pair in self._pairs(is_whole)]
        )

    def _buckets_of_quarters(self, is_whole: bool) -> list[list[Span]]:  # noqa: FBT001 - of two kinds
        return [[Span(QUARTER, *pair)] for pair in self._pairs(is_whole)]

    def _pairs(self, is_whole: bool) -> list[tuple[int, int]]:  # noqa: FBT001 - of two kinds
        edges = (self._edges[0], self._edges[-1]) if is_whole else self._edges
        return list(itertools.pairwise(edges))

    def _told(self, cells: dict[Place, _Cell]) -> list[Row]:
        named = self._labels([keys for _, keys in cells])
        return [self._row(place, cell, named) for place, cell in cells.items()]

    def _row(self, place: Place, cell: _Cell, named: Sequence[dict[Any, tuple[Any, str]]]) -> Row:
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

    def _at(self, bucket: int) -> Any:  # noqa: ANN401 - a time, or None without buckets
        if self._query.per is None:
            return None
        return begin_of(self._edges[bucket]).astimezone(self._query.zone)

    def _empty_cell(self, by: tuple[Group, ...]) -> _Cell:
        return _Cell(
            dict(_EMPTY),
            _questions(by, self._query.filters) is not None,
            0 if self._query.with_visitors else None,
            0 if self._has_corrections else None,
        )


def _dimensions(by: tuple[Group, ...], filters: Filters) -> set[str]:
    chosen = {
        "user": filters.users,
        "link": filters.links,
        "app": filters.apps,
        "model": filters.models,
        "node_kind": filters.node_kinds,
    }
    return {*by, *(name for name, values in chosen.items() if values is not None)}


def _questions(by: tuple[Group, ...], filters: Filters) -> str | None:
    """The column that has each answer once in every group; None when there is no such."""
    chosen = {"model": filters.models, "node_kind": filters.node_kinds}
    single, several = set[str](), set[str]()
    for name, values in chosen.items():
        if name in by or (values is not None and len(values) <= 1):
            single.add(name)
        elif values is not None:
            several.add(name)
    if several:
        return None
    if single == {"model"}:
        return "model_questions"
    return "kind_questions" if single == {"node_kind"} else "questions"
