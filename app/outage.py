"""What the threads of a process tell one another about a server that went away.

A server that is gone without a word costs who asks it many seconds. If all threads did, none would
be left for the callers that need nothing from it.
"""

import contextlib
import threading
import time
from collections.abc import Iterator


class Outage:
    """Whether the server is away, and since when. Safe for all threads."""

    def __init__(self) -> None:
        self._began: float | None = None

    @property
    def is_on(self) -> bool:
        return self._began is not None

    def lasts_s(self) -> float | None:
        """Seconds since it was noticed first; None while the server is there."""
        began = self._began
        return None if began is None else time.monotonic() - began

    def noticed(self) -> None:
        if self._began is None:
            self._began = time.monotonic()

    def over(self) -> None:
        self._began = None


class OneAtATime:
    """During an outage one thread at a time finds out whether it is over."""

    def __init__(self, outage: Outage) -> None:
        self._outage = outage
        self._asking = threading.Lock()

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether this thread may ask the server now; others may again when the block ends."""
        if not self._outage.is_on:
            yield True
            return
        if not self._asking.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            self._asking.release()
