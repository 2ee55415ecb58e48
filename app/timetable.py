"""When periodic jobs run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time

from app.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Job:
    """``next_time`` says when to run again after a given local time."""

    name: str
    next_time: Callable[[datetime], datetime]
    run: Callable[[Runtime, datetime], None]
    runs_everywhere: bool = False
    """In every process of this kind, whoever leads: what it looks after is of this machine."""


def every(interval: timedelta) -> Callable[[datetime], datetime]:
    return lambda after: after + interval


def daily_at(at: clock_time) -> Callable[[datetime], datetime]:
    """Once a day by the clock of the time it is given, whatever daylight saving does."""

    def next_time(after: datetime) -> datetime:
        today = after.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
        if today > after:
            return today
        return today + timedelta(days=1)  # the same time on the clock, in any zone

    return next_time
