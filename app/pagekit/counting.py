"""How often somebody did something in the present minute, in this process: for throttles."""

import threading
from datetime import datetime

from cachetools import TTLCache

CALLERS_MAX = 10_000
WINDOW_S = 60


class Counter:
    """Calls of each caller in the present minute."""

    def __init__(self) -> None:
        self._calls: TTLCache[str, tuple[int, int]] = TTLCache(CALLERS_MAX, 2 * WINDOW_S)
        self._lock = threading.Lock()

    def count(self, caller: str, now: datetime) -> int:
        """One more; how many there are with it."""
        with self._lock:
            calls = self._seen(caller, now) + 1
            self._calls[caller] = (_minute(now), calls)
            return calls

    def seen(self, caller: str, now: datetime) -> int:
        """How many there are already."""
        with self._lock:
            return self._seen(caller, now)

    def _seen(self, caller: str, now: datetime) -> int:
        minute, calls = self._calls.get(caller, (0, 0))
        return calls if minute == _minute(now) else 0


def seconds_left(now: datetime) -> int:
    """Until the present minute is over."""
    return WINDOW_S - int(now.timestamp()) % WINDOW_S


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // WINDOW_S
