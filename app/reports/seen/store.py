"""Refusals and unfinished questions of a report's buckets; both are kept for a while only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.reports.given import store as given
from app.reports.spans import Span
from app.sightings.models import RefusalCount
from app.unfinished.models import UnfinishedTurn

Place = tuple[int, tuple[Any, ...]]
"""A bucket's number and a group's keys."""

_REFUSAL_GROUPS: dict[str, Any] = {
    "link": RefusalCount.link_id,
    "hook": RefusalCount.hook,
    "rule": RefusalCount.code,
}


@dataclass(frozen=True, slots=True)
class Among:
    """Which are meant; None: whichever."""

    links: frozenset[int] | None = None
    link_ids: frozenset[int] | None = None
    """The links that may be looked at; then nothing that reached no link either."""
    hooks: frozenset[str] | None = None
    rules: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Questions whose finish did not come in time; amounts in nano-units."""

    open_turns: int = 0
    """Those whose finish never came."""
    late_turns: int = 0
    """Those whose finish came late, and was charged."""
    hold: int = 0
    """What the open ones were expected to cost; likewise the points."""
    points_hold: int = 0


def refusals(
    session: Session, buckets: Sequence[Sequence[Span]], by: Sequence[str], among: Among
) -> dict[Place, int]:
    """How many calls were refused; groups are ``link`` (0: they reached none), ``hook``, ``rule``.

    The spans are of quarters.
    """
    spans, parameters = given.times(session, buckets)
    within = (RefusalCount.quarter >= spans.c.low) & (RefusalCount.quarter < spans.c.high)
    keys = [_REFUSAL_GROUPS[group] for group in by]
    chosen = {"link": among.links, "hook": among.hooks, "rule": among.rules}
    statement = (
        sa.select(spans.c.bucket, *keys, sa.func.sum(RefusalCount.count))
        .select_from(sa.join(spans, RefusalCount, within))
        .where(
            *(_REFUSAL_GROUPS[name].in_(sorted(ids)) for name, ids in _named(chosen)),
            *_seen(RefusalCount.link_id, among),
        )
        .group_by(spans.c.bucket, *keys)
    )
    found = session.execute(statement, parameters)
    return {(row[0], tuple(row[1:-1])): int(row[-1]) for row in found}


def unfinished(
    session: Session, buckets: Sequence[Sequence[Span]], by: Sequence[str], among: Among
) -> dict[Place, Unfinished]:
    """By the time they were asked; the group is ``link``, or none. The spans are of quarters."""
    turn = UnfinishedTurn
    spans, parameters = given.times(session, buckets)
    within = (turn.asked_at >= spans.c.low) & (turn.asked_at < spans.c.high)
    keys = [turn.link_id for _ in by]
    is_open = turn.finished_late_at.is_(None)

    def summed(column: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's
        return sa.func.coalesce(sa.func.sum(column).filter(is_open), 0)

    statement = (
        sa.select(
            spans.c.bucket,
            *keys,
            sa.func.count().filter(is_open),
            sa.func.count().filter(~is_open),
            summed(turn.hold),
            summed(turn.points_hold),
        )
        .select_from(sa.join(spans, turn, within))
        .where(
            *(turn.link_id.in_(sorted(ids)) for _, ids in _named({"link": among.links})),
            *_seen(turn.link_id, among),
        )
        .group_by(spans.c.bucket, *keys)
    )
    found = session.execute(statement, parameters)
    return {(row[0], tuple(row[1:-4])): Unfinished(*map(int, row[-4:])) for row in found}


def both(
    session: Session, buckets: Sequence[Sequence[Span]], by: Sequence[str], among: Among
) -> dict[Place, tuple[int, int]]:
    """How many calls were refused, and questions are open, where there are any."""
    refused = refusals(session, buckets, by, among)
    open_turns = {
        place: one.open_turns for place, one in unfinished(session, buckets, by, among).items()
    }
    return {
        place: (refused.get(place, 0), open_turns.get(place, 0))
        for place in {*refused, *open_turns}
    }


def _named(chosen: dict[str, frozenset[Any] | None]) -> list[tuple[str, frozenset[Any]]]:
    return [(name, ids) for name, ids in chosen.items() if ids is not None]


def _seen(column: Any, among: Among) -> list[Any]:  # noqa: ANN401 - SQLAlchemy's
    return [] if among.link_ids is None else [column.in_(sorted(among.link_ids))]
