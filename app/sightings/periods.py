"""Counts of refusals by the hour or the day of somebody's clock."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

Step = Literal["hour", "day"]


def by_code(
    counts: Mapping[tuple[datetime, str], int], *, step: Step, zone: ZoneInfo
) -> dict[tuple[datetime, str], int]:
    """``store.count_by_code`` added up: ``{(the step's beginning by that clock, code): count}``.

    Steps in which nothing was refused are not there.
    """
    added: dict[tuple[datetime, str], int] = {}
    for (quarter, code), count in counts.items():
        place = (_beginning(quarter, step, zone), code)
        added[place] = added.get(place, 0) + count
    return added


def _beginning(quarter: datetime, step: Step, zone: ZoneInfo) -> datetime:
    local = quarter.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    return local if step == "hour" else local.replace(hour=0, fold=0)
