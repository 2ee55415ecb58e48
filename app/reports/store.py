"""Every SQL statement of reports: sums over spans of time, and the names of what they are of."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.ledger.models import Transaction
from app.links.models import Link
from app.metering.models import UsageArchive, UsageEvent, UsageLine
from app.metering.months import month_of, months_from
from app.reports.models import (
    ReportPosition,
    UsageByLink,
    UsageByModel,
    UsageByUser,
    UsageCorrection,
    UsageName,
)
from app.reports.query import MEASURES, Basis, Counted, Filters, Group
from app.reports.rollup.fold import NAME_CHARS_MAX
from app.reports.spans import Span, begin_of
from app.users.models import User

Sums = dict[str, int]
CORRECTIONS = ("rerated", "reversed", "refunded")
"""What changes a charge; the other movements of a wallet do not."""

_LINK = UsageByLink.metadata.tables[UsageByLink.__tablename__]
_USER = UsageByUser.metadata.tables[UsageByUser.__tablename__]
_MODEL = UsageByModel.metadata.tables[UsageByModel.__tablename__]
_CORRECTION = UsageCorrection.metadata.tables[UsageCorrection.__tablename__]
_Columns = tuple[tuple[str, Any], ...]
_SPAN: _Columns = tuple((name, sa.Integer()) for name in ("bucket", "width", "low", "high", "sign"))
_TIMES: _Columns = (
    ("bucket", sa.Integer()),
    *((name, sa.DateTime(timezone=True)) for name in ("low", "high")),
)
_NEWEST = sa.select(
    sa.select(sa.func.max(UsageEvent.id)).scalar_subquery(),
    sa.select(sa.func.max(Transaction.id)).scalar_subquery(),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be added up.

    ``buckets`` are the spans of each bucket, or of the whole period. ``questions`` names the
    column that has each answer once in this grouping; None when there is no such column.
    """

    buckets: Sequence[Sequence[Span]]
    by: tuple[Group, ...]
    filters: Filters
    link_ids: frozenset[int] | None
    counted: int
    """The last event that counts, where events themselves are read."""
    questions: str | None
    with_visitors: bool
    only: Sequence[tuple[int | str, ...]] | None = None
    """These groups alone."""


@dataclass(frozen=True, slots=True)
class Found:
    """Sums of a bucket and a group; ids of users and links, numbers or texts of names."""

    bucket: int
    keys: tuple[Any, ...]
    sums: Sums


@dataclass(frozen=True, slots=True)
class Position:
    """How far the sums go, and by whose clock their days and months are kept.

    ``zone`` is None before anything was counted.
    """

    counted: Counted
    zone: str | None


def position(session: Session) -> Position:
    """As the snapshot has it: read it once for all reports of the snapshot."""
    found = session.get(ReportPosition, 1, populate_existing=True)
    event_id, transaction_id = (0, 0) if found is None else (found.event_id, found.transaction_id)
    event, transaction = session.execute(_NEWEST).one()
    is_behind = (event or 0) > event_id or (transaction or 0) > transaction_id
    counted = Counted(event_id, transaction_id, is_behind)
    return Position(counted, None if found is None else found.zone)


def sums(
    session: Session, wanted: Wanted, *, sort: str = "charge", limit: int | None = None
) -> list[Found]:
    """What the groups of each bucket add up to, those with the most of ``sort`` first."""
    source = _source(session, wanted)
    keys = [source.groups[group] for group in wanted.by]
    measures = [source.measures[name].label(name) for name in MEASURES]
    statement = (
        sa.select(source.bucket, *keys, *measures)
        .select_from(source.rows)
        .where(*_conditions(wanted, source))
        .group_by(source.bucket, *keys)
        .having(source.existing)
    )
    if limit is not None:
        order = source.measures[sort]
        statement = statement.order_by(order.desc(), *keys).limit(limit)
    width = 1 + len(keys)
    return [
        Found(row[0], tuple(row[1:width]), _sums(row[width:]))
        for row in session.execute(statement, source.given)
    ]


