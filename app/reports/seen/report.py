"""Reports on what is no usage: refusals by rule, and questions whose answer was never reported.

Both are read from what is kept of them, which is not for ever, and are in no ledger.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.errors import Invalid
from app.reports.seen import store
from app.reports.seen.store import Among, Place, Unfinished
from app.reports.spans import QUARTER, Span, Unit, begin_of, cut, quarter_from, quarter_of

SeenGroup = Literal["link", "hook", "rule"]
SEEN_GROUPS: tuple[SeenGroup, ...] = ("link", "hook", "rule")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SeenQuery:
    """Of the time from ``since`` up to ``until``, widened to whole quarters of an hour.

    Of each group in ``by`` there is a row, or one for each bucket that has any; ``limit`` groups at
    most, those with the most, and what is left is in the others.
    """

    since: datetime
    until: datetime
    zone: ZoneInfo
    per: Unit | None = None
    by: tuple[SeenGroup, ...] = ()
    among: Among = field(default_factory=Among)
    limit: int = 100

    def check(self) -> None:
        """Raises: Invalid: there can be no such report (``query_invalid``)."""
        if self.since.tzinfo is None or self.until.tzinfo is None or self.until <= self.since:
            raise Invalid(
                "a period has a beginning and a later end, with offsets", code="query_invalid"
            )
        if len(set(self.by)) != len(self.by) or not set(self.by) <= set(SEEN_GROUPS):
            raise Invalid(f"groups are any of {', '.join(SEEN_GROUPS)}, once", code="query_invalid")


@dataclass(frozen=True, slots=True)
class SeenRow(Generic[T]):
    """``keys`` are as in the query's ``by``: numbers of links (0: none) and codes. None: others."""

    at: datetime | None
    keys: tuple[Any, ...] | None
    value: T


@dataclass(frozen=True, slots=True)
class SeenReport(Generic[T]):
    """The rows add up to the total."""

    since: datetime
    until: datetime
    starts: tuple[datetime, ...]
    rows: tuple[SeenRow[T], ...]
    total: T


def refused(session: Session, query: SeenQuery) -> SeenReport[int]:
    """How many calls were refused.

    Raises:
        Invalid: something of the query can not be.
    """
    buckets, edges = _buckets(query)
    found = store.refusals(session, buckets, query.by, query.among)
    sums: dict[tuple[Any, ...], int] = {}
    for (_, keys), count in found.items():
        sums[keys] = sums.get(keys, 0) + count
    top = sorted(sums, key=lambda keys: (-sums[keys], keys))[: query.limit]
    rows = _folded(found, top)
    return _report(query, edges, rows, sum(found.values()))


def unfinished(session: Session, query: SeenQuery) -> SeenReport[Unfinished]:
    """Questions whose finish did not come in time, by when they were asked, and by link.

    Raises:
        Invalid: something of the query can not be, such as another group.
    """
    if not set(query.by) <= {"link"}:
        raise Invalid("unfinished questions are told by link alone", code="query_invalid")
    buckets, edges = _buckets(query)
    found = store.unfinished(session, buckets, query.by, query.among)
    whole = store.unfinished(session, [list(itertools.chain(*buckets))], (), query.among)
    rows = [(bucket, keys, value) for (bucket, keys), value in sorted(found.items(), key=_place)]
    return _report(query, edges, rows, whole.get((0, ()), Unfinished()))


def _place(item: tuple[Place, Any]) -> Place:
    return item[0]


def _buckets(query: SeenQuery) -> tuple[list[list[Span]], list[int]]:
    query.check()
    low, high = quarter_of(query.since), quarter_from(query.until)
    starts = [low] if query.per is None else cut(low, high, query.per, query.zone)
    edges = [*starts, high]
    return [[Span(QUARTER, *pair)] for pair in itertools.pairwise(edges)], edges


def _folded(
    found: dict[Place, int], top: Sequence[tuple[Any, ...]]
) -> list[tuple[int, tuple[Any, ...] | None, int]]:
    """The counts of the top groups in their order, those of the others together, by bucket."""
    order = {keys: rank for rank, keys in enumerate(top)}
    rows: dict[tuple[int, int], tuple[tuple[Any, ...] | None, int]] = {}
    for (bucket, keys), count in found.items():
        place = bucket, order.get(keys, len(top))
        shown = keys if keys in order else None
        rows[place] = shown, rows.get(place, (None, 0))[1] + count
    return [(bucket, *rows[bucket, rank]) for bucket, rank in sorted(rows)]


def _report(
    query: SeenQuery,
    edges: Sequence[int],
    rows: Sequence[tuple[int, tuple[Any, ...] | None, T]],
    total: T,
) -> SeenReport[T]:
    times = [begin_of(edge).astimezone(query.zone) for edge in edges]
    return SeenReport(
        since=times[0],
        until=times[-1],
        starts=tuple(times[:-1]),
        rows=tuple(
            SeenRow(None if query.per is None else times[bucket], keys, value)
            for bucket, keys, value in rows
        ),
        total=total,
    )
