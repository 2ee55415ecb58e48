"""Usage events, lines and transactions to the rows that are added to the sums. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.reports.query import NAME_CHARS_MAX
from app.reports.spans import (
    DAY,
    HOUR,
    MONTH,
    QUARTER,
    day_start,
    hour_of,
    local_day,
    month_start,
    quarter_of,
)
from app.reports.times import bucket_of

Key = tuple[Any, ...]
Name = tuple[str, str]
"""Its kind and the name itself, as ``named`` writes it."""

TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
BASE_SUMS = ("questions", "points", "charge", *TOKENS)
COSTS = ("cost", "costed_points")
EVENT_SUMS = (*BASE_SUMS, *COSTS)
LINE_SUMS = (*EVENT_SUMS, "model_questions", "kind_questions")
LINK_KEY = ("width", "start", "link_id", "app_id")
USER_KEY = ("width", "start", "user_id", "link_id", "app_id")
MODEL_KEY = ("width", "start", "link_id", "app_id", "model_id", "kind_id")
TOTALS_KEY = ("width", "start")
USER_TOTALS_KEY = ("width", "start", "user_id")
MODEL_TOTALS_KEY = ("width", "start", "model_id", "kind_id")
SEGMENT_KEY = ("width", "start", "segment_id", "plan_id", "issuer_id", "link_id", "app_id")
USER_MODELS_KEY = ("width", "start", "user_id", "model_id", "kind_id")
SEGMENT_MODELS_KEY = (
    *("width", "start", "segment_id", "plan_id", "issuer_id"),
    *("model_id", "kind_id"),
)
LINK_TIMES_KEY = ("width", "start", "link_id", "app_id", "bucket")
SEGMENT_TIMES_KEY = ("width", "start", "segment_id", "plan_id", "issuer_id", "bucket")
TIMES = ("answers",)
_NANO = 1_000_000_000
_COST, _COSTED = LINE_SUMS.index("cost"), LINE_SUMS.index("costed_points")


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
    segment_id: int = 0
    plan_id: int = 0
    issuer_id: int = 0
    """Zero: not known."""
    price_version_id: int | None = None
    running_time_ms: int | None = None
    own_tokens: tuple[int, int, int, int] | None = None
    """Taken where the lines are not in the database: in and out, as the event has them."""


def cost_of(points: int, per_point: int) -> int:
    """What points cost, rounded half up; all in nano-units."""
    return (points * per_point + _NANO // 2) // _NANO


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
    """Adds events up.

    ``ids`` are the numbers of their names; ``costs`` what a point cost by each version of the
    prices that says it, in nano-units. Models by user and by segment are those of answers from the
    quarter ``models_from`` on, and there are none for None.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        ids: Mapping[Name, int],
        costs: Mapping[int, int] | None = None,
        *,
        models_from: int | None = None,
    ) -> None:
        self.by_link = Sums(LINK_KEY, EVENT_SUMS)
        self.by_user = Sums(USER_KEY, EVENT_SUMS)
        self.by_model = Sums(MODEL_KEY, LINE_SUMS)
        self.totals = Sums(TOTALS_KEY, EVENT_SUMS)
        self.user_totals = Sums(USER_TOTALS_KEY, EVENT_SUMS)
        self.first_starts: dict[tuple[int, int, int], int] = {}
        """Of a width, its start and a user, the quarter of the first answer."""
        self.model_totals = Sums(MODEL_TOTALS_KEY, LINE_SUMS)
        self.by_segment = Sums(SEGMENT_KEY, EVENT_SUMS)
        self.times_by_link = Sums(LINK_TIMES_KEY, TIMES)
        self.times_by_segment = Sums(SEGMENT_TIMES_KEY, TIMES)
        self.user_models = Sums(USER_MODELS_KEY, LINE_SUMS)
        self.segment_models = Sums(SEGMENT_MODELS_KEY, LINE_SUMS)
        """These two of days alone: their months are made of them."""
        self._zone = zone
        self._ids = ids
        self._costs = costs or {}
        self._models_from = models_from
        self._days: dict[date, tuple[int, int]] = {}

    def add(self, event: Event) -> None:
        app_id = self._ids[named("app", event.app_name)]
        tokens = event.own_tokens or [
            sum(line.tokens[kind] for line in event.lines) for kind in range(len(TOKENS))
        ]
        per_point = self._costs.get(event.price_version_id or 0)
        lines = self._line_sums(event.lines, per_point)
        costs = self._event_costs(event, per_point)
        sums = (1, event.points, event.charge, *tokens, *costs)
        place = (event.link_id, app_id)
        segment = (event.segment_id, event.plan_id, event.issuer_id)
        quarter = quarter_of(event.received_at)
        has_models = self._models_from is not None and quarter >= self._models_from
        self._add_house((HOUR, hour_of(quarter)), sums, lines)
        for width, start in self._spans(quarter):
            self.by_link.add((width, start, *place), sums)
            self.by_user.add((width, start, event.user_id, *place), sums)
            self.by_segment.add((width, start, *segment, *place), sums)
            self._add_house((width, start), sums, lines)
            for (model_id, kind_id), values in lines.items():
                self.by_model.add((width, start, *place, model_id, kind_id), values)
                if width == DAY and has_models:
                    used = (model_id, kind_id)
                    self.user_models.add((width, start, event.user_id, *used), values)
                    self.segment_models.add((width, start, *segment, *used), values)
            if width == QUARTER:
                continue
            who = (width, start, event.user_id)
            self.user_totals.add(who, sums)
            self.first_starts[who] = min(self.first_starts.get(who, quarter), quarter)
            if event.running_time_ms is not None:
                bucket = bucket_of(event.running_time_ms)
                self.times_by_link.add((width, start, *place, bucket), (1,))
                self.times_by_segment.add((width, start, *segment, bucket), (1,))

    def _add_house(
        self,
        span: tuple[int, int],
        sums: Sequence[int],
        lines: Mapping[tuple[int, int], Sequence[int]],
    ) -> None:
        self.totals.add(span, sums)
        for used, values in lines.items():
            self.model_totals.add((*span, *used), values)

    def _spans(self, quarter: int) -> tuple[tuple[int, int], ...]:
        day = local_day(quarter, self._zone)
        if day not in self._days:
            self._days[day] = day_start(day, self._zone), month_start(day, self._zone)
        starts = self._days[day]
        return (QUARTER, quarter), (DAY, starts[0]), (MONTH, starts[1])

    @staticmethod
    def _event_costs(event: Event, per_point: int | None) -> tuple[int, int]:
        """Those of its lines, which are rounded; of the whole where the lines are gone."""
        if per_point is None:
            return 0, 0
        parts = [line.points for line in event.lines] or [event.points]
        return sum(cost_of(points, per_point) for points in parts), event.points

    def _line_sums(
        self, lines: Sequence[Line], per_point: int | None
    ) -> dict[tuple[int, int], list[int]]:
        sums: dict[tuple[int, int], list[int]] = {}
        models: set[int] = set()
        kinds: set[int] = set()
        for line in lines:
            model_id = self._ids[named("model", line.model)]
            kind_id = self._ids[named("node_kind", line.node_kind)]
            values = sums.setdefault((model_id, kind_id), [1, *[0] * (len(LINE_SUMS) - 1)])
            for place, more in enumerate((line.points, line.charge, *line.tokens), 1):
                values[place] += more
            if per_point is not None:
                values[_COST] += cost_of(line.points, per_point)
                values[_COSTED] += line.points
            values[-2] += model_id not in models
            values[-1] += kind_id not in kinds
            models.add(model_id)
            kinds.add(kind_id)
        return sums
