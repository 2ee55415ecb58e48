"""What one worker remembers, bounded, and dropped as a whole when the service's revision grows.

Whoever loads something notes the epoch before reading the database and hands it back when putting
the result in: what was read before the memory was dropped must not be remembered after.
"""

import threading
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K")
V = TypeVar("V")


class Memory:
    """The epoch, the revision and the lock that all shelves of one worker share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.epoch = 0
        self.revision = 0
        """The service's revision that everything on the shelves is at least as new as."""
        self._shelves: list[Shelf[object, object]] = []

    def shelf(self, size: int) -> "Shelf[K, V]":
        """A new shelf; when it is full, what was used least recently makes room."""
        made: Shelf[K, V] = Shelf(self, size)
        self._shelves.append(made)  # type: ignore[arg-type]
        return made

    def forget(self, revision: int) -> None:
        """Clear every shelf; an older revision than the one known changes nothing."""
        with self.lock:
            if revision < self.revision:
                return
            self.revision = revision
            self.epoch += 1
            for shelf in self._shelves:
                shelf.cache.clear()


class Shelf(Generic[K, V]):
    def __init__(self, memory: Memory, size: int) -> None:
        self._memory = memory
        self.cache: LRUCache[K, V] = LRUCache(size)

    def get(self, key: K) -> V | None:
        with self._memory.lock:
            return self.cache.get(key)

    def put(self, key: K, value: V, *, epoch: int) -> None:
        """Remember, unless the memory was dropped since ``epoch``."""
        with self._memory.lock:
            if epoch == self._memory.epoch:
                self.cache[key] = value

    def drop(self, key: K) -> None:
        with self._memory.lock:
            self.cache.pop(key, None)
