"""Time as reports cut it: quarters of an hour, and the days and months of some clock. Pure.

A quarter is a number: how many of them have passed since 1970 in UTC. Every clock in use is off UTC
by whole quarters, so hours, days and months of any zone begin with one.

Sums are kept of quarters, and of days and months by the operator's clock. A stretch of time is
covered by few of them: ``cover`` goes from its ends to the nearest day, from there to the nearest
month, and takes away again what it had too much. Some sums are kept of the hours of UTC as well,
each four quarters; see ``by_hours``.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from app.errors import Invalid

QUARTER, DAY, MONTH, HOUR = 0, 1, 2, 3
"""The widths of sums."""
QUARTER_S = 900
QUARTERS_IN_HOUR = 4
QUARTERS_IN_DAY = 24 * QUARTERS_IN_HOUR
BUCKETS_MAX = 10_000

Unit = Literal["hour", "day", "week", "month"]
UNITS: tuple[Unit, ...] = ("hour", "day", "week", "month")
_BEGUN: tuple[tuple[int, Unit], ...] = ((DAY, "day"), (MONTH, "month"))


@dataclass(frozen=True, slots=True)
class Span:
    """Sums of one width that begin from quarter ``low`` on, before ``high``; -1 takes them away."""

    width: int
    low: int
    high: int
    sign: int = 1


def quarter_of(at: datetime) -> int:
    return int(at.timestamp() // QUARTER_S)


def hour_of(quarter: int) -> int:
    """The quarter with which the hour begins, by the clock of UTC."""
    return quarter - quarter % QUARTERS_IN_HOUR


def hour_from(quarter: int) -> int:
    """The first hour that begins with that quarter or later."""
    return hour_of(quarter + QUARTERS_IN_HOUR - 1)


def quarter_from(at: datetime) -> int:
    """The first quarter that begins at that time or later."""
    return -int(-at.timestamp() // QUARTER_S)


def begin_of(quarter: int) -> datetime:
    return datetime.fromtimestamp(quarter * QUARTER_S, tz=UTC)


def day_start(day: date, zone: ZoneInfo) -> int:
    """The quarter with which the day begins, by the clock of the zone."""
    return quarter_of(datetime.combine(day, time.min, tzinfo=zone))


def month_start(day: date, zone: ZoneInfo) -> int:
    return day_start(day.replace(day=1), zone)


def local_day(quarter: int, zone: ZoneInfo) -> date:
    return begin_of(quarter).astimezone(zone).date()


def cut(low: int, high: int, unit: Unit, zone: ZoneInfo) -> list[int]:
    """Where the buckets of a period begin, by the zone's clock; the first may be a part of one.

    Raises:
        Invalid: there are too many to show (``too_many_buckets``).
    """
    starts: list[int] = []
    at = low
    while at < high:
        starts.append(at)
        if len(starts) > BUCKETS_MAX:
            raise Invalid(
                f"the period has more than {BUCKETS_MAX} times the unit {unit}: take a larger one",
                code="too_many_buckets",
            )
        at = end_in(at, unit, zone)
    return starts


def begin_in(quarter: int, unit: Unit, zone: ZoneInfo) -> int:
    """Where the day, week or month begins that the quarter is in."""
    day = local_day(quarter, zone)
    if unit == "week":
        day -= timedelta(days=day.weekday())
    elif unit == "month":
        day = day.replace(day=1)
    return day_start(day, zone)


def end_in(quarter: int, unit: Unit, zone: ZoneInfo) -> int:
    """Where the hour, day, week or month ends that the quarter is in."""
    if unit == "hour":
        # From the clock's own hour: where it was moved by half of one, an hour is cut short.
        minute = begin_of(quarter).astimezone(zone).minute
        return quarter + QUARTERS_IN_HOUR - minute * 60 // QUARTER_S
    day = local_day(quarter, zone)
    if unit == "day":
        following = day + timedelta(days=1)
    elif unit == "week":
        following = day + timedelta(days=7 - day.weekday())
    else:
        following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    at = day_start(following, zone)
    # A day that a zone left out, to be on the other side of the date line, has no quarter.
    return at if at > quarter else end_in(quarter + 1, unit, zone)


def singles(span: Span, zone: ZoneInfo) -> Iterator[Span]:
    """The days or months that a span of such is made of, one by one."""
    unit: Unit = "month" if span.width == MONTH else "day"
    at = span.low
    while at < span.high:
        following = end_in(at, unit, zone)
        yield Span(span.width, at, following, span.sign)
        at = following


def begun_in(spans: Sequence[Span], zone: ZoneInfo) -> Span | None:
    """The day or month that a ``cover`` begins with, where it ends within it: up to its end."""
    low, high = _ends(spans)
    for width, unit in _BEGUN:
        if begin_in(low, unit, zone) == low and high <= end_in(low, unit, zone):
            return Span(width, low, high)
    return None


def whole_days(spans: Sequence[Span]) -> Span | None:
    """The days that a ``cover`` is of; None where it is of parts of days."""
    if any(span.width == QUARTER for span in spans):
        return None
    return Span(DAY, *_ends(spans))


def around(spans: Sequence[Span], zone: ZoneInfo) -> list[Span]:
    """Single days and months that have all of what a ``cover`` is of, and some more."""
    low, high = _ends(spans)
    days = cover(begin_in(low, "day", zone), end_in(high - 1, "day", zone), zone)
    return [one for span in days if span.sign > 0 for one in singles(span, zone)]


def _ends(spans: Sequence[Span]) -> tuple[int, int]:
    first, last = spans[0], spans[-1]
    low = first.low if first.sign > 0 else first.high
    return low, last.high if last.sign > 0 else last.low


def bucket_of(quarter: int, starts: Sequence[int]) -> int:
    """The place of the bucket that a quarter of the period is in."""
    return bisect_right(starts, quarter) - 1


def cover(low: int, high: int, zone: ZoneInfo) -> Iterator[Span]:
    """Spans that add up to the time from ``low`` to ``high``; days and months are the zone's."""
    days = _nearest_day(low, zone), _nearest_day(high, zone)
    first, last = (day_start(day, zone) for day in days)
    if high - low <= abs(first - low) + abs(high - last):
        yield Span(QUARTER, low, high)
        return
    yield from _path(QUARTER, low, first)
    yield from _cover_days(*days, zone)
    yield from _path(QUARTER, last, high)


