"""A saved view of the usage explorer as a report on another period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, get_args
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.errors import Invalid
from app.links import store as link_store
from app.plans import store as plan_store
from app.reports.explore import refuse_large
from app.reports.query import (
    ATTRIBUTE,
    GROUPS,
    Basis,
    Filters,
    Measure,
    Query,
    chosen_attributes,
)
from app.reports.spans import UNITS, Unit
from app.schedules.calendar import Period
from app.tokens import store as token_store
from app.users import store as user_store

LIMIT = 20
"""What the explorer shows when nothing is said."""
LIMIT_MAX = 10_000
TIMES = ("median_ms", "p95_ms", "untimed")
SEEN = ("refusals", "unfinished")
TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
PLAIN = ("questions", "points", "charge", "corrections", "net", *TOKENS)
"""Columns of a view that chooses none."""
COLUMNS = (
    "questions",
    "visitors",
    "points",
    "charge",
    "corrections",
    "net",
    "cost",
    "margin",
    "margin_percent",
    *TIMES,
    *SEEN,
    *TOKENS,
)
"""Those that a view may choose, in the explorer's order."""
_ASKED_BY = {"visitors": ("visitors",), "times": TIMES, "seen": SEEN}
"""What of a report is only made when one of these columns is there."""
_PAGE_ONLY = frozenset({"period", "since", "until", "zone", "measure", "bom", "format"})
"""The schedule says of which time and by whose clock; the rest is of the page."""
_KNOWN = {"per", "by", "sort", "limit", "basis", "column", *_ASKED_BY}
_FILTERS = {
    "user": "users",
    "link": "links",
    "app": "apps",
    "model": "models",
    "node_kind": "node_kinds",
    "issuer": "issuers",
    "plan": "plans",
    "attribute": "attributes",
}
Said = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A report, and which of its columns are wanted."""

    query: Query
    columns: tuple[str, ...]


def asked_of(
    session: Session, text: str, period: Period, zone: ZoneInfo, *, seen_since: datetime
) -> Asked:
    """The report that the view's query string asks for, on ``period``.

    Refusals are kept from ``seen_since`` on.

    Raises:
        Invalid: it has something that a scheduled report does not know (``view_unusable``), or
            too many rows (``report_too_large``).
        NotFound: a user, link, issuer or plan of its filters is gone.
    """
    said = {name: [one for one in values if one] for name, values in parse_qs(text).items()}
    unknown = sorted(set(said) - _PAGE_ONLY - _KNOWN - set(_FILTERS))
    if unknown:
        raise _unusable(f"scheduled reports do not know {', '.join(unknown)}")
    columns = _columns(said)
    query = Query(
        since=period.since,
        until=period.until,
        zone=zone,
        per=cast("Unit | None", _one_of(said, "per", UNITS)),
        by=tuple(dict.fromkeys(_group(one) for one in said.get("by", []))),
        filters=_filters(session, said),
        sort=cast("Measure", _one_of(said, "sort", get_args(Measure)) or "charge"),
        limit=_limit(said),
        with_visitors="visitors" in columns,
        with_times=bool(set(TIMES) & set(columns)),
        seen_since=seen_since if set(SEEN) & set(columns) else None,
        basis=cast("Basis", _one_of(said, "basis", get_args(Basis)) or "posted"),
    )
    query.check()
    refuse_large(query)
    return Asked(query, columns)


def _columns(said: Said) -> tuple[str, ...]:
    chosen = {_checked("column", one, COLUMNS) for one in said.get("column", [])} or set(PLAIN)
    for name, columns in _ASKED_BY.items():
        if _first(said, name) in {"1", "true", "on", "yes"}:
            chosen.update(columns)
    return tuple(name for name in COLUMNS if name in chosen)


def _group(name: str) -> str:
    return name if name.startswith(ATTRIBUTE) else _checked("by", name, GROUPS)


def _filters(session: Session, said: Said) -> Filters:
    chosen: dict[str, Any] = {}
    for name, field in _FILTERS.items():
        values = said.get(name, [])
        if name == "attribute":
            chosen[field] = chosen_attributes(values)
        else:
            chosen[field] = frozenset(_value(session, name, one) for one in values) or None
    return Filters(**chosen)


def _value(session: Session, name: str, said: str) -> int | str:
    """What a report takes for that: ids of people and things that have one."""
    if name == "user":
        return user_store.get_by_subject(session, said).id
    if name == "link":
        return _link_id(session, said)
    if name == "issuer":
        return token_store.get_issuer(session, said).id
    return plan_store.get_by_name(session, said).id if name == "plan" else said


def _link_id(session: Session, name: str) -> int:
    link = link_store.find_by_name(session, name)
    if link is None:
        raise _unusable(f"there is no link {name!r} any more")
    return link.id


def _limit(said: Said) -> int:
    text = _first(said, "limit") or str(LIMIT)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LIMIT_MAX:
        raise _unusable(f"its limit must be from 1 to {LIMIT_MAX}")
    return int(text[:9])


def _one_of(said: Said, name: str, known: Sequence[str]) -> str | None:
    value = _first(said, name)
    return None if value is None else _checked(name, value, known)


def _checked(name: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise _unusable(f"scheduled reports do not know {name}={value[:40]}")
    return value


def _first(said: Said, name: str) -> str | None:
    return next(iter(said.get(name, [])), None)


def _unusable(problem: str) -> Invalid:
    return Invalid(f"the saved view cannot be scheduled: {problem}", code="view_unusable")
