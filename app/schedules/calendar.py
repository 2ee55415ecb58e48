"""When something is due by a clock on the wall, and of which time it then speaks. Pure.

A day has one such moment. Where the clock is put forward over it, it is as long after the gap as
the time was inside it; where the clock is put back, it is the first of the two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

Every = Literal["day", "week", "month"]
EVERY: tuple[Every, ...] = get_args(Every)
DAY_MAX = 28
"""Every month has it."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cadence:
    """``weekday`` counts from Monday, 0; it is used of weeks, ``day`` of months."""

    every: Every
    at: time
    zone: ZoneInfo
    weekday: int = 0
    day: int = 1


@dataclass(frozen=True, slots=True)
class Period:
    """The time from ``since`` up to ``until``.

    ``label`` is its name: 2026-11-25, 2026-W48 or 2026-11.
    """

    label: str
    since: datetime
    until: datetime


def next_after(cadence: Cadence, after: datetime) -> datetime:
    """The first moment later than ``after`` at which it is due, in UTC."""
    # The day before, because a clock that is put forward over midnight moves a moment to the next.
    first = after.astimezone(cadence.zone).date() - _DAY
    return next(at for at in _moments(cadence, first) if at > after)


def last_until(cadence: Cadence, now: datetime) -> datetime:
    """The latest moment, ``now`` included, at which it was due, in UTC."""
    back = {"day": 4, "week": 16, "month": 70}[cadence.every]
    at = next_after(cadence, now - timedelta(days=back))
    while (following := next_after(cadence, at)) <= now:
        at = following
    return at


def period_before(cadence: Cadence, due_at: datetime) -> Period:
    """The last whole day, week or month before it was due, by the clock of the zone."""
    local = due_at.astimezone(cadence.zone).date()
    low, high = _around(cadence.every, local)
    while True:
        high, low = low, _around(cadence.every, low - _DAY)[0]
        since, until = _midnight(low, cadence.zone), _midnight(high, cadence.zone)
        if since < until:  # a day that a zone left out is none
            return Period(_label(cadence.every, low), since, until)


def _moments(cadence: Cadence, first: date) -> Iterator[datetime]:
    """Every moment of the days from then on, in order, each once."""
    day, before = first, None
    while True:
        if _is_day(cadence, day):
            at = datetime.combine(day, cadence.at, tzinfo=cadence.zone).astimezone(UTC)
            if at != before:  # the days on both sides of one that was left out may share it
                yield at
            before = at
        day += _DAY


def _is_day(cadence: Cadence, day: date) -> bool:
    if cadence.every == "week":
        return day.weekday() == cadence.weekday
    return cadence.every == "day" or day.day == cadence.day


def _around(every: Every, day: date) -> tuple[date, date]:
    """The day, week or month that the day is in, and where the following begins."""
    if every == "day":
        return day, day + _DAY
    if every == "week":
        low = day - timedelta(days=day.weekday())
        return low, low + timedelta(days=7)
    low = day.replace(day=1)
    return low, (low + timedelta(days=32)).replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def _label(every: Every, low: date) -> str:
    if every == "week":
        year, week, _ = low.isocalendar()
        return f"{year}-W{week:02d}"
    return f"{low:%Y-%m-%d}" if every == "day" else f"{low:%Y-%m}"
