"""The numbers of segments, remembered: few rows, which every finish names."""

import threading
from collections.abc import Callable, Mapping, Sequence

from cachetools import LRUCache

from app.db import Database
from app.metering.segments import store
from app.metering.segments.document import Segment, segment_of

REMEMBERED_MAX = 20_000


class SegmentShelf:
    """One worker's memory of segments; safe for its threads."""

    def __init__(
        self, *, db: Database, followed: Sequence[str], revision: Callable[[], int]
    ) -> None:
        """``followed`` are the attributes that make a segment; without any there are none.

        What is remembered is forgotten when the ``revision`` changes: after somebody was erased a
        number may stand for nothing any more that can be had.
        """
        self._db = db
        self._revision = revision
        self._seen = revision()
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
        segment, revision = segment_of(attributes, self._followed), self._revision()
        with self._lock:
            if revision != self._seen:
                self._numbers.clear()
                self._seen = revision
            known = self._numbers.get(segment)
        if known is None:
            known = self._load(segment)
            with self._lock:
                if revision == self._seen:
                    self._numbers[segment] = known
        return known

    def _load(self, segment: Segment) -> int:
        with self._db.read() as session:
            known = store.find(session, segment)
        if known is not None:
            return known
        return self._db.run(lambda session: store.ensure(session, segment))
