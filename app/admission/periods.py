"""The operator's calendar: where the current day and month begin and end. Pure, safe with DST."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from app.moments import begins

SeedName = Literal[
    "balance",
    "day_questions",
    "day_points",
    "month_points",
    "link_total_points",
    "link_month_points",
    "guests_day_questions",
    "guests_day_points",
]
SEED_NAMES: frozenset[SeedName] = frozenset(get_args(SeedName))


@dataclass(frozen=True, slots=True)
class Window:
    """From ``starts_at`` up to, not including, ``ends_at``; both aware UTC."""

    starts_at: datetime
    ends_at: datetime

    def holds(self, moment: datetime) -> bool:
        return self.starts_at <= moment < self.ends_at


@dataclass(frozen=True, slots=True)
class Periods:
    """The day and the month a question falls into, by the operator's clock."""

    today: date
    month_begins_on: date
    day: Window
    month: Window
    wanted: frozenset[SeedName] = field(default=SEED_NAMES)
    """For a loader of seeds: which ones are asked for. It may leave out the others."""


def periods_at(moment: datetime, zone: ZoneInfo) -> Periods:
    """The periods that hold ``moment`` (aware) in ``zone``.

    A day begins at its first local midnight, and where clocks skip midnight at the moment they
    skip it. Where clocks are set back over midnight, the repeated minutes belong to the new day.
    """
    moment = moment.astimezone(UTC)
    today = moment.astimezone(zone).date()
    while begins(today + timedelta(days=1), zone) <= moment:
        today += timedelta(days=1)
    first = today.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Periods(
        today=today,
        month_begins_on=first,
        day=Window(begins(today, zone), begins(today + timedelta(days=1), zone)),
        month=Window(begins(first, zone), begins(following, zone)),
    )