def visitors(session: Session, wanted: Wanted) -> dict[tuple[int, tuple[Any, ...]], int]:
    """How many users have an answer, by bucket and group."""
    source = _source(session, wanted, with_users=True)
    keys = [source.groups[group] for group in wanted.by]
    names = [f"key_{place}" for place in range(len(keys))]
    people = (
        sa.select(
            source.bucket.label("bucket"),
            *(key.label(name) for key, name in zip(keys, names, strict=True)),
            source.groups["user"].label("person"),
        )
        .select_from(source.rows)
        .where(*_conditions(wanted, source))
        .group_by(source.bucket, *keys, source.groups["user"])
        .having(source.existing)
        .subquery()
    )
    grouped = [people.c.bucket, *(people.c[name] for name in names)]
    counts = sa.select(*grouped, sa.func.count()).group_by(*grouped)
    return {(row[0], tuple(row[1:-1])): row[-1] for row in session.execute(counts, source.given)}


def corrections(
    session: Session, wanted: Wanted, basis: Basis
) -> dict[tuple[int, tuple[Any, ...]], int]:
    """What was charged more (or less, below zero) after the charge, by bucket and group.

    The buckets are plain quarters; the groups and filters are of users and links alone.
    """
    spans, given = _spans_of(session, wanted.buckets)
    table = _CORRECTION
    start = table.c.start if basis == "posted" else table.c.used_start
    groups: dict[str, Any] = {"user": table.c.user_id, "link": table.c.link_id}
    keys = [groups[group] for group in wanted.by]
    statement = (
        sa.select(spans.c.bucket, *keys, -sa.func.sum(table.c.amount))
        .select_from(spans.join(table, (start >= spans.c.low) & (start < spans.c.high)))
        .where(
            table.c.kind.in_(CORRECTIONS),
            *_among(groups["user"], wanted.filters.users),
            *_among(groups["link"], wanted.filters.links),
            *_among(groups["link"], wanted.link_ids),
        )
        .group_by(spans.c.bucket, *keys)
    )
    rows = session.execute(statement, given)
    return {(row[0], tuple(row[1:-1])): int(row[-1]) for row in rows}


def removed_months(session: Session) -> set[int]:
    """Months of which usage lines lie in archives only."""
    newest = sa.select(sa.func.max(UsageArchive.id)).group_by(
        UsageArchive.received_month, UsageArchive.part
    )
    removed = sa.select(UsageArchive.received_month).where(
        UsageArchive.id.in_(newest), UsageArchive.action == "removed"
    )
    return set(session.scalars(removed))


def labels(session: Session, group: Group, keys: Collection[Any]) -> dict[Any, tuple[Any, str]]:
    """What each key is in a report, and how it reads."""
    if group == "user":
        people = sa.select(User.id, User.name, User.subject).where(User.id.in_(sorted(keys)))
        return {row[0]: (row[0], row[1] or row[2]) for row in session.execute(people)}
    if group == "link":
        links = sa.select(Link.id, Link.name).where(Link.id.in_(sorted(keys)))
        return {row[0]: (row[0], row[1]) for row in session.execute(links)}
    texts = {key: (key, key) for key in keys if isinstance(key, str)}
    ids = sorted(key for key in keys if not isinstance(key, str))
    names = sa.select(UsageName.id, UsageName.name).where(UsageName.id.in_(ids))
    return texts | {row[0]: (row[1], row[1]) for row in session.execute(names)}


