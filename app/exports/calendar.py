"""In which month of the operator's clock a row is."""

from bisect import bisect_right
from datetime import datetime
from zoneinfo import ZoneInfo

from app.exports.scope import iso
from app.periods import Period


class Calendar:
    """The months of a period. Rows that are earlier, because they came late, are of its first."""

    def __init__(self, period: Period, zone: ZoneInfo) -> None:
        first = period.since.astimezone(zone)
        self._names = [f"{first:%Y-%m}"]
        self._starts: list[str] = []
        year, month = first.year, first.month
        while True:
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004
            start = datetime(year, month, 1, tzinfo=zone)
            if start >= period.until:
                return
            self._starts.append(iso(start))
            self._names.append(f"{year:04}-{month:02}")

    def month_of(self, at: str) -> str:
        """``2026-11``; ``at`` is a time as rows have it, which sort like texts."""
        return self._names[bisect_right(self._starts, at)]
