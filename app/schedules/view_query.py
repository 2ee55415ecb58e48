"""A saved view of the usage explorer as a report on another period."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.errors import Invalid
from app.links import store as link_store
from app.reports.query import Basis, Filters, Measure, Query
from app.reports.spans import UNITS, Unit
from app.schedules.calendar import Period
from app.users import store as user_store

LIMIT = 20
"""What the explorer shows when nothing is said."""
LIMIT_MAX = 10_000
_PAGE_ONLY = frozenset({"period", "since", "until", "zone", "measure", "bom", "format"})
"""The schedule says of which time and by whose clock; the rest is of the page."""
_KNOWN = {"per", "by", "sort", "limit", "visitors", "basis"}
_FILTERS = {
    "user": "users",
    "link": "links",
    "app": "apps",
    "model": "models",
    "node_kind": "node_kinds",
}


def query_of(session: Session, text: str, period: Period, zone: ZoneInfo) -> Query:
    """The report that the view's query string asks for, on ``period``.

    Raises:
        Invalid: it has something that a scheduled report does not know (``view_unusable``).
        NotFound: a user or link of its filters is gone.
    """
    said = {name: [one for one in values if one] for name, values in parse_qs(text).items()}
    unknown = sorted(set(said) - _PAGE_ONLY - _KNOWN - set(_FILTERS))
    if unknown:
        raise _unusable(f"scheduled reports do not know {', '.join(unknown)}")
    query = Query(
        since=period.since,
        until=period.until,
        zone=zone,
        per=cast("Unit | None", _one_of(said, "per", UNITS)),
        by=tuple(said.get("by", [])),
        filters=_filters(session, said),
        sort=cast("Measure", _one_of(said, "sort", get_args(Measure)) or "charge"),
        limit=_limit(said),
        with_visitors=_first(said, "visitors") in {"1", "true", "on", "yes"},
        basis=cast("Basis", _one_of(said, "basis", get_args(Basis)) or "posted"),
    )
    query.check()
    return query


def _filters(session: Session, said: Mapping[str, Sequence[str]]) -> Filters:
    chosen: dict[str, Any] = {}
    for name, field in _FILTERS.items():
        values: frozenset[Any] = frozenset(said.get(name, []))
        if name == "user":
            values = frozenset(user_store.get_by_subject(session, one).id for one in values)
        elif name == "link":
            values = frozenset(_link_id(session, one) for one in values)
        chosen[field] = values or None
    return Filters(**chosen)


def _link_id(session: Session, name: str) -> int:
    link = link_store.find_by_name(session, name)
    if link is None:
        raise _unusable(f"there is no link {name!r} any more")
    return link.id


def _limit(said: Mapping[str, Sequence[str]]) -> int:
    text = _first(said, "limit") or str(LIMIT)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LIMIT_MAX:
        raise _unusable(f"its limit must be from 1 to {LIMIT_MAX}")
    return int(text[:9])


def _one_of(said: Mapping[str, Sequence[str]], name: str, known: Sequence[str]) -> str | None:
    value = _first(said, name)
    return None if value is None else _checked(name, value, known)


def _checked(name: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise _unusable(f"scheduled reports do not know {name}={value[:40]}")
    return value


def _first(said: Mapping[str, Sequence[str]], name: str) -> str | None:
    return next(iter(said.get(name, [])), None)


def _unusable(problem: str) -> Invalid:
    return Invalid(f"the saved view cannot be scheduled: {problem}", code="view_unusable")