def uids(session: Session, user_ids: Collection[int]) -> dict[int, str]:
    """The names by which users are asked for, by their ids."""
    rows = session.execute(sa.select(User.id, User.uid).where(User.id.in_(sorted(user_ids))))
    return {row[0]: row[1] for row in rows}


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows to add up. ``existing`` tells a group that has any answers.

    ``given`` are the parameters: the spans, as ``_given`` takes them.
    """

    rows: Any
    bucket: Any
    groups: dict[str, Any]
    measures: dict[str, Any]
    existing: Any
    has_names: bool
    conditions: tuple[Any, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)


def reads_lines(wanted: Wanted) -> bool:
    """Whether only the lines themselves know: the sums have users or models, never both."""
    dimensions = _dimensions(wanted)
    has_users = wanted.with_visitors or "user" in dimensions
    return has_users and bool(dimensions & {"model", "node_kind"})


def _dimensions(wanted: Wanted) -> set[str]:
    filters = {
        "user": wanted.filters.users,
        "model": wanted.filters.models,
        "node_kind": wanted.filters.node_kinds,
    }
    return {*wanted.by, *(name for name, chosen in filters.items() if chosen is not None)}


def _source(session: Session, wanted: Wanted, *, with_users: bool = False) -> _Source:
    if reads_lines(wanted):
        return _lines(session, wanted)
    dimensions = _dimensions(wanted)
    table = _USER if with_users or "user" in dimensions else _LINK
    if dimensions & {"model", "node_kind"}:
        table = _MODEL
    spans, given = _spans_of(session, wanted.buckets)
    return replace(_kept(spans, table, wanted.questions), given=given)


@cache
def _kept(spans: Any, table: sa.Table, questions: str | None) -> _Source:  # noqa: ANN401 - SQLAlchemy's
    """The sums of a table, added up over the spans. Building it costs more than running it."""
    within = (
        (table.c.width == spans.c.width)
        & (table.c.start >= spans.c.low)
        & (table.c.start < spans.c.high)
    )

    def added(name: str) -> Any:  # noqa: ANN401 - SQLAlchemy's
        return sa.func.sum(spans.c.sign * table.c[name])

    measures: dict[str, Any] = {name: added(name) for name in MEASURES}
    if questions is not None:
        measures["questions"] = added(questions)
    columns = {"user": "user_id", "link": "link_id", "app": "app_id"}
    columns |= {"model": "model_id", "node_kind": "kind_id"}
    return _Source(
        rows=spans.join(table, within),
        bucket=spans.c.bucket,
        groups={name: table.c[column] for name, column in columns.items() if column in table.c},
        measures=measures,
        existing=added("questions") > 0,
        has_names=True,
    )


def _lines(session: Session, wanted: Wanted) -> _Source:
    """The lines of events that were counted; each bucket is one span of quarters."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    # Written as the database writes times: SQLite compares them as texts.
    form = "%Y-%m-%dT%H:%M:%SZ" if is_postgresql else "%Y-%m-%d %H:%M:%S.%f"
    rows = [
        (place, begin_of(span.low).strftime(form), begin_of(span.high).strftime(form))
        for place, bucket in enumerate(wanted.buckets)
        for span in bucket
    ]
    spans, given = _given(is_postgresql, _TIMES), _given_rows(is_postgresql, _TIMES, rows)
    event, line = UsageEvent, UsageLine
    within = (event.received_at >= spans.c.low) & (event.received_at < spans.c.high)
    joined = sa.join(spans, event, within).join(
        line,
        (line.event_id == event.id) & line.received_month.in_(_months(wanted.buckets)),
    )
    tokens = {name: getattr(line, name) for name in MEASURES if name.endswith("_tokens")}
    return _Source(
        rows=joined,
        bucket=spans.c.bucket,
        groups={
            "user": event.user_id,
            "link": event.link_id,
            "app": sa.func.substr(sa.func.coalesce(event.app_name, ""), 1, NAME_CHARS_MAX),
            "model": sa.func.substr(line.model, 1, NAME_CHARS_MAX),
            "node_kind": line.node_kind,
        },
        measures={
            "questions": sa.func.count(event.id.distinct()),
            "points": sa.func.sum(line.points),
            "charge": sa.func.sum(line.charge),
        }
        | {name: sa.func.sum(sa.func.coalesce(column, 0)) for name, column in tokens.items()},
        existing=sa.true(),
        has_names=False,
        conditions=(event.id <= wanted.counted,),
        given=given,
    )


