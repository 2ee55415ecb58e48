"""What a month's free allowance has left for answers that are priced again. Pure.

The rule and its reasons stand in README.md of this package.
"""

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from app.money import NANO_MAX


@dataclass(frozen=True, slots=True)
class Standing:
    """An answer that is not priced again and was free in part.

    ``taken`` is what it has of the month's allowance, in nano-units; ``allowance`` is what its own
    book gives in a month.
    """

    event_id: int
    taken: int
    allowance: int


class Room:
    """One user's month. Ask and take in the order of the events' ids, which is that of booking."""

    def __init__(self, standing: Sequence[Standing]) -> None:
        """``standing``: in the order of their ids."""
        self._ids = [one.event_id for one in standing]
        self._used = [0, *itertools.accumulate(one.taken for one in standing)]
        # How much may be taken before each of them, so that it and all behind it keep theirs.
        spare = [one.allowance - used for one, used in zip(standing, self._used[1:], strict=True)]
        self._spare = [*itertools.accumulate(reversed(spare), min, initial=NANO_MAX)][::-1]
        self._taken = 0

    def left(self, event_id: int, *, allowance: int) -> int:
        """What an answer may have for free when its book gives ``allowance`` in a month."""
        place = bisect.bisect_left(self._ids, event_id)
        left = min(allowance - self._used[place], self._spare[place]) - self._taken
        return max(left, 0)

    def take(self, amount: int) -> None:
        """An answer has that of it."""
        self._taken += amount