@lru_cache(maxsize=4096)
def covered(low: int, high: int, zone: ZoneInfo, ended: int) -> tuple[Span, ...]:
    """``cover``, kept: each report asks for the same days several times, and so does the next.

    From ``ended`` on there is no answer. So the day of now is taken whole where a period goes from
    some day's beginning up to now, and nothing is taken away of the rest of its month. Where
    nothing else is taken away, whoever has a row is a visitor, and how much of it is left need not
    be added up for each.
    """
    if ended <= high and begin_in(low, "day", zone) == low:
        high = end_in(high - 1, "day", zone)
    return tuple(span for span in cover(low, high, zone) if span.sign > 0 or span.low < ended)


def _cover_days(first: date, last: date, zone: ZoneInfo) -> Iterator[Span]:
    months = _nearest_month(first), _nearest_month(last)
    low, high = day_start(first, zone), day_start(last, zone)
    if last - first <= abs(months[0] - first) + abs(last - months[1]):
        yield from _path(DAY, low, high)
        return
    first_month, last_month = (day_start(month, zone) for month in months)
    yield from _path(DAY, low, first_month)
    yield from _path(MONTH, first_month, last_month)
    yield from _path(DAY, last_month, high)


def by_hours(spans: Sequence[Span]) -> list[Span]:
    """The same time, with hours in place of quarters wherever there are whole ones."""
    found: list[Span] = []
    for span in spans:
        first, last = hour_from(span.low), hour_of(span.high)
        if span.width != QUARTER or first >= last:
            found.append(span)
            continue
        parts = ((QUARTER, span.low, first), (HOUR, first, last), (QUARTER, last, span.high))
        found += [Span(width, low, high, span.sign) for width, low, high in parts if low < high]
    return found


def _path(width: int, here: int, there: int) -> Iterator[Span]:
    """From here to there: forwards adds, backwards takes away."""
    if here < there:
        yield Span(width, here, there)
    elif there < here:
        yield Span(width, there, here, -1)


def _nearest_day(quarter: int, zone: ZoneInfo) -> date:
    day = local_day(quarter, zone)
    following = day + timedelta(days=1)
    behind, ahead = quarter - day_start(day, zone), day_start(following, zone) - quarter
    return day if behind <= ahead else following


def _nearest_month(day: date) -> date:
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return first if day - first <= following - day else following
