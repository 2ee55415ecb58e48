"""Pages of usage events, newest first, that stay right while new ones come."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.errors import Invalid
from app.reports.events import store
from app.reports.events.store import EventFilters, ListedEvent, Place

LIMIT_MAX = 1000

_CURSOR = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Page:
    """``cursor`` asks for the next page; None when there is none."""

    events: tuple[ListedEvent, ...]
    cursor: str | None


def list_events(
    session: Session,
    filters: EventFilters,
    *,
    link_ids: frozenset[int] | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """Events by when they were received, the newest first.

    Raises:
        Invalid: the cursor is none of ours, or the limit is none (``cursor_invalid``,
            ``limit_invalid``).
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise Invalid(f"a limit is from 1 to {LIMIT_MAX}", code="limit_invalid")
    before = None if cursor is None else _place(cursor)
    found = store.list_page(session, filters, link_ids=link_ids, before=before, limit=limit + 1)
    page = found[:limit]
    return Page(tuple(page), _cursor(page[-1]) if len(found) > limit else None)


def _cursor(event: ListedEvent) -> str:
    return f"{(event.received_at - _EPOCH) // _MICROSECOND}-{event.id}"


def _place(cursor: str) -> Place:
    matched = _CURSOR.fullmatch(cursor)
    try:
        if matched is not None:
            return Place(_EPOCH + int(matched[1]) * _MICROSECOND, int(matched[2]))
    except OverflowError:
        pass  # a time that no calendar has
    raise Invalid("the cursor is not one of a page before", code="cursor_invalid")
