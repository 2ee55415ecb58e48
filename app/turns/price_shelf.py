"""The price book in force at a time, remembered until an operator publishes another."""

import threading
from dataclasses import dataclass
from datetime import datetime

from app.db import Database
from app.pricing import store
from app.pricing.book import DEFAULT_BOOK, PriceBook
from app.turns.identify import Directory


@dataclass(frozen=True, slots=True)
class PricedBy:
    """A book and the version it was published as; no version when none was ever published."""

    book: PriceBook
    version_id: int | None


@dataclass(frozen=True, slots=True)
class _Remembered:
    priced_by: PricedBy
    revision: int
    since: datetime
    until: datetime | None


class PriceShelf:
    """One worker's memory of the prices in force; safe for its threads."""

    def __init__(self, *, db: Database, directory: Directory) -> None:
        self._db = db
        self._directory = directory
        self._remembered: _Remembered | None = None
        self._lock = threading.Lock()

    def in_force(self, at: datetime) -> PricedBy:
        """The prices at that time; the built-in book before the first version.

        Raises:
            DatabaseAway: they are not in memory and the database does not answer.
        """
        found = self._remembered
        if found is None or not self._holds(found, at):
            found = self._load(at)
            with self._lock:
                self._remembered = found
        return found.priced_by

    def _holds(self, found: _Remembered, at: datetime) -> bool:
        return (
            found.revision == self._directory.revision
            and found.since <= at
            and (found.until is None or at < found.until)
        )

    def _load(self, at: datetime) -> _Remembered:
        revision = self._directory.revision  # before reading: a change in between shows next time
        with self._db.read() as session:
            version = store.find_in_force(session, at)
            following = store.find_next(session, at)
            until = None if following is None else following.effective_at
            if version is None:
                return _Remembered(PricedBy(DEFAULT_BOOK, None), revision, at, until)
            priced_by = PricedBy(store.book_of(version), version.id)
            return _Remembered(priced_by, revision, version.effective_at, until)
