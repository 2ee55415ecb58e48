"""Where the sums of a report are read: from a table that has all its dimensions, or the books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.metering.models import UsageEvent, UsageLine, UsageSegment
from app.metering.months import month_of, months_from
from app.pricing import store as pricing_store
from app.reports.given import store as given
from app.reports.models import (
    UsageByLink,
    UsageByModel,
    UsageBySegment,
    UsageByUser,
    UsageModelTotals,
    UsageName,
    UsageTimesByLink,
    UsageTimesBySegment,
    UsageUserTotals,
)
from app.reports.named.store import TIME_BUCKET, app_number
from app.reports.query import ATTRIBUTE, NAME_CHARS_MAX, SUMS, Filters, Group, dimensions
from app.reports.spans import QUARTER, Span, begin_of
from app.users.models import User

LINE_GROUPS = frozenset({"model", "node_kind"})

_COLUMNS = {
    "user": "user_id",
    "link": "link_id",
    "app": "app_id",
    "model": "model_id",
    "node_kind": "kind_id",
    "plan": "plan_id",
    "issuer": "issuer_id",
}
_NAMED = frozenset({"app", "model", "node_kind"})


def _table(model: Any) -> sa.Table:  # noqa: ANN401 - a mapped class
    return model.metadata.tables[model.__tablename__]  # type: ignore[no-any-return]


_LINK, _USER, _MODEL = _table(UsageByLink), _table(UsageByUser), _table(UsageByModel)
_SEGMENT = _table(UsageBySegment)
_USER_TOTALS, _MODEL_TOTALS = _table(UsageUserTotals), _table(UsageModelTotals)
_LINK_TIMES, _SEGMENT_TIMES = _table(UsageTimesByLink), _table(UsageTimesBySegment)


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
    is_wide: bool = False
    """It is part of a report by attributes, plans or issuers: the table that has these is taken
    wherever it can be, so that all parts of a report come from one."""
    is_filling: bool = False
    """Only what has been filled in counts: tables that are ahead of it are not read."""
    only: Sequence[tuple[int | str, ...]] | None = None
    """These groups alone."""
    totals_from: int | None = None
    """The quarter from which on there are totals of users and models; None: there are none."""

    @property
    def dimensions(self) -> set[Group]:
        return dimensions(self.by, self.filters)


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to add up. ``existing`` tells a group that has any answers.

    ``given`` are the parameters; ``texts`` the groups whose keys are names, not their numbers.
    """

    rows: Any
    bucket: Any
    groups: dict[str, Any]
    measures: dict[str, Any]
    existing: Any
    texts: frozenset[str] = frozenset()
    conditions: tuple[Any, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)


def is_wide(group: Group) -> bool:
    """Whether it is kept since costs, segments and times are."""
    return group in {"plan", "issuer"} or group.startswith(ATTRIBUTE)


def reads_books(wanted: Wanted) -> bool:
    """Whether no table has all dimensions, so that events and lines themselves are read.

    Users do not count as one where they are counted beside: unless there are lines to tell them by.
    """
    if not wanted.dimensions & LINE_GROUPS:
        wanted = replace(wanted, with_visitors=False)
    return _table_for(wanted) is None


def has_user_totals(wanted: Wanted) -> bool:
    """Whether its users are read where each has one row a day, and one a month."""
    return _table_for(replace(wanted, with_visitors=True)) is _USER_TOTALS


def users_read_books(wanted: Wanted) -> bool:
    """The same of who asked."""
    return _table_for(replace(wanted, with_visitors=True)) is None


def source_of(session: Session, wanted: Wanted) -> Source:
    """Where to add up what is wanted."""
    table = _table_for(replace(wanted, with_visitors=False))
    if reads_books(wanted) or table is None:
        return _books(session, wanted)
    return _of_table(session, wanted, table)


def users_of(session: Session, wanted: Wanted) -> Source:
    """The same with users among the groups, and no sums."""
    table = _table_for(replace(wanted, with_visitors=True))
    if table is not None:
        return _of_table(session, wanted, table)
    if wanted.dimensions & LINE_GROUPS:
        return _books(session, wanted)
    spans, parameters = given.times(session, wanted.buckets)
    return Source(
        rows=_joined_events(spans, wanted),
        bucket=spans.c.bucket,
        groups=_event_groups(wanted),
        measures={},
        existing=sa.true(),
        conditions=_counted(session, wanted),
        given=parameters,
    )


def _of_table(session: Session, wanted: Wanted, table: sa.Table) -> Source:
    given.look_up(session, each_alone=True)
    spans, parameters = given.spans(session, wanted.buckets)
    return replace(_kept(spans, table, wanted.questions, _joins(wanted)), given=parameters)


