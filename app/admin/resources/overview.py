"""How things stand: what is used, who is refused, what needs attention."""

import threading
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self

from cachetools import TTLCache
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.admin.desk import Desk
from app.admin.resources import health
from app.admin.resources.health import HealthOut
from app.admin.resources.usage import AmountsOut, ReportOut, shown
from app.links import store as link_store
from app.reports import overview as reports
from app.sightings import store as sighting_store
from app.unfinished import store as unfinished_store

KEPT_S = 10
"""A page that many look at is not made anew for each of them."""
COURSE_KEPT_S = 60
"""A month's course changes little in a minute, and takes most of the time."""
SCOPES_MAX = 200
WEEK = 7
REASONS_MAX = 12


class ComparedOut(BaseModel):
    """The same hours of three days, up to a whole quarter of an hour."""

    at: datetime
    today: AmountsOut
    yesterday: AmountsOut
    week_ago: AmountsOut = Field(description="The same weekday of last week.")


class ReasonOut(BaseModel):
    """Refusals of one reason."""

    code: str
    today: int
    week: int = Field(description="Of seven days, with today.")


class OverviewOut(BaseModel):
    """How things stand, of the links the caller may see."""

    made_at: datetime
    has_links: bool
    today: AmountsOut
    compared: ComparedOut
    by_link: ReportOut
    by_model: ReportOut
    users: ReportOut
    links: ReportOut
    refusals: list[ReasonOut]
    unfinished: int | None = Field(
        description="Questions since yesterday whose answer was not reported; null: not to be told."
    )
    health: HealthOut | None = Field(description="Null for who may see certain links only.")

    @classmethod
    def of(
        cls, session: Session, desk: Desk, made: reports.Overview, course: "_CourseShown"
    ) -> Self:
        compared = made.compared
        return cls(
            made_at=desk.now,
            has_links=any(desk.sees_link(link) for link, _ in link_store.list_names(session)),
            today=AmountsOut.of(made.today),
            compared=ComparedOut(
                at=compared.at,
                today=AmountsOut.of(compared.today),
                yesterday=AmountsOut.of(compared.yesterday),
                week_ago=AmountsOut.of(compared.week_ago),
            ),
            by_link=course.by_link,
            by_model=course.by_model,
            users=course.users,
            links=course.links,
            refusals=_reasons(session, desk),
            unfinished=_unfinished(session, desk),
            health=None,
        )


@dataclass(frozen=True, slots=True)
class _CourseShown:
    """A month's course, as it is and as it goes out."""

    course: reports.Course
    by_link: ReportOut
    by_model: ReportOut
    users: ReportOut
    links: ReportOut

    @classmethod
    def of(cls, session: Session, desk: Desk, course: reports.Course) -> Self:
        return cls(
            course=course,
            by_link=shown(session, course.by_link, desk),
            by_model=shown(session, course.by_model, desk),
            users=shown(session, course.users, desk),
            links=shown(session, course.links, desk),
        )


_kept: TTLCache[tuple[object, ...], OverviewOut] = TTLCache(SCOPES_MAX, KEPT_S)
_courses: TTLCache[tuple[object, ...], _CourseShown] = TTLCache(SCOPES_MAX, COURSE_KEPT_S)
_lock = threading.Lock()


def show(desk: Desk) -> OverviewOut:
    """At most ``KEPT_S`` old, the month's course ``COURSE_KEPT_S``; the health is of now."""
    key = (str(desk.db.url), desk.caller.link_ids, desk.may("refusals:read"))
    with _lock:
        made = _kept.get(key)
    if made is None:
        with desk.db.read() as session:
            made = _make(session, desk)
        with _lock:
            _kept[key] = made
    if desk.caller.link_ids is not None:
        return made
    return made.model_copy(update={"health": health.show(desk)})


def forget() -> None:
    """Make the next one anew."""
    with _lock:
        _kept.clear()
        _courses.clear()


def _make(session: Session, desk: Desk) -> OverviewOut:
    key = (str(desk.db.url), desk.caller.link_ids, reports.compared_at(desk.now))
    with _lock:
        course = _courses.get(key)
    made = reports.overview(
        session,
        zone=desk.settings.zone,
        now=desk.now,
        link_ids=desk.caller.link_ids,
        course=None if course is None else course.course,
    )
    if course is None:
        course = _CourseShown.of(session, desk, made.course)
        with _lock:
            _courses.setdefault(key, course)
    return OverviewOut.of(session, desk, made, course)


def _reasons(session: Session, desk: Desk) -> list[ReasonOut]:
    if not desk.may("refusals:read"):
        return []
    today = _midnight(desk, 0)
    counts = sighting_store.count_by_code(
        session,
        since=_midnight(desk, WEEK - 1),
        until=desk.now,
        link_ids=desk.caller.link_ids,
    )
    week: dict[str, int] = {}
    day: dict[str, int] = {}
    for (quarter, code), count in counts.items():
        week[code] = week.get(code, 0) + count
        if quarter >= today:
            day[code] = day.get(code, 0) + count
    order = sorted(week, key=lambda code: (-week[code], code))[:REASONS_MAX]
    return [ReasonOut(code=code, today=day.get(code, 0), week=week[code]) for code in order]


def _unfinished(session: Session, desk: Desk) -> int | None:
    """They are counted of the whole house only."""
    if desk.caller.link_ids is not None:
        return None
    wanted = unfinished_store.Wanted(since=_midnight(desk, 1))
    return unfinished_store.totals(session, wanted).open_turns


def _midnight(desk: Desk, days_ago: int) -> datetime:
    zone = desk.settings.zone
    day = desk.now.astimezone(zone).date() - timedelta(days=days_ago)
    return datetime.combine(day, time.min, tzinfo=zone)
