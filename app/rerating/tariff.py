"""Which prices an answer is to be priced by again."""

import bisect
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from app.money import to_nano
from app.pricing import store
from app.pricing.book import DEFAULT_BOOK, PriceBook
from app.pricing.models import PriceVersion

IN_FORCE: Literal["in-force"] = "in-force"
"""The version that is in force, as the versions are now, at the time an answer was received."""

Target = int | Literal["in-force"]


class Tariff:
    """One version for all answers, or for each the one in force at its time."""

    def __init__(self, versions: Sequence[PriceVersion], target: Target) -> None:
        ordered = sorted(versions, key=lambda one: (one.effective_at, one.id))
        self._target = target
        self._begins = [one.effective_at for one in ordered]
        self._ids: list[int | None] = [None, *(one.id for one in ordered)]
        self._books: dict[int | None, PriceBook] = {None: DEFAULT_BOOK}
        self._books |= {one.id: store.book_of(one) for one in ordered}

    def at(self, received_at: datetime) -> tuple[int | None, PriceBook]:
        """The version for an answer of that time, and its book; None is the built-in book."""
        version: int | None
        if self._target == IN_FORCE:
            # Of two that take effect at one moment the later published wins, as in the store.
            version = self._ids[bisect.bisect_right(self._begins, received_at)]
        else:
            version = self._target
        return version, self._books[version]

    def allowance_of(self, version: int | None) -> int:
        """What that version gives for free in a month, in nano-units."""
        return to_nano(self._books[version].monthly_allowance)

    @property
    def gives_allowances(self) -> bool:
        """Whether any answer may be free by a month's allowance."""
        used = self._ids if self._target == IN_FORCE else [self._target]
        return any(self.allowance_of(version) for version in used)


def load(session: Session, target: Target) -> Tariff:
    """The tariff of that target.

    Raises:
        PriceVersionNotFound: there is no such version.
    """
    if target != IN_FORCE:
        store.get(session, target)
    return Tariff(store.list_all(session), target)
