"""When periodic jobs run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time

from app.runtime import Runtime

SETTLING = timedelta(minutes=5)
"""What runs now and then runs first so soon: who is started anew every half an hour has to prune,
too."""


@dataclass(frozen=True, slots=True)
class Job:
    """``next_time`` says when to run again after a given local time."""

    name: str
    next_time: Callable[[datetime], datetime]
    run: Callable[[Runtime, datetime], None]
    runs_everywhere: bool = False
    """In every process of this kind, whoever leads: what it looks after is of this machine."""

    def first_time(self, after: datetime) -> datetime:
        """When to run first, for a process whose turn it is since ``after``."""
        following = self.next_time(after)
        if isinstance(self.next_time, _Every):
            return min(following, after + SETTLING)
        return following


@dataclass(frozen=True, slots=True)
class _Every:
    interval: timedelta

    def __call__(self, after: datetime) -> datetime:
        return after + self.interval


def every(interval: timedelta) -> Callable[[datetime], datetime]:
    return _Every(interval)


def daily_at(at: clock_time) -> Callable[[datetime], datetime]:
    """Once a day by the clock of the time it is given, whatever daylight saving does."""

    def next_time(after: datetime) -> datetime:
        today = after.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
        if today > after:
            return today
        return today + timedelta(days=1)  # the same time on the clock, in any zone

    return next_time
