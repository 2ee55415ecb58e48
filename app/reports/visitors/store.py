"""How many users have an answer: every statement that counts them.

Nothing is estimated. Of the whole house, from the beginning of a day or month up to some time of
it, they are those whose first answer of it was before; of whole days, those who asked on one of
them for the first time since before. Both are added up from few rows. Else they are counted one by
one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.reports.cells import Place
from app.reports.given import store as given
from app.reports.given.store import Given
from app.reports.models import UsageFirstAnswers, UsageReturns
from app.reports.sources import store as sources
from app.reports.sources.wanted import Wanted
from app.reports.spans import Span, begun_in, whole_days


def visitors(session: Session, wanted: Wanted, *, zone: ZoneInfo) -> dict[Place, int]:
    """How many users have an answer, by bucket and group; ``zone`` is the clock of days."""
    if not wanted.dimensions:
        begun = _all(wanted, lambda spans: begun_in(spans, zone))
        if begun is not None:
            return _since(session, begun)
        days = _all(wanted, whole_days)
        if days is not None:
            return _of_days(session, days)
    return _counted(session, wanted)


def _counted(session: Session, wanted: Wanted) -> dict[Place, int]:
    """One by one."""
    source = sources.users_of(session, wanted)
    keys = [source.groups[group] for group in wanted.by]
    names = [f"key_{place}" for place in range(len(keys))]
    people = (
        sa.select(
            source.bucket.label("bucket"),
            *(key.label(name) for key, name in zip(keys, names, strict=True)),
            source.groups["user"].label("person"),
        )
        .select_from(source.rows)
        .where(*sources.conditions(wanted, source))
        .group_by(source.bucket, *keys, source.groups["user"])
    )
    if not _is_added(wanted):
        people = people.having(source.existing)
    table = people.subquery()
    grouped = [table.c.bucket, *(table.c[name] for name in names)]
    counts = sa.select(*grouped, sa.func.count()).group_by(*grouped)
    return {(row[0], tuple(row[1:-1])): row[-1] for row in session.execute(counts, source.given)}


def _all(
    wanted: Wanted, find: Callable[[Sequence[Span]], Span | None]
) -> list[tuple[Span, ...]] | None:
    """What is found of each bucket.

    None where nothing is of one, or where it begins before there are totals of the whole house.
    """
    found = [find(bucket) for bucket in wanted.buckets]
    buckets: list[tuple[Span, ...]] = [(span,) for span in found if span is not None]
    if len(buckets) < len(found) or not sources.has_user_totals(replace(wanted, buckets=buckets)):
        return None
    return buckets


def _since(session: Session, buckets: Sequence[Sequence[Span]]) -> dict[Place, int]:
    """Of days or months, each up to some time of it."""
    table = UsageFirstAnswers
    spans, parameters = _spans(session, buckets)
    within = (table.width == spans.c.width) & (table.start == spans.c.low)
    begun = spans.join(table, within & (table.first_start < spans.c.high))
    return _added(session, spans, begun, table.users, parameters)


def _of_days(session: Session, buckets: Sequence[Sequence[Span]]) -> dict[Place, int]:
    """Of some days each: who asked on one, and on none of those before it."""
    table = UsageReturns
    spans, parameters = _spans(session, buckets)
    within = (table.start >= spans.c.low) & (table.start < spans.c.high)
    came = spans.join(table, within & (table.previous_start < spans.c.low))
    return _added(session, spans, came, table.users, parameters)


def _spans(session: Session, buckets: Sequence[Sequence[Span]]) -> Given:
    given.look_up(session, each_alone=True)
    return given.spans(session, buckets)


def _added(
    session: Session,
    spans: Any,  # noqa: ANN401 - SQLAlchemy's
    rows: Any,  # noqa: ANN401 - SQLAlchemy's
    users: Any,  # noqa: ANN401 - SQLAlchemy's
    parameters: Mapping[str, Any],
) -> dict[Place, int]:
    bucket = spans.c.bucket
    added = sa.select(bucket, sa.func.sum(users)).select_from(rows).group_by(bucket)
    found = session.execute(added, parameters)
    return {(place, ()): int(number) for place, number in found if number}


def _is_added(wanted: Wanted) -> bool:
    """Whether nothing is taken away again, so that whoever has a row has an answer."""
    return all(span.sign > 0 for spans in wanted.buckets for span in spans)
