"""How things stand: today beside other days, and a month's course by link and by model."""

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.reports import store
from app.reports.explore import Once, Period, explore, totals
from app.reports.query import Amounts, Counted, Group, Query, Report
from app.reports.spans import Unit, begin_of, quarter_of
from app.reports.store import Position

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
    """Of the last days with today, by the day; users and links of the same time; and other days.

    Most of what an overview costs, and what a minute changes little of. ``yesterday`` and
    ``week_ago`` go up to ``at`` on the clock, a whole quarter of an hour.
    """

    at: datetime
    by_link: Report
    by_model: Report
    users: Report
    links: Report
    yesterday: Amounts
    week_ago: Amounts


@dataclass(frozen=True, slots=True)
class Overview:
    course: Course
    today: Amounts
    compared: Compared
    counted: Counted


def compared_at(now: datetime) -> datetime:
    """Up to when days are compared: a course of another time is another one."""
    return begin_of(quarter_of(now))


def overview(
    session: Session,
    *,
    zone: ZoneInfo,
    now: datetime,
    link_ids: frozenset[int] | None = None,
    course: Course | None = None,
) -> Overview:
    """Everything by the clock of ``zone``; of the links ``link_ids``, or of all.

    A ``course`` of before is shown as it is, and not made again; it has to be of the same
    ``compared_at``.
    """
    position = store.position(session)
    days = _Days(session, zone, now, link_ids, position)
    course = course or days.course()
    tomorrow = _midnight(now, zone, 1)
    today, so_far = days.totals((_midnight(now, zone, 0), tomorrow), days.up_to_then(0))
    return Overview(
        course=course,
        today=today,
        compared=Compared(course.at, so_far, course.yesterday, course.week_ago),
        counted=position.counted,
    )


class _Days:
    """Reports of one snapshot."""

    def __init__(
        self,
        session: Session,
        zone: ZoneInfo,
        now: datetime,
        link_ids: frozenset[int] | None,
        position: Position,
    ) -> None:
        self._session = session
        self._zone = zone
        self._now = now
        self._position = position
        self._month = Query(
            since=_midnight(now, zone, 1 - DAYS),
            until=_midnight(now, zone, 1),
            zone=zone,
            limit=TOP,
            link_ids=link_ids,
        )
        self._once: Once = {}

    def course(self) -> Course:
        yesterday, week_ago = self.totals(self.up_to_then(1), self.up_to_then(7))
        return Course(
            at=compared_at(self._now).astimezone(self._zone),
            by_link=self._report("link", per="day"),
            by_model=self._report("model", per="day"),
            users=self._report("user"),
            links=self._report("link"),
            yesterday=yesterday,
            week_ago=week_ago,
        )

    def totals(self, *periods: Period) -> list[Amounts]:
        query = replace(self._month, with_visitors=True)
        return totals(self._session, query, periods, position=self._position)

    def up_to_then(self, days_ago: int) -> Period:
        """The day so many days ago, up to the time on the clock that it is now."""
        begins = _midnight(self._now, self._zone, -days_ago)
        at = compared_at(self._now).astimezone(self._zone)
        day = at.date() - timedelta(days=days_ago)
        until = datetime.combine(day, at.timetz().replace(tzinfo=None), tzinfo=self._zone)
        return begins, max(until, begins)

    def _report(self, group: Group, per: Unit | None = None) -> Report:
        query = replace(self._month, by=(group,), per=per)
        return explore(self._session, query, position=self._position, once=self._once)


def _midnight(now: datetime, zone: ZoneInfo, days: int) -> datetime:
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time.min, tzinfo=zone)
