"""How often a user may try a code that does not exist.

Kept in the database: it holds also while Redis is away, and for one user's parallel requests.
Guests are users of their own and could be many; against them stand the 80 bits of a code.
"""

from datetime import datetime, timedelta

from app.codes.models import CodeAttempts
from app.errors import Denied

FAILURES_MAX = 10
WINDOW = timedelta(hours=1)


class TooManyAttempts(Denied):
    """Too many codes that do not exist; ``retry_after_s`` says when the next may be tried."""

    status = 429
    code = "code_attempts"


def check(attempts: CodeAttempts, now: datetime) -> None:
    """Refuse a user who has guessed too much, whatever they hold in hand this time.

    Raises:
        TooManyAttempts: they have.
    """
    ends = attempts.window_began_at + WINDOW
    if attempts.failures >= FAILURES_MAX and now < ends:
        wait_s = max(1, -(-(ends - now) // timedelta(seconds=1)))
        raise TooManyAttempts(
            f"{attempts.failures} codes of this user do not exist: wait {wait_s} seconds",
            retry_after_s=wait_s,
            wait_s=wait_s,
        )


def count_failure(attempts: CodeAttempts, now: datetime) -> None:
    """One more; the window begins with its first."""
    if attempts.failures == 0 or now >= attempts.window_began_at + WINDOW:
        attempts.failures = 0
        attempts.window_began_at = now
    attempts.failures += 1
