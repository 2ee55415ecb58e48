"""Events and lines themselves, where no table of sums has what is wanted."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.metering.models import UsageEvent, UsageLine, UsageSegment
from app.metering.months import month_of, months_from
from app.pricing import store as pricing_store
from app.reports.given import store as given
from app.reports.named.store import TIME_BUCKET, app_number, attribute_groups
from app.reports.query import NAME_CHARS_MAX, SUMS
from app.reports.sources.wanted import LINE_GROUPS, Source, Wanted, attributes_of
from app.reports.spans import Span, begin_of
from app.users.models import User


def users(session: Session, wanted: Wanted) -> Source:
    """Who asked, and no sums."""
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


def times(session: Session, wanted: Wanted) -> Source:
    """How many answers took how long; the buckets are spans of quarters."""
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


def sums(session: Session, wanted: Wanted) -> Source:
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


def months_in(span: Span) -> list[int]:
    """The months (UTC) that a span of quarters touches."""
    last = begin_of(span.high - 1)
    return list(months_from(month_of(begin_of(span.low)), month_of(last)))


def _joined_events(spans: Any, wanted: Wanted) -> Any:  # noqa: ANN401 - SQLAlchemy's
    event = UsageEvent
    within = (event.received_at >= spans.c.low) & (event.received_at < spans.c.high)
    joined = sa.join(spans, event, within)
    if "issuer" in wanted.dimensions:
        joined = joined.join(User, User.id == event.user_id)
    if attributes_of(wanted.joins):
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
    } | attribute_groups(attributes_of(wanted.joins))


def _months(buckets: Sequence[Sequence[Span]]) -> list[int]:
    return sorted({month for bucket in buckets for span in bucket for month in months_in(span)})
