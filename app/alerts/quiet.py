"""Hours of a destination's day in which only what is critical may ring. Pure, safe with DST."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``begin`` up to, not including, ``end`` by the clock of ``zone``; may span midnight."""

    begin: time
    end: time
    zone: ZoneInfo

    def release(self, at: datetime) -> datetime:
        """When a message of that moment may be sent: then, or when the quiet is over. Aware UTC.

        Where clocks skip the end, the quiet ends when they skip it; where they repeat the end, it
        ends the first time, unless that is over.
        """
        local = at.astimezone(self.zone)
        clock = local.time()
        if self.begin < self.end:
            is_quiet, days = self.begin <= clock < self.end, 0
        else:
            is_quiet = clock >= self.begin or clock < self.end
            days = 1 if clock >= self.begin else 0
        if not is_quiet:
            return at.astimezone(UTC)
        day = local.date() + timedelta(days=days)
        ends = [
            datetime.combine(day, self.end, tzinfo=self.zone).replace(fold=fold).astimezone(UTC)
            for fold in (0, 1)
        ]
        return next((end for end in ends if end > at), at.astimezone(UTC))
