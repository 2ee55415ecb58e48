"""The visitor's limits: what each allows, what is left of it, and when it is whole again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.admission.gate import Periods, Snapshot
from app.limits import VisitorLimits, count_or_none, points_nano
from app.metering.store import Sums

Used = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Allowance:
    """One limit; points are nano-points. ``renews_at`` None: it is no sum of a day or month."""

    name: str
    allowed: int
    used: int | None
    """None: nothing is added up, as for a rate."""
    renews_at: datetime | None = None
    is_points: bool = False

    @property
    def left(self) -> int | None:
        return None if self.used is None else max(self.allowed - self.used, 0)

    @property
    def share(self) -> int:
        """How much of it is used, in per cent."""
        if self.used is None or self.allowed <= 0:
            return 0
        return min(self.used * 100 // self.allowed, 100)


@dataclass(frozen=True, slots=True)
class Counters:
    """What has been used, as the gate counts it; as the books do where it does not say."""

    day: Sums
    month_points: int
    held: Snapshot | None

    @property
    def day_questions(self) -> int:
        counted = None if self.held is None else self.held.day_questions
        return self.day.questions if counted is None else counted

    @property
    def day_points(self) -> int:
        return self._with_hold(self.day.points, None if not self.held else self.held.day_points)

    @property
    def points_of_month(self) -> int:
        return self._with_hold(self.month_points, None if not self.held else self.held.month_points)

    @property
    def open_questions(self) -> int | None:
        return None if self.held is None else self.held.visitor_open

    def _with_hold(self, booked: int, counted: int | None) -> int:
        hold = 0 if self.held is None else self.held.visitor_points_hold
        return (booked if counted is None else counted) + hold


def of(limits: VisitorLimits, counters: Counters, periods: Periods) -> list[Allowance]:
    """Those of the limits that are set, in the order in which they matter to a person."""
    day_ends, month_ends = periods.day.ends_at, periods.month.ends_at
    rows = [
        _allowance(
            "questions_per_day",
            count_or_none(limits.questions_per_day),
            counters.day_questions,
            day_ends,
        ),
        _allowance(
            "points_per_day",
            points_nano(limits.points_per_day),
            counters.day_points,
            day_ends,
            is_points=True,
        ),
        _allowance(
            "points_per_month",
            points_nano(limits.points_per_month),
            counters.points_of_month,
            month_ends,
            is_points=True,
        ),
        _allowance("open_questions", count_or_none(limits.open_questions), counters.open_questions),
        _allowance("questions_per_minute", count_or_none(limits.questions_per_minute), None),
    ]
    return [row for row in rows if row is not None]


def _allowance(
    name: str,
    allowed: int | None,
    used: int | None,
    renews_at: datetime | None = None,
    *,
    is_points: bool = False,
) -> Allowance | None:
    if allowed is None:
        return None
    return Allowance(name, allowed, used, renews_at, is_points)