def _spans_of(session: Session, buckets: Sequence[Sequence[Span]]) -> tuple[Any, Mapping[str, Any]]:
    """The table of spans, and the parameters that fill it."""
    rows = [
        (place, span.width, span.low, span.high, span.sign)
        for place, bucket in enumerate(buckets)
        for span in bucket
    ]
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    return _given(is_postgresql, _SPAN), _given_rows(is_postgresql, _SPAN, rows)


def _given_rows(
    is_postgresql: bool,  # noqa: FBT001 - one of two databases
    columns: _Columns,
    rows: Sequence[Sequence[Any]],
) -> Mapping[str, Any]:
    if is_postgresql:
        names = [name for name, _ in columns]
        return {"spans": [dict(zip(names, row, strict=True)) for row in rows]}
    return {"spans": json.dumps(rows)}


@cache
def _given(is_postgresql: bool, columns: _Columns) -> Any:  # noqa: ANN401, FBT001 - SQLAlchemy's
    """A table of the rows in the parameter ``spans``: one statement for any number of them.

    Built anew for each report, a statement would take longer to build than to run.
    """
    if is_postgresql:
        document = sa.cast(sa.bindparam("spans", type_=postgresql.JSONB), postgresql.JSONB)
        typed = [sa.column(name, type_) for name, type_ in columns]
        given = sa.func.jsonb_to_recordset(document).table_valued(*typed)
        table = given.render_derived(name="given", with_types=True)
        return sa.select(*(table.c[name] for name, _ in columns)).cte("spans")
    each = sa.func.json_each(sa.bindparam("spans", type_=sa.String)).table_valued("value")
    values = [
        sa.type_coerce(sa.func.json_extract(each.c.value, f"$[{place}]"), type_).label(name)
        for place, (name, type_) in enumerate(columns)
    ]
    # Materialized: what is taken out of JSON is taken out once.
    return sa.select(*values).cte("spans").prefix_with("MATERIALIZED", dialect="sqlite")


def _conditions(wanted: Wanted, source: _Source) -> list[Any]:
    filters = wanted.filters
    conditions: list[Any] = [*source.conditions]
    chosen: dict[str, frozenset[Any] | None] = {"user": filters.users, "link": filters.links}
    for name, ids in chosen.items():
        conditions += _among(source.groups.get(name), ids)
    conditions += _among(source.groups["link"], wanted.link_ids)
    names = {"app": filters.apps, "model": filters.models, "node_kind": filters.node_kinds}
    for kind, texts in names.items():
        if texts is not None:
            cut = sorted(text[:NAME_CHARS_MAX] for text in texts)
            numbers = sa.select(UsageName.id).where(UsageName.kind == kind, UsageName.name.in_(cut))
            conditions.append(source.groups[kind].in_(numbers if source.has_names else cut))
    if wanted.only is not None:
        conditions.append(_only(wanted, source))
    return conditions


def _only(wanted: Wanted, source: _Source) -> Any:  # noqa: ANN401 - SQLAlchemy's
    keys = [source.groups[group] for group in wanted.by]
    if len(keys) == 1:
        return keys[0].in_([key for (key,) in wanted.only or ()])
    return sa.tuple_(*keys).in_(list(wanted.only or ()))


def _among(column: Any, ids: frozenset[int] | None) -> list[Any]:  # noqa: ANN401 - SQLAlchemy's
    return [] if ids is None else [column.in_(sorted(ids))]


def _months(buckets: Sequence[Sequence[Span]]) -> list[int]:
    return sorted({month for bucket in buckets for span in bucket for month in months_in(span)})


def months_in(span: Span) -> list[int]:
    """The months (UTC) that a span of quarters touches."""
    last = begin_of(span.high - 1)
    return list(months_from(month_of(begin_of(span.low)), month_of(last)))


def _sums(values: Sequence[Any]) -> Sums:
    # PostgreSQL adds BIGINTs up to NUMERIC, which arrives as Decimal: sums stay exact, then int.
    return {name: int(value) for name, value in zip(MEASURES, values, strict=True)}
