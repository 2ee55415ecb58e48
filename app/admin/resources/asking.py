"""What is asked of usage: a period by somebody's clock, whom and what it is of."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from functools import cache
from typing import Annotated, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin.desk import Desk
from app.admin.inputs import Text
from app.errors import Invalid
from app.links import store as link_store
from app.links.store import LinkNotFound
from app.plans import store as plan_store
from app.reports.explore import refuse_large
from app.reports.query import (
    ATTRIBUTE,
    GROUPS,
    Basis,
    Filters,
    Group,
    Measure,
    Query,
    chosen_attributes,
)
from app.reports.spans import Unit
from app.tokens import store as token_store
from app.users import store as user_store

Period = Literal["today", "yesterday", "7d", "30d", "90d", "month", "last_month", "custom"]
PERIODS: tuple[Period, ...] = get_args(Period)
DEFAULT: Period = "30d"
DAYS: dict[str, int] = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
YEAR_MIN, YEAR_MAX = 2000, 2199
T = TypeVar("T")


def _of_our_time(moment: datetime) -> datetime:
    # Years at either end of the calendar cannot be brought to another zone.
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        raise ValueError(f"must be of the years {YEAR_MIN} to {YEAR_MAX}")
    return moment


def _known_zone(name: str) -> str:
    if name not in zones():
        raise ValueError("there is no such time zone")
    return name


@cache
def zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Moment = Annotated[datetime, AfterValidator(_of_our_time)]
"""A day or time; without an offset it is by the clock asked for."""
Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_known_zone)]
Texts = Annotated[list[Text], BeforeValidator(_listed), Field(max_length=20)]
GroupName = Annotated[
    Group,
    Field(
        pattern=rf'^({"|".join(GROUPS)}|{ATTRIBUTE}[^\s"\\=:,\x00-\x1f\x7f]{{1,40}})$',
        description="`attribute:` with the name of an attribute in `reports.attributes`.",
    ),
]
Groups = Annotated[list[GroupName], BeforeValidator(_listed), Field(max_length=2)]


class Asked(BaseModel):
    """Of which time and by whose clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    period: Period | None = Field(
        default=None, description="30d, unless a beginning or an end is given."
    )
    since: Moment | None = Field(default=None, description="From this day or time on.")
    until: Moment | None = Field(default=None, description="Before this day or time.")
    zone: Zone | None = Field(default=None, description="Whose clock; the service's by default.")

    @property
    def chosen(self) -> Period:
        is_custom = self.since is not None or self.until is not None
        return self.period or ("custom" if is_custom else DEFAULT)


class ReportQuery(Asked):
    """A report: cut by the clock and by whom and what it is of."""

    per: Unit | None = Field(default=None, description="Cut the period by the clock.")
    by: Groups = Field(default=[], description="A row for each of these; at most two.")
    user: Texts = Field(default=[], description="Only of these users: uids or subjects.")
    link: Texts = Field(default=[], description="Only of these links: names.")
    app: Texts = Field(default=[], description="Only of these apps.")
    model: Texts = Field(default=[], description="Only of these models.")
    node_kind: Texts = Field(default=[], description="Only of such nodes.")
    issuer: Texts = Field(default=[], description="Only of users of these issuers: names.")
    plan: Texts = Field(default=[], description="Only on these plans: names.")
    attribute: Texts = Field(
        default=[],
        description="Only of users who had this then, as in `department=Sales`; with nothing "
        "behind the sign those who had none.",
    )
    sort: Measure = Field(default="charge", description="The groups with the most of this.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=20, description="So many groups; the rest is added up as the others."
    )
    visitors: bool = Field(default=False, description="Count who asked, too; takes longer.")
    times: bool = Field(default=False, description="Median and 95th percentile of answer times.")
    seen: bool = Field(
        default=False,
        description="Refusals and questions whose answer was never reported, where links at most "
        "are chosen.",
    )
    basis: Basis = Field(
        default="posted",
        description="Corrections by the time they were posted, or by that of their answer (used).",
    )


