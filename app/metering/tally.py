"""Warnings: what was odd about a finish, counted by code, so that nothing fails and nothing hides.

The codes and what each means stand in this package's README.
"""

from collections import Counter
from collections.abc import Mapping

DETAILS_MAX = 20
"""Distinct details kept per code: a body cannot fill a column with names it makes up."""
OTHER = "(other)"


class Tally:
    """Counts warnings while a body is read. A detail is stored text: scrub it first."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._details: dict[str, set[str]] = {}

    def add(self, code: str, detail: str | None = None, times: int = 1) -> None:
        if detail is not None:
            seen = self._details.setdefault(code, set())
            if detail not in seen and len(seen) >= DETAILS_MAX:
                detail = OTHER
            seen.add(detail)
            code = f"{code}:{detail}"
        self._counts[code] += times

    def counts(self) -> dict[str, int]:
        """``{code or code:detail: how often}``, sorted; empty when all was understood."""
        return dict(sorted(self._counts.items()))


def merge(*warnings: Mapping[str, int]) -> dict[str, int]:
    """Warnings of several steps as one, counts added."""
    total: Counter[str] = Counter()
    for counts in warnings:
        total.update(counts)
    return dict(sorted(total.items()))
