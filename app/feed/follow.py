"""Pages of usage events or ledger transactions, whole, in the order in which they became certain.

A row is given only when no row with a lower id can appear any more, so that who keeps the cursor
of a page together with its rows gets each row once and misses none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.db import Database
from app.feed import cursor as cursors
from app.feed import rows, store
from app.feed.cursor import CursorUnknown, Place, Stream
from app.metering import store as metering_store
from app.metering.lines import store as lines_store
from app.metering.months import month_of
from app.reports.models import ReportPosition
from app.reports.rollup import store as position_store
from app.reports.rollup.store import Tops

LIMIT_MAX = 1000

Row = dict[str, Any]
Load = Callable[[Session, int, int, int], list[tuple[Row, Place]]]
"""Rows with ids above the first number and up to the second, at most the third, each with the
place behind it."""


@dataclass(frozen=True, slots=True)
class Page:
    """``cursors`` are the places behind each item; ``next`` behind the last, and always there."""

    items: list[Row]
    cursors: list[str]
    next: str
    has_more: bool


def page(db: Database, stream: Stream, *, after: str | None, limit: int) -> Page:
    """The rows behind the cursor ``after``; None begins with the first there ever was.

    Raises:
        Invalid: the cursor is none of this feed (``cursor_invalid``).
        CursorUnknown: the books do not have the row it stands behind.
    """
    place = cursors.read(stream, after)
    load = _LOADERS[stream]
    with db.read() as session:
        _check(session, stream, place)
        counted = _counted(session, stream)
        found = load(session, place.id, counted, limit + 1) if counted > place.id else []
    if len(found) <= limit:
        with db.read() as session:
            decided = _decided(session, stream)
        if decided > max(counted, place.id):
            # Another snapshot: what was certain to appear before the look has to be seen.
            with db.read() as session:
                found = load(session, place.id, decided, limit + 1)
    given = found[:limit]
    places = [cursors.written(stream, behind) for _, behind in given]
    return Page(
        items=[row for row, _ in given],
        cursors=places,
        next=places[-1] if places else cursors.written(stream, place),
        has_more=len(found) > limit,
    )


def _counted(session: Session, stream: Stream) -> int:
    """The id up to which the sums of reports go: they wait for the same, and it costs no look."""
    position = position_store.find_position(session)
    return 0 if position is None else _id_of(stream, position)


def _decided(session: Session, stream: Stream) -> int:
    """The id up to which nothing can appear any more; 0 while somebody still writes there."""
    decided = position_store.decided_tops(session)
    return 0 if decided is None else _id_of(stream, decided)


def _id_of(stream: Stream, position: ReportPosition | Tops) -> int:
    return position.event_id if stream == "usage-events" else position.transaction_id


def _check(session: Session, stream: Stream, place: Place) -> None:
    if not place.id:
        return
    mark = _MARKS[stream](session, place.id)
    if mark is None or cursors.place_of(place.id, mark) != place:
        raise CursorUnknown(
            "the books do not have the row behind which this cursor stands: they were put back "
            "from a backup, or are others. Begin anew, without a cursor, into an empty place"
        )


def _events(session: Session, after: int, upto: int, limit: int) -> list[tuple[Row, Place]]:
    found = store.events_after(session, after, upto=upto, limit=limit)
    received = {row.event.id: row.event.received_at for row in found}
    lines = metering_store.load_lines(session, received)
    bare = {month_of(at) for event_id, at in received.items() if not lines[event_id]}
    archives = lines_store.list_archives(session, months=bare) if bare else []
    return [
        (
            rows.event_row(row, lines[row.event.id], archives),
            cursors.place_of(row.event.id, row.event.reference),
        )
        for row in found
    ]


def _transactions(session: Session, after: int, upto: int, limit: int) -> list[tuple[Row, Place]]:
    found = store.transactions_after(session, after, upto=upto, limit=limit)
    ids = [row.transaction.id for row in found]
    postings = store.postings_of(session, ids)
    charged = {row.transaction.event_id for row in found} - {None}
    references = store.references_of(session, {one for one in charged if one is not None})
    return [
        (
            rows.transaction_row(
                row, postings[row.transaction.id], references.get(row.transaction.event_id or 0)
            ),
            cursors.place_of(row.transaction.id, row.transaction.hash),
        )
        for row in found
    ]


_LOADERS: Mapping[Stream, Load] = {"usage-events": _events, "postings": _transactions}
_MARKS: Mapping[Stream, Callable[[Session, int], str | None]] = {
    "usage-events": store.event_mark,
    "postings": store.transaction_mark,
}
