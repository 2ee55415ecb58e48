"""Usage events, lines and transactions to the rows that are added to the sums. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.reports.spans import DAY, MONTH, QUARTER, day_start, local_day, month_start, quarter_of

NAME_CHARS_MAX = 120

Key = tuple[Any, ...]
Name = tuple[str, str]
"""Its kind and the name itself, as ``named`` writes it."""

TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
EVENT_SUMS = ("questions", "points", "charge", *TOKENS)
LINE_SUMS = (*EVENT_SUMS, "model_questions", "kind_questions")
LINK_KEY = ("width", "start", "link_id", "app_id")
USER_KEY = ("width", "start", "user_id", "link_id", "app_id")
MODEL_KEY = ("width", "start", "link_id", "app_id", "model_id", "kind_id")


@dataclass(frozen=True, slots=True)
class Line:
    model: str
    node_kind: str
    points: int
    charge: int
    tokens: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Event:
    """What of a usage event is added up; ``lines`` in the order of the answer."""

    id: int
    received_at: datetime
    user_id: int
    link_id: int
    app_name: str | None
    points: int
    charge: int
    lines: Sequence[Line]


def named(kind: str, name: str | None) -> Name:
    """The name as it is kept: none is the empty one, and a very long one is cut."""
    return kind, (name or "")[:NAME_CHARS_MAX]


def names_of(events: Iterable[Event]) -> set[Name]:
    """All names that the sums of these events need."""
    names: set[Name] = set()
    for event in events:
        names.add(named("app", event.app_name))
        for line in event.lines:
            names |= {named("model", line.model), named("node_kind", line.node_kind)}
    return names


class Sums:
    """Sums by key, for one table."""

    def __init__(self, key: Sequence[str], columns: Sequence[str]) -> None:
        self.key, self.columns = list(key), list(columns)
        self._sums: dict[Key, list[int]] = {}

    def add(self, key: Key, values: Sequence[int]) -> None:
        sums = self._sums.get(key)
        if sums is None:
            self._sums[key] = list(values)
        else:
            self._sums[key] = [one + more for one, more in zip(sums, values, strict=True)]

    def rows(self) -> list[dict[str, Any]]:
        """In the order of their keys, so that they are written where the last ones were."""
        names = (*self.key, *self.columns)
        in_order = sorted(self._sums.items())
        return [dict(zip(names, (*key, *sums), strict=True)) for key, sums in in_order]


class Fold:
    """Adds events up. ``ids`` are the numbers of their names."""

    def __init__(self, zone: ZoneInfo, ids: Mapping[Name, int]) -> None:
        self.by_link = Sums(LINK_KEY, EVENT_SUMS)
        self.by_user = Sums(USER_KEY, EVENT_SUMS)
        self.by_model = Sums(MODEL_KEY, LINE_SUMS)
        self._zone = zone
        self._ids = ids
        self._days: dict[date, tuple[int, int]] = {}

    def add(self, event: Event) -> None:
        app_id = self._ids[named("app", event.app_name)]
        tokens = [sum(line.tokens[kind] for line in event.lines) for kind in range(len(TOKENS))]
        sums = (1, event.points, event.charge, *tokens)
        lines = self._line_sums(event.lines)
        for width, start in self._spans(event.received_at):
            self.by_link.add((width, start, event.link_id, app_id), sums)
            self.by_user.add((width, start, event.user_id, event.link_id, app_id), sums)
            for (model_id, kind_id), values in lines.items():
                self.by_model.add((width, start, event.link_id, app_id, model_id, kind_id), values)

    def _spans(self, at: datetime) -> tuple[tuple[int, int], ...]:
        quarter = quarter_of(at)
        day = local_day(quarter, self._zone)
        if day not in self._days:
            self._days[day] = day_start(day, self._zone), month_start(day, self._zone)
        starts = self._days[day]
        return (QUARTER, quarter), (DAY, starts[0]), (MONTH, starts[1])

    def _line_sums(self, lines: Sequence[Line]) -> dict[tuple[int, int], list[int]]:
        sums: dict[tuple[int, int], list[int]] = {}
        models: set[int] = set()
        kinds: set[int] = set()
        for line in lines:
            model_id = self._ids[named("model", line.model)]
            kind_id = self._ids[named("node_kind", line.node_kind)]
            values = sums.setdefault((model_id, kind_id), [1, 0, 0, 0, 0, 0, 0, 0, 0])
            for place, more in enumerate((line.points, line.charge, *line.tokens), 1):
                values[place] += more
            values[-2] += model_id not in models
            values[-1] += kind_id not in kinds
            models.add(model_id)
            kinds.add(kind_id)
        return sums
