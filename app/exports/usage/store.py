"""Statements that read usage events and their lines to be exported."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.exports.columns import Batch, Row, add_rows
from app.exports.names.store import Names
from app.exports.scope import Scope
from app.exports.walk.store import (
    LATE,
    Columns,
    Key,
    Page,
    Pieces,
    Walk,
    covering,
    fetch,
    iso_text,
    json_text,
    key_behind,
    next_key,
    parts_of,
    repeated,
)
from app.metering.lines import store as lines_store
from app.metering.models import UsageEvent, UsageLine

Archived = Callable[[Mapping[int, int]], Mapping[int, Sequence[Row]]]
"""The archived lines of events, whose months are given by their ids; rows of ``LINE_COLUMNS``."""

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


def read_events(session: Session, scope: Scope, key: Key, limit: int, names: Names) -> Page:
    """Rows of the table ``events``."""
    event = UsageEvent
    chosen = sa.select(
        event.id,
        iso_text(session, event.received_at),
        event.reference,
        event.user_id,
        event.link_id,
        event.plan_id,
        json_text(event.warnings),
        event.app_name,
        event.chat_id,
        event.points,
        event.charge,
        event.input_tokens,
        event.output_tokens,
        event.running_time_ms,
        event.price_version_id,
        event.generation,
        event.billed_by,
        event.node_count,
    )
    narrowed = _narrowed(chosen, scope)
    last, count = None, 0
    with Pieces(session, walk(scope).page(narrowed, scope.period, key, limit)) as page:
        for found in page:
            ids, at, references, users, links, plans, warnings, *told = found
            last, count = (at[-1], ids[-1]), count + len(ids)
            subjects, user_names, uids = names.users.columns(page.ask, users)
            columns = (
                *(references, at, subjects, user_names),
                *names.links.columns(page.ask, links),
                *told[:7],
                list(map(_warnings, warnings)),
                uids,
                *names.plans.columns(page.ask, plans),
                *told[7:],
                *(ids, [key[0] == LATE] * len(ids)),
            )
            yield Batch(columns)
    return key_behind(key, last, is_full=count == limit)


def read_lines(
    session: Session, scope: Scope, key: Key, limit: int, names: Names, archived: Archived
) -> Page:
    """Rows of the table ``lines``, of ``limit`` events."""
    event = UsageEvent
    chosen = sa.select(
        event.id,
        iso_text(session, event.received_at),
        event.reference,
        event.user_id,
        event.link_id,
        event.app_name,
    )
    narrowed = _narrowed(chosen, scope)
    found = fetch(session, walk(scope).page(narrowed, scope.period, key, limit))
    ids, at, references, users, links, apps = found
    following = next_key(key, at, ids, limit)
    if not ids:
        return following
    months = {event_id: int(time[:4] + time[5:7]) for event_id, time in zip(ids, at, strict=True)}
    lines, places = parts_of(ids, _lines(session, months, scope.kind, archived))
    ask = partial(fetch, session)
    subjects, _, uids = names.users.columns(ask, users)
    of_event = (references, at, subjects, *names.links.columns(ask, links), apps, uids)
    *heads, uids = repeated(of_event, places)
    event_ids, *told, is_covered = lines
    is_late = [key[0] == LATE] * len(places)
    yield Batch((*heads, *told, uids, list(map(bool, is_covered)), event_ids, is_late))
    return following


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


def _lines(
    session: Session, months: Mapping[int, int], node_kind: str | None, archived: Archived
) -> Columns:
    """Behind the ids of their events; some are of other events."""
    by_month: dict[int, list[int]] = {}
    for event_id, month in months.items():
        by_month.setdefault(month, []).append(event_id)
    lines: list[list[Any]] = [[] for _ in ("event_id", *LINE_COLUMNS)]
    for month, event_ids in sorted(by_month.items()):
        statement = (
            sa.select(UsageLine.event_id, *(getattr(UsageLine, name) for name in LINE_COLUMNS))
            .where(
                UsageLine.received_month == month,
                covering(UsageLine.event_id, event_ids),
            )
            .order_by(UsageLine.event_id, UsageLine.position)
        )
        if node_kind is not None:
            statement = statement.where(UsageLine.node_kind == node_kind)
        for values, found in zip(lines, fetch(session, statement), strict=True):
            values.extend(found)
    for event_id, more in archived(months).items():
        kept = [line for line in more if node_kind is None or line[2] == node_kind]
        add_rows(lines, [(event_id, *line) for line in kept])
    return lines


def _warnings(text: str) -> str:
    return "" if text == "{}" else " ".join(sorted(json.loads(text)))
