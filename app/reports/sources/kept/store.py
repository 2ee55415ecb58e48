"""Tables of sums: which of them has what is wanted, and what it has."""

from functools import cache
from typing import Any

import sqlalchemy as sa

from app.metering.models import UsageSegment
from app.reports.models import (
    UsageByLink,
    UsageByModel,
    UsageBySegment,
    UsageByUser,
    UsageModelTotals,
    UsageSegmentModels,
    UsageTimesByLink,
    UsageTimesBySegment,
    UsageTotals,
    UsageUserModels,
    UsageUserTotals,
)
from app.reports.named.store import attribute_groups
from app.reports.query import ATTRIBUTE, SUMS, Group
from app.reports.sources.wanted import Source, Wanted, attributes_of
from app.reports.spans import QUARTER
from app.users.models import User

_COLUMNS = {
    "user": "user_id",
    "link": "link_id",
    "app": "app_id",
    "model": "model_id",
    "node_kind": "kind_id",
    "plan": "plan_id",
    "issuer": "issuer_id",
}


def _table(model: Any) -> sa.Table:  # noqa: ANN401 - a mapped class
    return model.metadata.tables[model.__tablename__]  # type: ignore[no-any-return]


_LINK, _USER, _MODEL = _table(UsageByLink), _table(UsageByUser), _table(UsageByModel)
_SEGMENT = _table(UsageBySegment)
_TOTALS = _table(UsageTotals)
_USER_TOTALS, _MODEL_TOTALS = _table(UsageUserTotals), _table(UsageModelTotals)
_USER_MODELS, _SEGMENT_MODELS = _table(UsageUserModels), _table(UsageSegmentModels)
_LINK_TIMES, _SEGMENT_TIMES = _table(UsageTimesByLink), _table(UsageTimesBySegment)
_IN_ORDER = (
    *(_TOTALS, _LINK),
    *(_SEGMENT, _USER_TOTALS, _USER, _MODEL_TOTALS, _MODEL),
    *(_SEGMENT_MODELS, _USER_MODELS),
)
"""Those with the fewest rows first."""
_WIDE = _IN_ORDER[2:]
"""What a report by attributes, plans or issuers is read from."""
_WITH_HOURS = (_TOTALS, _MODEL_TOTALS)


def table_for(wanted: Wanted) -> sa.Table | None:
    """The first of the tables that has all dimensions and spans; None where none has."""
    asked = {*wanted.dimensions, *({"user"} if wanted.with_visitors else ())}
    if wanted.link_ids is not None:
        asked.add("link")
    tables = _WIDE if wanted.is_wide else _IN_ORDER
    for table in (_SEGMENT,) if wanted.is_filling else tables:
        if all(_is_in(table, group) for group in asked) and _is_there(table, wanted):
            return table
    return None


def is_of_users(table: sa.Table | None) -> bool:
    """Whether it has one row of a user for each day, and for each month."""
    return table is _USER_TOTALS


def has_hours(table: sa.Table) -> bool:
    """Whether it has sums of quarters, and of hours as well."""
    return table in _WITH_HOURS


def times_for(wanted: Wanted) -> sa.Table | None:
    """The table that has answers by how long they took."""
    table = _LINK_TIMES if wanted.dimensions <= {"link", "app"} else _SEGMENT_TIMES
    if wanted.link_ids is not None and table is _SEGMENT_TIMES:
        return None
    return table if all(_is_in(table, group) for group in wanted.dimensions) else None


def _is_there(table: sa.Table, wanted: Wanted) -> bool:
    """Whether the table has all of the spans; only those of the whole house may lack some.

    Models by user and by segment are not read where an answer may stand in several rows of what is
    asked: the books can tell how many answers there are, as they do where there are no such sums.
    """
    if table in {_TOTALS, _USER_TOTALS, _MODEL_TOTALS}:
        since = wanted.totals_from
    elif table in {_USER_MODELS, _SEGMENT_MODELS}:
        since = None if wanted.questions is None else wanted.models_from
    else:
        return True
    spans = [span for bucket in wanted.buckets for span in bucket]
    if since is None or any(span.low < since for span in spans):
        return False
    return has_hours(table) or all(span.width != QUARTER for span in spans)


def _is_in(table: sa.Table, group: Group) -> bool:
    if group.startswith(ATTRIBUTE):
        return "segment_id" in table.c
    return _COLUMNS[group] in table.c or (group == "issuer" and "user_id" in table.c)


@cache
def sums(
    spans: Any,  # noqa: ANN401 - SQLAlchemy's
    table: sa.Table,
    questions: str | None,
    joins: tuple[Group, ...],
    *,
    of_users: bool,
) -> Source:
    """The sums of a table, added up over the spans. Building it costs more than running it.

    ``of_users`` has SQLite look users up in their index, which are among the conditions. It knows
    not how many rows are of a width: it takes a few, and would rather read those of all users.
    """

    def added(name: str) -> Any:  # noqa: ANN401 - SQLAlchemy's
        return sa.func.sum(spans.c.sign * table.c[name])

    measures: dict[str, Any] = {name: added(name) for name in SUMS}
    if questions is not None:
        measures["questions"] = added(questions)
    return Source(
        rows=_joined_table(spans, table, joins, of_users=of_users),
        bucket=spans.c.bucket,
        groups=_table_groups(table, joins),
        measures=measures,
        existing=added("questions") > 0,
    )


@cache
def times(spans: Any, table: sa.Table, joins: tuple[Group, ...]) -> Source:  # noqa: ANN401 - SQLAlchemy's
    """How many answers took how long, in the spans."""
    return Source(
        rows=_joined_table(spans, table, joins),
        bucket=spans.c.bucket,
        groups=_table_groups(table, joins) | {"time": table.c.bucket},
        measures={"answers": spans.c.sign * table.c.answers},
        existing=None,
    )


def _joined_table(
    spans: Any,  # noqa: ANN401 - SQLAlchemy's
    table: sa.Table,
    joins: tuple[Group, ...],
    *,
    of_users: bool = False,
) -> Any:  # noqa: ANN401 - SQLAlchemy's
    of_width: sa.ColumnElement[bool] = table.c.width == spans.c.width
    if of_users:
        of_width = sa.func.likelihood(of_width, sa.literal_column("0.9"))
    within = of_width & (table.c.start >= spans.c.low) & (table.c.start < spans.c.high)
    joined = spans.join(table, within)
    if "issuer" in joins and "issuer_id" not in table.c:
        joined = joined.join(User, User.id == table.c.user_id)
    if attributes_of(joins):
        same = UsageSegment.id == table.c.segment_id
        joined = joined.join(UsageSegment, same, isouter=True)
    return joined


def _table_groups(table: sa.Table, joins: tuple[Group, ...]) -> dict[str, Any]:
    groups = {name: table.c[column] for name, column in _COLUMNS.items() if column in table.c}
    return {"issuer": User.issuer_id} | groups | attribute_groups(attributes_of(joins))
