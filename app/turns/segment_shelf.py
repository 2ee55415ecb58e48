"""The numbers of segments, remembered: few rows, which every finish names."""

import threading
from collections.abc import Mapping, Sequence

from cachetools import LRUCache

from app.db import Database
from app.metering.segments import store
from app.metering.segments.document import Segment, segment_of

REMEMBERED_MAX = 20_000


class SegmentShelf:
    """One worker's memory of segments; safe for its threads."""

    def __init__(self, *, db: Database, followed: Sequence[str]) -> None:
        """``followed`` are the attributes that make a segment; without any there are none."""
        self._db = db
        self._followed = tuple(followed)
        self._numbers: LRUCache[Segment, int] = LRUCache(REMEMBERED_MAX)
        self._lock = threading.Lock()

    def segment_of(self, attributes: Mapping[str, object]) -> int | None:
        """The number of what a user is now; None when nothing is followed.

        One that nobody had before is written in a transaction of its own, so that only what is
        committed is remembered.

        Raises:
            DatabaseAway: it is not in memory and the database does not answer.
        """
        if not self._followed:
            return None
        segment = segment_of(attributes, self._followed)
        with self._lock:
            known = self._numbers.get(segment)
        if known is None:
            known = self._db.run(lambda session: store.ensure(session, segment))
            with self._lock:
                self._numbers[segment] = known
        return known
