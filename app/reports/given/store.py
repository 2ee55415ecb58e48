"""Rows that a statement is given in a parameter: the same statement for any number of them.

Built anew for each report, a statement would take longer to build than to run.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.reports.spans import Span, begin_of

_Columns = tuple[tuple[str, Any], ...]
_SPAN: _Columns = tuple((name, sa.Integer()) for name in ("bucket", "width", "low", "high", "sign"))
_TIMES: _Columns = (
    ("bucket", sa.Integer()),
    *((name, sa.DateTime(timezone=True)) for name in ("low", "high")),
    ("sign", sa.Integer()),
)
_COST: _Columns = tuple((name, sa.BigInteger()) for name in ("version", "whole", "fraction"))
_LEAST: _Columns = (
    *((name, sa.Integer()) for name in ("width", "start")),
    ("least", sa.BigInteger()),
)
_PLACE: _Columns = (("start", sa.Integer()), ("user_id", sa.BigInteger()))
_NANO = 1_000_000_000
_ALONE = "spans_alone"
_LOOK_UP = sa.select(
    *(
        sa.func.set_config(f"enable_{way}join", sa.bindparam("joins", type_=sa.String), True)
        for way in ("hash", "merge")
    ),
    sa.func.set_config("plan_cache_mode", sa.bindparam("plans", type_=sa.String), True),
)

Given = tuple[Any, Mapping[str, Any]]
"""A table, and the parameters that fill it."""


def look_up(session: Session, *, each_alone: bool) -> None:
    """Whether PostgreSQL is to look each span up in an index; until it is said anew.

    It cannot know how little of a table a span has. Of sums that have grown it would rather read
    everything, and compare each row with each span: minutes instead of milliseconds.

    What is not looked up each alone goes by times and ids that are given, and is planned anew each
    time: one plan for all of them, which a connection makes after some, took 8 s instead of 0.3.
    """
    if _is_postgresql(session) and session.info.get(_ALONE) is not each_alone:
        how = ("off", "auto") if each_alone else ("on", "force_custom_plan")
        session.execute(_LOOK_UP, dict(zip(("joins", "plans"), how, strict=True)))
        session.info[_ALONE] = each_alone


def within(
    session: Session, at: orm.InstrumentedAttribute[Any], buckets: Sequence[Sequence[Span]]
) -> list[sa.ColumnElement[bool]]:
    """That a time is in the period of all buckets: PostgreSQL estimates by it; SQLite does not."""
    spans = [span for bucket in buckets for span in bucket]
    if not spans or not _is_postgresql(session):
        return []
    low, high = min(span.low for span in spans), max(span.high for span in spans)
    return [at >= begin_of(low), at < begin_of(high)]


def spans(session: Session, buckets: Sequence[Sequence[Span]]) -> Given:
    """Spans as the sums have them: by width and number."""
    rows = [
        (place, span.width, span.low, span.high, span.sign)
        for place, bucket in enumerate(buckets)
        for span in bucket
    ]
    return _given(session, "spans", _SPAN, rows)


def times(session: Session, buckets: Sequence[Sequence[Span]]) -> Given:
    """Spans of quarters, as times to compare others with."""
    # Written as the database writes times: SQLite compares them as texts.
    form = "%Y-%m-%dT%H:%M:%SZ" if _is_postgresql(session) else "%Y-%m-%d %H:%M:%S.%f"
    rows = [
        (place, begin_of(span.low).strftime(form), begin_of(span.high).strftime(form), span.sign)
        for place, bucket in enumerate(buckets)
        for span in bucket
    ]
    return _given(session, "spans", _TIMES, rows)


def costs(session: Session, per_point: Mapping[int, int]) -> Given:
    """What a point costs by version, in nano-units: whole units and the rest."""
    rows = [(version, *divmod(cost, _NANO)) for version, cost in per_point.items()]
    return _given(session, "costs", _COST, rows)


def least(session: Session, rows: Sequence[tuple[int, int, int]]) -> Given:
    """Of sums of that width and start, how much is to be considered."""
    return _given(session, "lists", _LEAST, rows)


def places(session: Session, rows: Sequence[tuple[int, int]]) -> Given:
    """Starts of spans, each with a user."""
    return _given(session, "places", _PLACE, rows)


def cost_of(points: Any, table: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """``fold.cost_of``, for a database to compute within 64 bits; NULL where it is not known."""
    whole, fraction = table.c.whole, table.c.fraction
    units, rest = points // _NANO, points % _NANO
    return (
        units * (whole * _NANO + fraction) + rest * whole + (rest * fraction + _NANO // 2) // _NANO
    )


def _given(session: Session, name: str, columns: _Columns, rows: Sequence[Sequence[Any]]) -> Given:
    is_postgresql = _is_postgresql(session)
    table = _table(is_postgresql, name, columns)
    if is_postgresql:
        names = [column for column, _ in columns]
        return table, {name: [dict(zip(names, row, strict=True)) for row in rows]}
    return table, {name: json.dumps(rows)}


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


@cache
def _table(is_postgresql: bool, name: str, columns: _Columns) -> Any:  # noqa: ANN401, FBT001 - SQLAlchemy's
    if is_postgresql:
        document = sa.cast(sa.bindparam(name, type_=postgresql.JSONB), postgresql.JSONB)
        typed = [sa.column(column, type_) for column, type_ in columns]
        given = sa.func.jsonb_to_recordset(document).table_valued(*typed)
        table = given.render_derived(name=f"given_{name}", with_types=True)
        return sa.select(*(table.c[column] for column, _ in columns)).cte(name)
    each = sa.func.json_each(sa.bindparam(name, type_=sa.String)).table_valued("value")
    values = [
        sa.type_coerce(sa.func.json_extract(each.c.value, f"$[{place}]"), type_).label(column)
        for place, (column, type_) in enumerate(columns)
    ]
    # Materialized: what is taken out of JSON is taken out once.
    return sa.select(*values).cte(name).prefix_with("MATERIALIZED", dialect="sqlite")
