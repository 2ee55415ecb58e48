"""Parts of statements that several of them are made of: numbers of names, buckets of times."""

from typing import Any

import sqlalchemy as sa

from app.metering.models import UsageEvent, UsageSegment
from app.reports.models import UsageName
from app.reports.query import ATTRIBUTE, NAME_CHARS_MAX
from app.reports.times import LONGEST_MS, octaves

OTHER_NAME = "…"
"""Stands for every name beyond those that have a number."""


def app_number(column: Any) -> sa.ColumnElement[int]:  # noqa: ANN401 - a column of texts
    """The number of an app, that of ``…`` where it has none of its own."""
    name = sa.func.substr(sa.func.coalesce(column, ""), 1, NAME_CHARS_MAX)
    own = sa.select(UsageName.id).where(UsageName.kind == "app", UsageName.name == name)
    other = sa.select(UsageName.id).where(UsageName.kind == "app", UsageName.name == OTHER_NAME)
    return sa.func.coalesce(own.scalar_subquery(), other.scalar_subquery(), 0)


def attribute_groups(attributes: tuple[str, ...]) -> dict[str, Any]:
    """What of a segment, which may be missing, is each of these attributes; by group."""
    return {
        f"{ATTRIBUTE}{name}": sa.func.coalesce(UsageSegment.attributes[name].as_string(), "")
        for name in attributes
    }


def _time_bucket() -> sa.ColumnElement[int]:
    """``times.bucket_of``, for a database to compute."""
    ms = UsageEvent.running_time_ms
    steps = [(ms < above, offset + ms // width) for above, offset, width in octaves()]
    longest = octaves()[-1]
    return sa.case((ms < 0, 0), *steps, else_=longest[1] + LONGEST_MS // longest[2])


TIME_BUCKET = _time_bucket()
"""The bucket of an event's time; the time is not NULL."""
