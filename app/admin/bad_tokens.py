"""Addresses that send API tokens which are no good: counted in each worker, a minute at a time.

Nobody guesses a token; this keeps a program with an old one, or a scanner, from asking the database
each time. A token that worked lately is taken whatever others behind the same address send.
"""

import threading
from datetime import datetime

from cachetools import TTLCache

from app.errors import Forbidden
from app.pagekit.minutes import WINDOW_S, Minutes
from app.telemetry import metrics

BAD_MAX = 30
"""In a minute, from one address, to one worker."""
TRUSTED_MAX = 10_000
TRUSTED_S = 600

_bad = Minutes()
_trusted: TTLCache[str, bool] = TTLCache(TRUSTED_MAX, TRUSTED_S)
_lock = threading.Lock()


class TooManyBadTokens(Forbidden):
    """This address has sent too many tokens that are no good."""

    status = 429
    code = "too_many_bad_tokens"


def check(digest: str, address: str, now: datetime) -> None:
    """Raises: TooManyBadTokens, with when to come back."""
    with _lock:
        is_trusted = digest in _trusted
    if not is_trusted and _bad.of(address, now) >= BAD_MAX:
        metrics.SIGN_INS.labels("token", "throttled").inc()
        wait_s = WINDOW_S - int(now.timestamp()) % WINDOW_S
        raise TooManyBadTokens("too many API tokens from here were no good", retry_after_s=wait_s)


def note(address: str, now: datetime) -> None:
    """One more was no good."""
    _bad.count(address, now)
    metrics.SIGN_INS.labels("token", "failed").inc()


def trust(digest: str) -> None:
    """This one is good."""
    with _lock:
        _trusted[digest] = True
