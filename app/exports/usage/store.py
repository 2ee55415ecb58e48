"""Statements that read usage events and their lines to be exported."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.exports.columns import Row
from app.exports.scope import Scope
from app.exports.walk.store import LATE, Key, Page, Walk, fetch, iso_text, json_text, next_key
from app.links.models import Link
from app.metering.lines import store as lines_store
from app.metering.models import UsageEvent, UsageLine
from app.plans.models import Plan
from app.users.models import User

Archived = Callable[[Mapping[int, int]], Mapping[int, Sequence[Row]]]
"""The archived lines of events, whose months are given by their ids; rows of ``LINE_COLUMNS``."""

DENSE = 1.5
"""A range of ids is one condition where thousands of ids are as many parameters."""
LINE_COLUMNS = (
    "position",
    "model",
    "node_kind",
    "input_tokens",
    "output_tokens",
    "embedding_tokens",
    "rerank_tokens",
    "points",
    "charge",
    "is_covered",
)


def walk(scope: Scope) -> Walk:
    period = scope.period
    return Walk(
        UsageEvent.received_at,
        UsageEvent.id,
        upto=None if period.upto is None else period.upto.event_id,
        after=None if period.after is None else period.after.event_id,
    )


def read_events(session: Session, scope: Scope, key: Key, limit: int) -> Page:
    """Rows of the table ``events``."""
    event = UsageEvent
    chosen = (
        sa.select(
            event.id,
            iso_text(session, event.received_at),
            event.reference,
            User.subject,
            User.name,
            Link.name,
            event.app_name,
            event.chat_id,
            event.points,
            event.charge,
            event.input_tokens,
            event.output_tokens,
            event.running_time_ms,
            json_text(event.warnings),
            User.uid,
            Plan.name,
            event.price_version_id,
            event.generation,
            event.billed_by,
            event.node_count,
        )
        .join(User, User.id == event.user_id)
        .join(Link, Link.id == event.link_id)
        .outerjoin(Plan, Plan.id == event.plan_id)
    )
    narrowed = _narrowed(chosen, scope)
    found = fetch(session, walk(scope).page(narrowed, scope.period, key, limit))
    is_late = key[0] == LATE
    rows = [
        (row[2], row[1], *row[3:13], _warnings(row[13]), *row[14:], row[0], is_late)
        for row in found
    ]
    return Page(rows, _next(key, found, limit))


def read_lines(session: Session, scope: Scope, key: Key, limit: int, archived: Archived) -> Page:
    """Rows of the table ``lines``, of ``limit`` events."""
    event = UsageEvent
    chosen = (
        sa.select(
            event.id,
            iso_text(session, event.received_at),
            event.reference,
            User.subject,
            Link.name,
            event.app_name,
            User.uid,
        )
        .join(User, User.id == event.user_id)
        .join(Link, Link.id == event.link_id)
    )
    narrowed = _narrowed(chosen, scope)
    found = fetch(session, walk(scope).page(narrowed, scope.period, key, limit))
    months = {row[0]: int(row[1][:4] + row[1][5:7]) for row in found}
    lines = _lines(session, months, scope.kind)
    for event_id, more in archived(months).items():
        lines.setdefault(event_id, []).extend(
            line for line in more if scope.kind is None or line[2] == scope.kind
        )
    is_late = key[0] == LATE
    rows = [
        (told[2], told[1], *told[3:6], *line[:9], told[6], bool(line[9]), told[0], is_late)
        for told in found
        for line in lines.get(told[0], ())
    ]
    return Page(rows, _next(key, found, limit))


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that lie in an archive only: of the month's events between two ids."""

    month: int
    after_event: int
    last_event: int
    file: str
    sha256: str


def removed_parts(session: Session) -> list[Part]:
    return [
        Part(row.received_month, row.after_event, row.last_event, row.manifest["file"], row.sha256)
        for row in lines_store.list_archives(session)
        if row.action == "removed"
    ]


def _narrowed(chosen: Any, scope: Scope) -> Any:  # noqa: ANN401 - SQLAlchemy's
    if scope.user_id is not None:
        chosen = chosen.where(UsageEvent.user_id == scope.user_id)
    if scope.link_id is not None:
        chosen = chosen.where(UsageEvent.link_id == scope.link_id)
    if scope.link_ids is not None:
        chosen = chosen.where(UsageEvent.link_id.in_(sorted(scope.link_ids)))
    return chosen


def _next(key: Key, found: Sequence[Row], limit: int) -> Key | None:
    last = (found[-1][1], found[-1][0]) if found else None
    return next_key(key, last, is_full=len(found) == limit)


def _lines(
    session: Session, months: Mapping[int, int], node_kind: str | None
) -> dict[int, list[Row]]:
    lines: dict[int, list[Row]] = {}
    by_month: dict[int, list[int]] = {}
    for event_id, month in months.items():
        by_month.setdefault(month, []).append(event_id)
    for month, event_ids in sorted(by_month.items()):
        statement = (
            sa.select(UsageLine.event_id, *(getattr(UsageLine, name) for name in LINE_COLUMNS))
            .where(UsageLine.received_month == month, _of_events(event_ids))
            .order_by(UsageLine.event_id, UsageLine.position)
        )
        if node_kind is not None:
            statement = statement.where(UsageLine.node_kind == node_kind)
        for row in fetch(session, statement):
            if row[0] in months:
                lines.setdefault(row[0], []).append(row[1:])
    return lines


def _of_events(event_ids: Sequence[int]) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """Lines of these; of some others, too, when most between the first and last are wanted."""
    first, last = min(event_ids), max(event_ids)
    if last - first < len(event_ids) * DENSE:
        return UsageLine.event_id.between(first, last)
    return UsageLine.event_id.in_(sorted(event_ids))


def _warnings(text: str) -> str:
    return "" if text == "{}" else " ".join(sorted(json.loads(text)))
