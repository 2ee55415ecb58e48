"""How often one token or session may call the API: counted in each worker, a minute at a time.

A program that runs wild is stopped; a limit that is exact across processes is not worth asking
Redis on each call, so every worker has its part of the allowance.
"""

import threading
from datetime import datetime

from cachetools import TTLCache

from app.admin.desk import Desk
from app.errors import Forbidden

CALLERS_MAX = 10_000
WINDOW_S = 60

_lock = threading.Lock()


class TooManyCalls(Forbidden):
    """This token or session has used up its minute."""

    status = 429
    code = "too_many_calls"


class Counter:
    """Calls of each caller in the present minute."""

    def __init__(self) -> None:
        self._calls: TTLCache[str, tuple[int, int]] = TTLCache(CALLERS_MAX, 2 * WINDOW_S)

    def count(self, caller: str, now: datetime) -> int:
        minute = int(now.timestamp()) // WINDOW_S
        with _lock:
            before, calls = self._calls.get(caller, (minute, 0))
            calls = calls + 1 if before == minute else 1
            self._calls[caller] = (minute, calls)
            return calls


_counter = Counter()


def check(desk: Desk) -> None:
    """Raises: TooManyCalls, with when to come back."""
    caller = desk.visitor
    if caller is None:
        return
    rules = desk.settings
    allowed = max(rules.admin.api_calls_per_minute // rules.service.workers, 1)
    key = f"{caller.operator_id}:{caller.token_id}:{caller.session_id}"
    if _counter.count(key, desk.now) > allowed:
        wait_s = WINDOW_S - int(desk.now.timestamp()) % WINDOW_S
        raise TooManyCalls("this token or session calls too often", retry_after_s=wait_s)
