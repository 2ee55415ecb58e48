"""How many refusals a minute get a row of their own: nobody may fill the disk by being refused."""

from datetime import datetime


class Allowance:
    """So many in each minute. Threads may share it; at worst it lets a few more through."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._minute = 0
        self._used = 0

    def take(self, now: datetime) -> bool:
        """Whether one more fits into the minute of ``now``."""
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += 1
        return self._used <= self._per_minute
