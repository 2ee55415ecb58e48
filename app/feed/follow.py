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
from app.reports.rollup import store as position_store

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
    with db.read() as session:
        _check(session, stream, place)
        top = _certain(session, stream, place.id)
    if top <= place.id:
        return Page([], [], cursors.written(stream, place), has_more=False)
    # Another snapshot: what was certain to appear before the look has to be seen.
    with db.read() as session:
        found = _LOADERS[stream](session, place.id, top, limit + 1)
    given = found[:limit]
    places = [cursors.written(stream, behind) for _, behind in given]
    return Page(
        items=[row for row, _ in given],
        cursors=places,
        next=places[-1] if places else cursors.written(stream, place),
        has_more=len(found) > limit,
    )


def _certain(session: Session, stream: Stream, after: int) -> int:
    """An id up to which nothing can appear any more; not above ``after`` when nothing is new."""
    counted = position_store.find_position(session)
    if counted is not None:
        known = counted.event_id if stream == "usage-events" else counted.transaction_id
        if known > after:  # the sums of the reports go so far, and wait for the same
            return known
    seen = position_store.tops(session)
    if (seen.event_id if stream == "usage-events" else seen.transaction_id) <= after:
        return after
    decided = position_store.decided_tops(session)
    if decided is None:
        return after
    return decided.event_id if stream == "usage-events" else decided.transaction_id


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