def kept_times(session: Session, wanted: Wanted) -> Source | None:
    """Where answers are counted by how long they took; None where no table has the dimensions."""
    table = _LINK_TIMES if wanted.dimensions <= {"link", "app"} else _SEGMENT_TIMES
    if wanted.link_ids is not None and table is _SEGMENT_TIMES:
        return None
    if not all(_is_in(table, group) for group in wanted.dimensions):
        return None
    given.look_up(session, each_alone=True)
    spans, parameters = given.spans(session, wanted.buckets)
    return replace(_kept_times(spans, table, _joins(wanted)), given=parameters)


def event_times(session: Session, wanted: Wanted) -> Source:
    """The same of events themselves; the buckets are spans of quarters."""
    spans, parameters = given.times(session, wanted.buckets)
    return Source(
        rows=_joined_events(spans, wanted),
        bucket=spans.c.bucket,
        groups=_event_groups(wanted) | {"time": TIME_BUCKET},
        measures={"answers": spans.c.sign},
        existing=None,
        conditions=(
            *_counted(session, wanted),
            UsageEvent.running_time_ms.is_not(None),
        ),
        given=parameters,
    )


def conditions(wanted: Wanted, source: Source) -> list[Any]:
    """What the filters leave of the rows."""
    found: list[Any] = [*source.conditions]
    if wanted.link_ids is not None:
        found += _among(source.groups["link"], wanted.link_ids)
    for group, chosen in wanted.filters.named().items():
        if chosen is None:
            continue
        if group not in _NAMED:
            found += _among(source.groups[group], chosen)
            continue
        cut = sorted(text[:NAME_CHARS_MAX] for text in chosen)
        numbers = sa.select(UsageName.id).where(UsageName.kind == group, UsageName.name.in_(cut))
        found.append(source.groups[group].in_(cut if group in source.texts else numbers))
    if wanted.only is not None:
        found.append(_only(wanted, source))
    return found


def months_in(span: Span) -> list[int]:
    """The months (UTC) that a span of quarters touches."""
    last = begin_of(span.high - 1)
    return list(months_from(month_of(begin_of(span.low)), month_of(last)))


def _table_for(wanted: Wanted) -> sa.Table | None:
    """The first of the tables, those with the fewest rows first, that has all dimensions."""
    asked = {*wanted.dimensions, *({"user"} if wanted.with_visitors else ())}
    if wanted.link_ids is not None:
        asked.add("link")
    tables: tuple[sa.Table, ...] = (_LINK, _SEGMENT, _USER_TOTALS, _USER, _MODEL_TOTALS, _MODEL)
    if wanted.is_wide:
        tables = tables[1:]
    for table in (_SEGMENT,) if wanted.is_filling else tables:
        if all(_is_in(table, group) for group in asked) and _is_there(table, wanted):
            return table
    return None


def _is_there(table: sa.Table, wanted: Wanted) -> bool:
    """Whether the table has all of the spans; only totals may lack some."""
    if table not in {_USER_TOTALS, _MODEL_TOTALS}:
        return True
    since = wanted.totals_from
    spans = [span for bucket in wanted.buckets for span in bucket]
    if since is None or any(span.low < since for span in spans):
        return False
    return table is _MODEL_TOTALS or all(span.width != QUARTER for span in spans)


def _is_in(table: sa.Table, group: Group) -> bool:
    if group.startswith(ATTRIBUTE):
        return "segment_id" in table.c
    return _COLUMNS[group] in table.c or (group == "issuer" and "user_id" in table.c)


def _attributes(wanted: Wanted) -> tuple[str, ...]:
    return _attribute_names(_joins(wanted))


def _joins(wanted: Wanted) -> tuple[Group, ...]:
    """The groups that may need another table joined."""
    groups = sorted(wanted.dimensions)
    return tuple(group for group in groups if group.startswith(ATTRIBUTE) or group == "issuer")


def _attribute_names(joins: tuple[Group, ...]) -> tuple[str, ...]:
    return tuple(group.removeprefix(ATTRIBUTE) for group in joins if group.startswith(ATTRIBUTE))


@cache
def _kept(
    spans: Any,  # noqa: ANN401 - SQLAlchemy's
    table: sa.Table,
    questions: str | None,
    joins: tuple[Group, ...],
) -> Source:
    """The sums of a table, added up over the spans. Building it costs more than running it."""

    def added(name: str) -> Any:  # noqa: ANN401 - SQLAlchemy's
        return sa.func.sum(spans.c.sign * table.c[name])

    measures: dict[str, Any] = {name: added(name) for name in SUMS}
    if questions is not None:
        measures["questions"] = added(questions)
    return Source(
        rows=_joined_table(spans, table, joins),
        bucket=spans.c.bucket,
        groups=_table_groups(table, joins),
        measures=measures,
        existing=added("questions") > 0,
    )


@cache
def _kept_times(spans: Any, table: sa.Table, joins: tuple[Group, ...]) -> Source:  # noqa: ANN401 - SQLAlchemy's
    return Source(
        rows=_joined_table(spans, table, joins),
        bucket=spans.c.bucket,
        groups=_table_groups(table, joins) | {"time": table.c.bucket},
        measures={"answers": spans.c.sign * table.c.answers},
        existing=None,
    )


