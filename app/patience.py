"""Gives up, from outside, on waits that nothing else would end.

A server whose machine answers while the process behind it hangs keeps a connection for ever: no
time-out of its own runs, and the network is fine. One thread for all waits of the same length
looks after them.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg


LOOKS_PER_WAIT = 10
"""A wait is given up at most a tenth of its length too late."""


@dataclass(frozen=True, slots=True, eq=False)
class _Wait:
    deadline: float
    give_up: Callable[[], None]


class Patience:
    """Bounds waits of one length. Make it after the fork; safe for all threads."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: dict[_Wait, None] = {}
        """In the order of their deadlines, for all are equally long."""
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._watcher: threading.Thread | None = None

    @contextlib.contextmanager
    def limit(self, give_up: Callable[[], None]) -> Iterator[None]:
        """Do something; when it takes too long another thread calls ``give_up``, once.

        Never after the block has ended. ``give_up`` is to make the wait end, and must not raise.
        """
        wait = _Wait(time.monotonic() + self._seconds, give_up)
        with self._lock:
            self._waits[wait] = None
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, daemon=True)
                self._watcher.start()
        try:
            yield
        finally:
            with self._lock:
                self._waits.pop(wait, None)

    def close(self) -> None:
        """Stop watching."""
        self._is_closed.set()
        if self._watcher is not None:
            self._watcher.join()

    def _watch(self) -> None:
        while not self._is_closed.wait(self._seconds / LOOKS_PER_WAIT):
            with self._lock:
                while self._waits and next(iter(self._waits)).deadline <= time.monotonic():
                    wait = next(iter(self._waits))
                    del self._waits[wait]
                    wait.give_up()


def hang_up(connection: "psycopg.Connection") -> None:
    """End the connection under whoever waits for an answer on it; closing it is left to them."""
    import psycopg  # noqa: PLC0415 - SQLite needs none, and it takes long to import

    with contextlib.suppress(OSError, psycopg.Error):
        twin = socket.socket(fileno=os.dup(connection.fileno()))
        with twin:
            twin.shutdown(socket.SHUT_RDWR)
