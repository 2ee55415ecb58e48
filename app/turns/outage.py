"""One finish at a time finds out whether a database that went away is back."""

import contextlib
import threading
from collections.abc import Iterator

from app.db import DatabaseAway, DatabaseBusy


class Outage:
    """What the threads of a process tell one another about the database.

    A server that is gone without a word costs who asks it many seconds. If all threads did, none
    would be left to take the next finish.
    """

    def __init__(self) -> None:
        self._is_on = False
        self._asking = threading.Lock()

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Do something that needs the database.

        Raises:
            DatabaseAway: it is known to be away, and another thread is asking it right now.
        """
        is_first = self._is_on
        if is_first and not self._asking.acquire(blocking=False):
            raise DatabaseAway("the database is away, and is being asked by another finish")
        try:
            yield
        except DatabaseBusy:
            raise  # it answers: somebody holds what this one needs
        except DatabaseAway:
            self._is_on = True
            raise
        else:
            self._is_on = False
        finally:
            if is_first:
                self._asking.release()
