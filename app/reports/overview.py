"""How things stand: today beside other days, and a month's course by link and by model."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.reports import store
from app.reports.explore import explore
from app.reports.query import Amounts, Counted, Group, Query, Report
from app.reports.spans import begin_of, quarter_of

DAYS = 30
TOP = 8
"""So many colours can still be told apart."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The same hours of three days, up to ``at`` on the clock, a whole quarter of an hour."""

    at: datetime
    today: Amounts
    yesterday: Amounts
    week_ago: Amounts


@dataclass(frozen=True, slots=True)
class Course:
    """Of the last days with today, by the day; users and links of the same time.

    Most of what an overview costs, and what a minute changes little of.
    """

    by_link: Report
    by_model: Report
    users: Report
    links: Report


@dataclass(frozen=True, slots=True)
class Overview(Course):
    today: Amounts
    compared: Compared
    counted: Counted

    @property
    def course(self) -> Course:
        return Course(self.by_link, self.by_model, self.users, self.links)


def overview(
    session: Session,
    *,
    zone: ZoneInfo,
    now: datetime,
    link_ids: frozenset[int] | None = None,
    course: Course | None = None,
) -> Overview:
    """Everything by the clock of ``zone``; of the links ``link_ids``, or of all.

    A ``course`` of before is shown as it is, and not made again.
    """
    position = store.position(session)
    today = _midnight(now, zone, 0)
    tomorrow = _midnight(now, zone, 1)

    def report(since: datetime, until: datetime, *by: Group, daily: bool = False) -> Report:
        query = Query(
            since=since,
            until=until,
            zone=zone,
            per="day" if daily else None,
            by=by,
            limit=TOP,
            with_visitors=not by,
            link_ids=link_ids,
        )
        return explore(session, query, position=position)

    def upto_then(at: datetime, days_ago: int) -> Amounts:
        day_begins = _midnight(now, zone, -days_ago)
        day = at.date() - timedelta(days=days_ago)
        until = datetime.combine(day, at.timetz().replace(tzinfo=None), tzinfo=zone)
        if until <= day_begins:  # it has just begun
            return Amounts(visitors=0, corrections=0)
        return report(day_begins, until).total

    since = _midnight(now, zone, 1 - DAYS)
    at = begin_of(quarter_of(now)).astimezone(zone)
    if course is None:
        course = Course(
            by_link=report(since, tomorrow, "link", daily=True),
            by_model=report(since, tomorrow, "model", daily=True),
            users=report(since, tomorrow, "user"),
            links=report(since, tomorrow, "link"),
        )
    return Overview(
        by_link=course.by_link,
        by_model=course.by_model,
        users=course.users,
        links=course.links,
        today=report(today, tomorrow).total,
        compared=Compared(at, *(upto_then(at, days_ago) for days_ago in (0, 1, 7))),
        counted=position.counted,
    )


def _midnight(now: datetime, zone: ZoneInfo, days: int) -> datetime:
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time.min, tzinfo=zone)
