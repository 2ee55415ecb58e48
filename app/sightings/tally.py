"""Sightings added up, so that a batch of thousands is a few rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from app.sightings.sighting import Sighting

QUARTER = timedelta(minutes=15)
REFUSALS_MAX = 5_000
"""Rows of their own that wait for the database; also how many made-up addresses do."""


class Place(NamedTuple):
    """What calls were to: a link, or a key of which only the database knows the link."""

    link_id: int | None
    key_digest: str | None
    hook: str
    code: str


@dataclass(slots=True)
class Calls:
    """All calls to one place."""

    count: int
    first_at: datetime
    last: Sighting
    generation: str | None
    quarters: dict[datetime, int] = field(default_factory=dict)
    """How many in each quarter of an hour, of refused ones."""

    def add(self, other: "Calls") -> None:
        self.count += other.count
        self.first_at = min(self.first_at, other.first_at)
        if other.last.at >= self.last.at:
            self.last = other.last
            self.generation = other.generation or self.generation
        for quarter, count in other.quarters.items():
            self.quarters[quarter] = self.quarters.get(quarter, 0) + count


class Tally:
    """What waits to be written. Not safe for threads."""

    def __init__(self, *, on_dropped: Callable[[str, int], None]) -> None:
        """``on_dropped`` is told why and how many when too much waits."""
        self._on_dropped = on_dropped
        self._calls: dict[Place, Calls] = {}
        self.refusals: list[Sighting] = []

    @property
    def is_empty(self) -> bool:
        return not self._calls

    @property
    def size(self) -> int:
        """How many calls are in it."""
        return sum(calls.count for calls in self._calls.values())

    @property
    def key_digests(self) -> set[str]:
        """Of the keys whose link is to be looked up."""
        return {place.key_digest for place in self._calls if place.key_digest}

    def add(self, sightings: Iterable[Sighting]) -> None:
        for sighting in sightings:
            self._count(sighting)
            if not sighting.is_refusal or not sighting.is_kept:
                continue
            if len(self.refusals) < REFUSALS_MAX:
                self.refusals.append(sighting)
            else:
                self._on_dropped("waiting", 1)

    def calls(self, links: Mapping[str, int]) -> dict[Place, Calls]:
        """By place; ``links`` are the ids of those that the key digests are of."""
        joined: dict[Place, Calls] = {}
        for place, calls in self._calls.items():
            link_id = place.link_id or links.get(place.key_digest or "")
            resolved = Place(link_id, None, place.hook, place.code)
            if resolved in joined:
                joined[resolved].add(calls)
            else:
                joined[resolved] = Calls(
                    calls.count, calls.first_at, calls.last, calls.generation, dict(calls.quarters)
                )
        return joined

    def _count(self, sighting: Sighting) -> None:
        place = Place(sighting.link_id, sighting.key_digest, sighting.hook, sighting.code)
        quarters = {quarter_of(sighting.at): 1} if sighting.is_refusal else {}
        one = Calls(1, sighting.at, sighting, sighting.generation, quarters)
        known = self._calls.get(place)
        if known is not None:
            known.add(one)
        elif len(self._calls) < REFUSALS_MAX:
            self._calls[place] = one
        else:
            self._on_dropped("waiting", 1)


def quarter_of(at: datetime) -> datetime:
    """When the quarter of an hour began that ``at`` is in."""
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)
