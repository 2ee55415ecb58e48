"""What the hooks saw, written down a moment later by a thread of its own.

A hook pays for one append. Once a second all that came in since is added up and written in one
short transaction. While the database is away it waits here, within bounds; what does not fit is
counted, and never stands in the way of an answer.
"""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy.orm import Session

from app.db import Database, DatabaseAway
from app.links import store as link_store
from app.sightings import store
from app.sightings.allowance import Allowance
from app.sightings.sighting import Sighting
from app.sightings.tally import Tally

INTERVAL_S = 1.0
CLOSING_S = 5.0
"""How long a stop waits for the last batch."""
ARRIVED_MAX = 20_000
REFUSALS_PER_MINUTE = 600
"""On links, of each process, that get a row of their own."""
STRAYS_PER_MINUTE = 60
"""The same of calls to no link, which anybody can make."""
ATTEMPTS = 2

log = structlog.get_logger(__name__)


class Lookout:
    """One process's; use it after the fork. Its thread begins with the first sighting."""

    def __init__(self, *, db: Database, on_dropped: Callable[[str, int], None]) -> None:
        """``on_dropped`` is told why and how many sightings were let go."""
        self._db = db
        self._on_dropped = on_dropped
        self._arrived: deque[Sighting] = deque()
        self._tally = Tally(on_dropped=on_dropped)
        self._refusals = Allowance(REFUSALS_PER_MINUTE)
        self._strays = Allowance(STRAYS_PER_MINUTE)
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def saw(self, sighting: Sighting) -> None:
        """Remember a call that was answered. Touches neither the database nor a lock."""
        if sighting.is_refusal and not self._is_let_in(sighting):
            return
        if len(self._arrived) >= ARRIVED_MAX:
            self._on_dropped("full", 1)
            return
        self._arrived.append(sighting)
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """Write what is there now; what the database does not take is tried again later."""
        with self._writing:
            self._tally.add(self._taken())
            if self._tally.is_empty:
                return
            try:
                self._db.run(partial(_write, tally=self._tally), attempts=ATTEMPTS)
            except DatabaseAway:
                return
            except Exception:
                # Whatever it is, the same batch would meet it again.
                log.exception("sightings.not_written", calls=self._tally.size)
                self._on_dropped("failed", self._tally.size)
            self._tally = Tally(on_dropped=self._on_dropped)

    def close(self) -> None:
        """Write what is left, if the database takes it soon; nothing is written afterwards."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(CLOSING_S)

    def _is_let_in(self, sighting: Sighting) -> bool:
        if sighting.link_id is None:
            if not self._strays.take(sighting.at):
                self._on_dropped("stray", 1)
                return False
        elif not self._refusals.take(sighting.at):
            self._on_dropped("counted", 1)
            sighting.is_kept = False
        return True

    def _taken(self) -> list[Sighting]:
        return [self._arrived.popleft() for _ in range(len(self._arrived))]

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="lookout", daemon=True)
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            self.flush()
        self.flush()


def _write(session: Session, *, tally: Tally) -> None:
    links = link_store.ids_by_key_digest(session, tally.key_digests)
    store.write(session, calls=tally.calls(links), refusals=tally.refusals, links=links)