def zone_of(desk: Desk, asked: Asked) -> ZoneInfo:
    return ZoneInfo(asked.zone) if asked.zone else desk.settings.zone


def bounds(asked: Asked, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """The beginning and the end of the period.

    Raises:
        Invalid: a custom period has no beginning, or ends before it (``period_invalid``).
    """
    chosen = asked.chosen
    if chosen in DAYS:
        return _midnight(now, zone, 1 - DAYS[chosen]), _midnight(now, zone, 1)
    if chosen == "yesterday":
        return _midnight(now, zone, -1), _midnight(now, zone, 0)
    if chosen in {"month", "last_month"}:
        first = _midnight(now, zone, 0).replace(day=1)
        before = (first - timedelta(days=1)).replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        return (first, following) if chosen == "month" else (before, first)
    return _custom(asked, zone, now)


def _custom(asked: Asked, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    until = by_clock(asked.until, zone) or now
    since = by_clock(asked.since, zone) or until - timedelta(days=DAYS[DEFAULT])
    if until <= since:
        raise Invalid("the period ends before it begins", code="period_invalid")
    return since, until


def by_clock(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """The moment; one without an offset is by the clock of the zone."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=zone)


def as_query(desk: Desk, session: Session, asked: ReportQuery) -> Query:
    """What the reports understand, for what this caller may see.

    Raises:
        Invalid: the period cannot be, or there would be too many rows (``report_too_large``).
        NotFound: there is no such user or link.
    """
    zone = zone_of(desk, asked)
    since, until = bounds(asked, zone, desk.now)
    query = Query(
        since=since,
        until=until,
        zone=zone,
        per=asked.per,
        by=tuple(asked.by),
        filters=_filters(desk, session, asked),
        sort=asked.sort,
        limit=asked.limit,
        with_visitors=asked.visitors,
        with_times=asked.times,
        seen_since=kept_since(desk) if asked.seen else None,
        basis=asked.basis,
        link_ids=desk.caller.link_ids,
    )
    refuse_large(query)
    return query


def kept_since(desk: Desk) -> datetime:
    """From when on refusals are still there."""
    return desk.now - timedelta(days=desk.settings.hooks.refusals_days)


def _filters(desk: Desk, session: Session, asked: ReportQuery) -> Filters:
    return Filters(
        users=chosen(user_id(session, name) for name in asked.user),
        links=chosen(link_id(desk, session, name) for name in asked.link),
        apps=chosen(asked.app),
        models=chosen(asked.model),
        node_kinds=chosen(asked.node_kind),
        issuers=chosen(issuer_id(session, name) for name in asked.issuer),
        plans=chosen(plan_id(session, name) for name in asked.plan),
        attributes=chosen_attributes(asked.attribute),
    )


def issuer_id(session: Session, name: str) -> int:
    return token_store.get_issuer(session, name).id


def plan_id(session: Session, name: str) -> int:
    return plan_store.get_by_name(session, name).id


def chosen(values: Iterable[T]) -> frozenset[T] | None:
    return frozenset(values) or None


def user_id(session: Session, name: str) -> int:
    """Raises: UserNotFound, Conflict: as for ``get_by_subject``."""
    return user_store.get_by_subject(session, name).id


def link_id(desk: Desk, session: Session, name: str) -> int:
    """Raises: LinkNotFound, also where it is not theirs to see."""
    link = link_store.find_by_name(session, name)
    if link is None or not desk.sees_link(link.id):
        raise LinkNotFound("there is no such link")
    return link.id


def link_names(desk: Desk) -> Sequence[str]:
    """Of the links that this caller may see."""
    with desk.db.read() as session:
        return [name for link, name in link_store.list_names(session) if desk.sees_link(link)]


def _midnight(now: datetime, zone: ZoneInfo, days: int) -> datetime:
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time.min, tzinfo=zone)
