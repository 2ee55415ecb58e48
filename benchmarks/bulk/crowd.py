"""Who asks what and when: days of made-up usage as columns of numbers.

A day is made from the seed and its number alone, so several processes can each make all days and
write other tables of them: that is cheaper than handing rows from one to the other.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
from app.money import NANO

from bulk.clock import ZONE

KINDS = ("chatNode", "datasetSearchNode", "tools", "classifyQuestion")
SEARCH = KINDS.index("datasetSearchNode")
PLANS = 3
PRICE_VERSION = 1
COST_PER_POINT = 3 * NANO // 10
ISSUER = 1
DEPARTMENTS = 40
MODELS_OF_A_LINK = 4
LINES_OF_AN_ANSWER = (1, 1, 2, 2, 3, 4)
BY_HOUR = (1, 1, 1, 1, 1, 1, 2, 4, 8, 12, 12, 10, 8, 9, 12, 12, 11, 9, 7, 7, 6, 5, 3, 2)
"""How busy each hour of the day is, by the clock of the zone."""
HOUR_US = 3_600_000_000
_PREFIX_DIGITS, _RANDOM_DIGITS = 12, 52

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    events: int
    days: int
    users: int
    links: int
    models: int
    seed: int = 1


@dataclass(frozen=True)
class Lines:
    """Usage lines of a day, in the order of their events. ``place`` is the event's in the day."""

    place: Numbers
    position: Numbers
    model: Numbers
    kind: Numbers
    input_tokens: Numbers
    output_tokens: Numbers
    embedding_tokens: Numbers
    points: Numbers
    charge: Numbers


@dataclass(frozen=True)
class Day:
    """Usage events of a day, in the order of time."""

    number: int
    begin_us: int
    """Midnight by the clock of the zone; microseconds since 1970 in UTC."""
    events: int
    """Of the whole load."""
    ids: Numbers
    at_us: Numbers
    """Microseconds since 1970 in UTC."""
    user_id: Numbers
    link_id: Numbers
    running_ms: Numbers
    first_line: Numbers
    """Of each event, its place among the lines."""
    lines: Lines

    def of_events(self, values: Numbers) -> Numbers:
        """What a column of the lines adds up to, event by event."""
        return np.add.reduceat(values, self.first_line)

    @cached_property
    def at(self) -> npt.NDArray[np.datetime64]:
        return self.at_us.view("datetime64[us]")

    @cached_property
    def points(self) -> Numbers:
        return self.of_events(self.lines.points)

    @cached_property
    def charge(self) -> Numbers:
        return self.of_events(self.lines.charge)

    @cached_property
    def fingerprints(self) -> list[str]:
        """Spread over all there can be, but rising: so the index on them grows at its end.

        A new one, which is as random as any, finds an index of the same size and shape.
        """
        random = np.random.default_rng([self.number, 7]).bytes(len(self.ids) * _RANDOM_DIGITS // 2)
        digits = random.hex()
        scale = 16**_PREFIX_DIGITS
        return [
            f"{id_ * scale // (self.events + 1):0{_PREFIX_DIGITS}x}"
            f"{digits[place * _RANDOM_DIGITS : (place + 1) * _RANDOM_DIGITS]}"
            for place, id_ in enumerate(self.ids.tolist())
        ]


class Crowd:
    """Some people ask far more than others; each link has an app and some models of its own."""

    def __init__(self, size: Size, until: datetime) -> None:
        """The last day is the one before ``until``."""
        self.size = size
        first = until.astimezone(ZONE).date() - timedelta(days=size.days)
        self.begin = datetime(first.year, first.month, first.day, tzinfo=ZONE).astimezone(UTC)
        self.models = [f"model-{number:02}" for number in range(size.models)]
        self.apps = [f"app of link {number}" for number in range(1, size.links + 1)]
        rng = np.random.default_rng(size.seed)
        width = min(MODELS_OF_A_LINK, size.models)
        self._of_link = np.array(
            [rng.permutation(size.models)[:width] for _ in range(size.links)], dtype=np.int64
        )
        self._hours = np.array(BY_HOUR) / sum(BY_HOUR)

    def day(self, number: int) -> Day:
        size = self.size
        low = size.events * number // size.days
        ids = np.arange(low, size.events * (number + 1) // size.days, dtype=np.int64) + 1
        rng = np.random.default_rng([size.seed, number])
        count = len(ids)
        # Each hour with its share, and a little later than the one before: whole microseconds.
        offsets = rng.choice(24, count, p=self._hours) * HOUR_US + rng.integers(0, HOUR_US, count)
        begin_us = int((self.begin + timedelta(days=number)).timestamp()) * 1_000_000
        user_id = 1 + (size.users * rng.random(count) ** 2.5).astype(np.int64)
        link_id = 1 + (user_id * 7 + (rng.random(count) ** 3 * 3).astype(np.int64)) % size.links
        counts = rng.choice(np.array(LINES_OF_AN_ANSWER, dtype=np.int64), count)
        return Day(
            number=number,
            begin_us=begin_us,
            events=size.events,
            ids=ids,
            at_us=begin_us + np.sort(offsets),
            user_id=user_id,
            link_id=link_id,
            running_ms=(400 * np.exp(rng.normal(2.2, 0.8, count))).astype(np.int64),
            first_line=np.cumsum(counts) - counts,
            lines=self._lines(rng, link_id, counts),
        )

    def _lines(self, rng: np.random.Generator, link_id: Numbers, counts: Numbers) -> Lines:
        total = int(counts.sum())
        place = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        width = self._of_link.shape[1]
        model = self._of_link[link_id[place] - 1, (rng.random(total) ** 2 * width).astype(np.int64)]
        kind = (rng.random(total) ** 2 * len(KINDS)).astype(np.int64)
        points = rng.integers(1, 4 * NANO, total)
        return Lines(
            place=place,
            position=np.arange(total, dtype=np.int64)
            - np.repeat(np.cumsum(counts) - counts, counts),
            model=model,
            kind=kind,
            input_tokens=rng.integers(100, 9000, total),
            output_tokens=np.where(kind == SEARCH, 0, rng.integers(10, 900, total)),
            embedding_tokens=np.where(kind == SEARCH, rng.integers(10, 400, total), 0),
            points=points,
            charge=points // 2,
        )
