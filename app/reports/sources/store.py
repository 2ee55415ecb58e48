"""Where the sums of a report are read: from a table that has all its dimensions, or the books."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ids import among
from app.reports.given import store as given
from app.reports.models import UsageName
from app.reports.query import ATTRIBUTE, NAME_CHARS_MAX, Group
from app.reports.sources.books import store as books
from app.reports.sources.kept import store as kept
from app.reports.sources.wanted import LINE_GROUPS, Source, Wanted
from app.reports.spans import by_hours

_NAMED = frozenset({"app", "model", "node_kind"})


def reads_books(wanted: Wanted) -> bool:
    """Whether no table has all dimensions, so that events and lines themselves are read.

    Users do not count as one where they are counted beside: unless there are lines to tell them by.
    """
    if not wanted.dimensions & LINE_GROUPS:
        wanted = replace(wanted, with_visitors=False)
    return kept.table_for(wanted) is None


def has_user_totals(wanted: Wanted) -> bool:
    """Whether its users are read where each has one row a day, and one a month."""
    return kept.is_of_users(kept.table_for(replace(wanted, with_visitors=True)))


def users_read_books(wanted: Wanted) -> bool:
    """The same of who asked."""
    return kept.table_for(replace(wanted, with_visitors=True)) is None


def source_of(session: Session, wanted: Wanted) -> Source:
    """Where to add up what is wanted."""
    table = kept.table_for(replace(wanted, with_visitors=False))
    if reads_books(wanted) or table is None:
        return books.sums(session, wanted)
    return _of_table(session, wanted, table)


def users_of(session: Session, wanted: Wanted) -> Source:
    """The same with users among the groups, and no sums."""
    table = kept.table_for(replace(wanted, with_visitors=True))
    if table is not None:
        return _of_table(session, wanted, table)
    if wanted.dimensions & LINE_GROUPS:
        return books.sums(session, wanted)
    return books.users(session, wanted)


def kept_times(session: Session, wanted: Wanted) -> Source | None:
    """Where answers are counted by how long they took; None where no table has the dimensions."""
    table = kept.times_for(wanted)
    if table is None:
        return None
    given.look_up(session, each_alone=True)
    spans, parameters = given.spans(session, wanted.buckets)
    return replace(kept.times(spans, table, wanted.joins), given=parameters)


def conditions(wanted: Wanted, source: Source) -> list[Any]:
    """What the filters leave of the rows."""
    found: list[Any] = [*source.conditions]
    if wanted.link_ids is not None:
        found.append(among(source.groups["link"], wanted.link_ids))
    for group, chosen in wanted.filters.named().items():
        if chosen is not None:
            found.append(_chosen(source, group, chosen))
    if wanted.only is not None:
        found.append(_only(wanted, source))
    return found


def _chosen(source: Source, group: Group, chosen: frozenset[Any]) -> sa.ColumnElement[bool]:
    column: sa.ColumnElement[Any] = source.groups[group]
    if group in _NAMED:
        cut = sorted(text[:NAME_CHARS_MAX] for text in chosen)
        if group in source.texts:
            return column.in_(cut)
        # Looked up once: joined, PostgreSQL would look the name of each row up, one by one.
        return among(
            column, sa.select(UsageName.id).where(UsageName.kind == group, UsageName.name.in_(cut))
        )
    return column.in_(sorted(chosen)) if group.startswith(ATTRIBUTE) else among(column, chosen)


def _of_table(session: Session, wanted: Wanted, table: sa.Table) -> Source:
    given.look_up(session, each_alone=True)
    buckets = wanted.buckets
    if kept.has_hours(table):
        buckets = [by_hours(bucket) for bucket in buckets]
    spans, parameters = given.spans(session, buckets)
    of_users = wanted.is_of_few_users and session.get_bind().dialect.name == "sqlite"
    found = kept.sums(spans, table, wanted.questions, wanted.joins, of_users=of_users)
    return replace(found, given=parameters)


def _only(wanted: Wanted, source: Source) -> Any:  # noqa: ANN401 - SQLAlchemy's
    keys, only = [source.groups[group] for group in wanted.by], list(wanted.only or ())
    if len(keys) == 1:
        return keys[0].in_([key for (key,) in only])
    chosen = sa.tuple_(*keys).in_(only)
    if "user" not in wanted.by:
        return chosen
    place = wanted.by.index("user")  # said by itself, a database looks them up
    return chosen & keys[place].in_(sorted({one[place] for one in only}))
