"""Moments as people and programs give them: with an offset, in years one can reckon with."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)
YEAR_MIN, YEAR_MAX = FIRST.year + 1, LAST.year - 1


def _within_reason(moment: datetime) -> datetime:
    # At the ends of the calendar not even a conversion to UTC is possible.
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        raise ValueError(f"the year is between {YEAR_MIN} and {YEAR_MAX}")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_within_reason)]
"""In UTC."""


def begins(day: date, zone: ZoneInfo) -> datetime:
    """The beginning of the day in UTC, by the zone's clock.

    The earlier of two midnights; where clocks skip midnight, the moment they skip it.
    """
    # fold=0; inside a gap the offset before it holds, which gives the instant of the change.
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def after_day(last: date, zone: ZoneInfo) -> datetime:
    """When something is over that is good until the end of that day."""
    return begins(last + timedelta(days=1), zone)


def good_until(over: datetime, zone: ZoneInfo) -> str:
    """Until and including when something is good that is over at that moment, by the zone's clock.

    ``2026-12-31`` where that day is the last and whole; else the time, ``2026-12-31 18:00``.
    """
    local = over.astimezone(zone)
    if begins(local.date(), zone) == over.astimezone(UTC):
        return f"{local.date() - timedelta(days=1):%Y-%m-%d}"
    return f"{local:%Y-%m-%d %H:%M}"
