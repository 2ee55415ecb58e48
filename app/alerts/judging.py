"""Whether a number is worth an alert. Pure; amounts are nano-units, never floats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.money import EXACT, to_nano

_NORMAL = Decimal("1.4826")
"""Makes the median deviation of a normal distribution its standard deviation."""
_SPREAD_MIN = Decimal("0.1")
"""Of the median: who spends the same every day may spend a little more without an alert."""


def level_reached(used: int, limit: int, percents: Sequence[int]) -> int:
    """The highest of the rising ``percents`` that ``used`` reaches of ``limit``; 0 for none.

    Of a limit of zero everything is used up.
    """
    return max((one for one in percents if used * 100 >= limit * one), default=0)


def spend_limit(past: Sequence[int], *, deviations: Decimal, floor: int) -> int:
    """What a day may cost before it is unusual.

    ``past`` are whole days of the same weekday. The limit is their median and ``deviations`` times
    their spread: the median of the distances from the median, scaled by 1.4826, at least a tenth
    of the median. Both are robust: one mad day of the past neither raises the limit much nor
    hides the next. It is never below ``floor``.
    """
    middle = _median(past)
    distance = Decimal(_median([abs(one - middle) for one in past]))
    spread = max(EXACT.multiply(distance, _NORMAL), EXACT.multiply(Decimal(middle), _SPREAD_MIN))
    return max(middle + int(EXACT.multiply(spread, deviations)), floor)


@dataclass(frozen=True, slots=True)
class Counted:
    """Refusals by code, and the hours they were counted in."""

    counts: Mapping[str, int]
    hours: Decimal


def spikes(
    lately: Counted, before: Counted, *, count_min: int, factor: Decimal
) -> dict[str, tuple[int, int]]:
    """Codes with ``count_min`` refusals or more, and more than ``factor`` times those expected.

    Expected is what came ``before``, as many per hour. For each code the number that came and the
    expected one, rounded down.
    """
    found = {}
    for code, count in sorted(lately.counts.items()):
        expected = before.counts.get(code, 0) * lately.hours / before.hours
        if count >= count_min and count > factor * expected:
            found[code] = (count, int(expected))
    return found


def is_share(part: int, whole: int, *, count_min: int, percent: int) -> bool:
    """Whether ``part`` is that many, and more than so many percent of ``whole``."""
    return part >= count_min and part * 100 > whole * percent


def points_limit(limits: Sequence[Decimal]) -> int | None:
    """The lowest of several limits in nano-units; those below zero are none."""
    counted = [limit for limit in limits if limit >= 0]
    return to_nano(min(counted)) if counted else None


def _median(values: Sequence[int]) -> int:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2
