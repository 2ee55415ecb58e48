"""When a delivery that failed is tried again. Pure."""

from datetime import timedelta

ATTEMPTS_MAX = 13
"""Spread over about a day; what fails then is dead, until somebody replays it."""
_FIRST_S = 30.0
_FACTOR = 2.5
_LONGEST_S = 4 * 3600.0
_JITTER = 0.2


def wait_after(attempts: int, *, chance: float, at_least_s: float = 0) -> timedelta | None:
    """How long to wait after so many failed attempts; None when it is enough.

    ``chance`` is a random number from 0 to 1: many deliveries that failed together must not come
    back together. ``at_least_s`` is what the other side asked for, believed up to the longest wait.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    wait = min(_FIRST_S * _FACTOR ** (attempts - 1), _LONGEST_S)
    wait *= 1 - _JITTER + 2 * _JITTER * chance
    return timedelta(seconds=max(wait, min(at_least_s, _LONGEST_S)))
