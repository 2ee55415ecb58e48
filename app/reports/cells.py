"""What stands in one place of a report while it is made. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.reports.query import SUMS, Amounts
from app.reports.times import quantile

Sums = dict[str, int]
Place = tuple[int, tuple[Any, ...]]
"""A bucket's number and a group's keys."""


T = TypeVar("T")


def folded(
    fine: Mapping[Place, T], add: Callable[[T, T], T], *, is_grouped: bool, is_whole: bool
) -> dict[Place, T]:
    """What buckets and groups are together: without groups, or the whole period as bucket 0."""
    found: dict[Place, T] = {}
    for (bucket, keys), value in fine.items():
        place = 0 if is_whole else bucket, keys if is_grouped else ()
        found[place] = add(found[place], value) if place in found else value
    return found


@dataclass(frozen=True, slots=True)
class Cell:
    """Sums of a bucket and a group, with what is counted beside them where it was asked for."""

    sums: Sums
    has_questions: bool
    visitors: int | None = None
    corrections: int | None = None
    times: Counter[int] | None = None
    refusals: int | None = None
    unfinished: int | None = None

    def amounts(self) -> Amounts:
        known: dict[str, Any] = dict(self.sums)
        if not self.has_questions:
            known["questions"] = None
        if self.times is not None:
            known |= {"median_ms": quantile(self.times, 50), "p95_ms": quantile(self.times, 95)}
            known["untimed"] = self.sums["questions"] - sum(self.times.values())
        return Amounts(
            **known,
            visitors=self.visitors,
            corrections=self.corrections,
            refusals=self.refusals,
            unfinished=self.unfinished,
        )


EMPTY: Sums = dict.fromkeys(SUMS, 0)
MORE = ("corrections", "refusals", "unfinished")
"""What may be where nothing was used."""


def together(cells: Sequence[Cell]) -> Cell:
    """What the buckets of a period add up to. Visitors do not: who comes twice is one."""
    sums = {name: sum(cell.sums[name] for cell in cells) for name in SUMS}
    times: Counter[int] | None = None
    if cells[0].times is not None:
        times = Counter()
        for cell in cells:
            times.update(cell.times or {})
    more: dict[str, int | None] = {}
    for name in MORE:
        known = [getattr(cell, name) for cell in cells]
        more[name] = None if None in known else sum(known)
    return Cell(sums, cells[0].has_questions, times=times, **more)


@dataclass(frozen=True, slots=True)
class Beside:
    """What is counted beside the sums, by place."""

    visitors: dict[Place, int] = field(default_factory=dict)
    times: dict[Place, Counter[int]] = field(default_factory=dict)
    corrections: dict[Place, int] = field(default_factory=dict)
    seen: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def places(self) -> set[Place]:
        return {*self.corrections, *self.seen}
