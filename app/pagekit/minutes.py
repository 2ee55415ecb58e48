"""Counts of the present minute by a key, in this worker's bounded memory."""

import threading
from datetime import datetime

from cachetools import TTLCache

KEYS_MAX = 10_000
WINDOW_S = 60


class Minutes:
    """Safe for threads."""

    def __init__(self) -> None:
        self._counts: TTLCache[str, tuple[int, int]] = TTLCache(KEYS_MAX, 2 * WINDOW_S)
        self._lock = threading.Lock()

    def count(self, key: str, now: datetime) -> int:
        """Count one; how many that makes in this minute."""
        minute = int(now.timestamp()) // WINDOW_S
        with self._lock:
            before, counted = self._counts.get(key, (minute, 0))
            counted = counted + 1 if before == minute else 1
            self._counts[key] = (minute, counted)
            return counted

    def of(self, key: str, now: datetime) -> int:
        """How many were counted in this minute."""
        minute = int(now.timestamp()) // WINDOW_S
        with self._lock:
            before, counted = self._counts.get(key, (minute, 0))
            return counted if before == minute else 0