def _joined_table(spans: Any, table: sa.Table, joins: tuple[Group, ...]) -> Any:  # noqa: ANN401 - SQLAlchemy's
    within = (
        (table.c.width == spans.c.width)
        & (table.c.start >= spans.c.low)
        & (table.c.start < spans.c.high)
    )
    joined = spans.join(table, within)
    if "issuer" in joins and "issuer_id" not in table.c:
        joined = joined.join(User, User.id == table.c.user_id)
    if _attribute_names(joins):
        same = UsageSegment.id == table.c.segment_id
        joined = joined.join(UsageSegment, same, isouter=True)
    return joined


def _table_groups(table: sa.Table, joins: tuple[Group, ...]) -> dict[str, Any]:
    groups = {name: table.c[column] for name, column in _COLUMNS.items() if column in table.c}
    return {"issuer": User.issuer_id} | groups | _attribute_groups(_attribute_names(joins))


def _attribute_groups(attributes: tuple[str, ...]) -> dict[str, Any]:
    return {
        f"{ATTRIBUTE}{name}": sa.func.coalesce(UsageSegment.attributes[name].as_string(), "")
        for name in attributes
    }


def _joined_events(spans: Any, wanted: Wanted) -> Any:  # noqa: ANN401 - SQLAlchemy's
    event = UsageEvent
    within = (event.received_at >= spans.c.low) & (event.received_at < spans.c.high)
    joined = sa.join(spans, event, within)
    if "issuer" in wanted.dimensions:
        joined = joined.join(User, User.id == event.user_id)
    if _attributes(wanted):
        joined = joined.join(UsageSegment, UsageSegment.id == event.segment_id, isouter=True)
    return joined


def _counted(session: Session, wanted: Wanted) -> tuple[sa.ColumnElement[bool], ...]:
    """Of events: those that count."""
    given.look_up(session, each_alone=False)
    in_period = given.within(session, UsageEvent.received_at, wanted.buckets)
    return (UsageEvent.id <= wanted.counted, *in_period)


def _event_groups(wanted: Wanted) -> dict[str, Any]:
    return {
        "user": UsageEvent.user_id,
        "link": UsageEvent.link_id,
        "app": app_number(UsageEvent.app_name),
        "plan": sa.func.coalesce(UsageEvent.plan_id, 0),
        "issuer": User.issuer_id,
    } | _attribute_groups(_attributes(wanted))


def _books(session: Session, wanted: Wanted) -> Source:
    """Events that were counted with their lines; each bucket is one span of quarters."""
    spans, parameters = given.times(session, wanted.buckets)
    costs, prices = given.costs(session, pricing_store.costs_per_point(session))
    event, line = UsageEvent, UsageLine
    is_of_lines = bool(wanted.dimensions & LINE_GROUPS)
    joined = _joined_events(spans, wanted).join(
        line,
        (line.event_id == event.id) & line.received_month.in_(_months(wanted.buckets)),
        isouter=not is_of_lines,
    )
    joined = joined.join(costs, costs.c.version == event.price_version_id, isouter=True)
    tokens = {name: getattr(line, name) for name in SUMS if name.endswith("_tokens")}
    # An answer without lines is over nothing, or all there is to know of it is its own.
    points = sa.func.coalesce(line.points, event.points)
    added = {
        "points": points,
        "charge": sa.func.coalesce(line.charge, event.charge),
        "cost": given.cost_of(points, costs),
        "costed_points": sa.case((costs.c.version.is_not(None), points), else_=0),
    }
    return Source(
        rows=joined,
        bucket=spans.c.bucket,
        groups=_event_groups(wanted)
        | {"model": sa.func.substr(line.model, 1, NAME_CHARS_MAX), "node_kind": line.node_kind},
        measures={"questions": sa.func.count(event.id.distinct())}
        | {
            name: sa.func.sum(sa.func.coalesce(column, 0))
            for name, column in (added | tokens).items()
        },
        existing=sa.true(),
        texts=LINE_GROUPS,
        conditions=_counted(session, wanted),
        given={**parameters, **prices},
    )


def _only(wanted: Wanted, source: Source) -> Any:  # noqa: ANN401 - SQLAlchemy's
    keys = [source.groups[group] for group in wanted.by]
    if len(keys) == 1:
        return keys[0].in_([key for (key,) in wanted.only or ()])
    return sa.tuple_(*keys).in_(list(wanted.only or ()))


def _among(column: Any, values: frozenset[Any]) -> list[Any]:  # noqa: ANN401 - SQLAlchemy's
    return [column.in_(sorted(values))]


def _months(buckets: Sequence[Sequence[Span]]) -> list[int]:
    return sorted({month for bucket in buckets for span in bucket for month in months_in(span)})
