"""A circuit breaker: stops asking a server that does not answer, and notices when it does again."""

import threading
from collections.abc import Callable

FAILURES_TO_OPEN = 3
"""In a row, over all threads: one slow answer is not an outage."""


class Breaker:
    """Open after failures in a row; while open a thread of its own asks again, never a request.

    The thread lives only while the breaker is open. A process forked meanwhile starts its own.

    Args:
        retry_after_s: the pause between two probes.
        probe: asks the server, may take long; returns whether it works again.
        on_open, on_close: called once after each change, ``on_close`` on the probing thread.
    """

    def __init__(
        self,
        *,
        retry_after_s: float,
        probe: Callable[[], bool],
        on_open: Callable[[], None],
        on_close: Callable[[], None],
    ) -> None:
        self._retry_after_s = retry_after_s
        self._probe = probe
        self._on_open = on_open
        self._on_close = on_close
        self._lock = threading.Lock()
        self._failures = 0
        self._is_open = False
        self._prober: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def is_open(self) -> bool:
        if self._is_open and (self._prober is None or not self._prober.is_alive()):
            with self._lock:
                self._start_prober()
        return self._is_open

    def succeeded(self) -> None:
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures < FAILURES_TO_OPEN:
                return
        self.open()

    def open(self) -> None:
        """Stop asking, at once."""
        with self._lock:
            if self._is_open:
                return
            self._is_open = True
            self._start_prober()
        self._on_open()

    def stop(self) -> None:
        """End the probing for good."""
        self._stop.set()
        prober = self._prober
        if prober is not None and prober is not threading.current_thread():
            prober.join(timeout=5)

    def _start_prober(self) -> None:
        alive = self._prober is not None and self._prober.is_alive()
        if not self._is_open or alive or self._stop.is_set():
            return
        self._prober = threading.Thread(target=self._probe_until_closed, daemon=True)
        self._prober.start()

    def _probe_until_closed(self) -> None:
        while not self._stop.wait(self._retry_after_s):
            if not self._probe():
                continue
            with self._lock:
                self._failures = 0
                self._is_open = False
                # Not left to is_alive(): the next opening may come before this thread has ended.
                self._prober = None
            self._on_close()
            return
