"""The sums that reports are made of, and those that limits count from.

A test holds them against what the service makes of the same events.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from app.money import NANO
from app.reports.rollup.fold import (
    EVENT_SUMS,
    LINE_SUMS,
    LINK_KEY,
    LINK_TIMES_KEY,
    MODEL_KEY,
    SEGMENT_KEY,
    SEGMENT_MODELS_KEY,
    SEGMENT_TIMES_KEY,
    USER_KEY,
    USER_MODELS_KEY,
)
from app.reports.spans import DAY, MONTH, QUARTER, local_day, month_start
from app.reports.times import bucket_of

from bulk.clock import ZONE
from bulk.crowd import COST_PER_POINT, ISSUER, Crowd, Day, Numbers
from bulk.rows import QUARTER_US, Batch, Columns, Names, plan_of, segment_of

Made = tuple[str, pa.Table]
"""Rows of a table, in the order of their keys."""

USERS_AT_ONCE = 2000
_KEYS = {
    *(*LINK_KEY, *USER_KEY, *MODEL_KEY, *SEGMENT_KEY),
    *(*LINK_TIMES_KEY, *SEGMENT_TIMES_KEY),
    *(*USER_MODELS_KEY, *SEGMENT_MODELS_KEY),
}
_DAY_SUMS = ("questions", "points", "charge", "input_tokens", "output_tokens")


class SumsOf:
    """Sums of the days that were added. Those of days and months come when all days are there.

    So each table is written in the order of its key: quarters, days, months.
    """

    def __init__(self, crowd: Crowd) -> None:
        self._names = Names(crowd)
        self._users = crowd.size.users
        self._days: defaultdict[str, list[tuple[int, pa.Table]]] = defaultdict(list)
        self._asked: defaultdict[tuple[str, int], list[pa.Table]] = defaultdict(list)
        """By table and month."""

    def rows(self, day: Day) -> Iterator[Batch]:
        for name, table in (*_event_sums(self._names, day), _line_sums(self._names, day)):
            yield name, _columns(table)
            self._keep(name, day, table)
        for name, table in _times(self._names, day):  # which are not kept of quarters
            self._keep(name, day, table)
        yield from self._keep_asked(day)

    def _keep_asked(self, day: Day) -> Iterator[Batch]:
        """Models by whom, which are of days; of a month that is over only its sums are kept."""
        start = int(day.begin_us // QUARTER_US)
        month = month_start(local_day(start, ZONE), ZONE)
        for (_, other), tables in self._asked.items():
            if other != month and len(tables) > 1:
                tables[:] = [_widened(pa.concat_tables(tables), MONTH, other)]
        for name, table in _asked(self._names, day):
            of_day = _widened(table, DAY, start)
            yield name, _columns(of_day)
            self._asked[name, month].append(of_day)

    def _keep(self, name: str, day: Day, table: pa.Table) -> None:
        # By the clock of the zone: a day of it is a day of ours.
        start = int(day.begin_us // QUARTER_US)
        self._days[name].append((start, _widened(table, DAY, start)))

    def wider_rows(self) -> Iterator[Batch]:
        for name, days in self._days.items():
            for _, table in days:
                yield name, _columns(table)
            months: defaultdict[int, list[pa.Table]] = defaultdict(list)
            for start, table in days:
                months[month_start(local_day(start, ZONE), ZONE)].append(table)
            for start, tables in months.items():
                yield name, _columns(_widened(pa.concat_tables(tables), MONTH, start))
        for (name, start), tables in self._asked.items():
            yield name, _columns(_widened(pa.concat_tables(tables), MONTH, start))

    def day_rows(self) -> Iterator[Batch]:
        """``usage_days``, in the order of its key: user after user."""
        days = self._days["usage_by_user"]
        for low in range(1, self._users + 1, USERS_AT_ONCE):
            parts = [_of_users(table, low, low + USERS_AT_ONCE) for _, table in days]
            part = _grouped(pa.concat_tables(parts), ["user_id", "start", "link_id"])
            starts = part["start"].to_numpy()
            yield (
                "usage_days",
                {
                    "user_id": part["user_id"].to_numpy(),
                    "day": _dates(starts),
                    "link_id": part["link_id"].to_numpy(),
                    "is_guest": np.zeros(len(part), bool),
                }
                | {name: part[name].to_numpy() for name in _DAY_SUMS},
            )


def _of_users(table: pa.Table, low: int, high: int) -> pa.Table:
    who = table["user_id"]
    mine = table.filter(pc.and_(pc.greater_equal(who, low), pc.less(who, high)))
    return mine.select(["user_id", "start", "link_id", *_DAY_SUMS])


def _dates(starts: Numbers) -> list[str]:
    known: dict[int, date] = {int(one): local_day(int(one), ZONE) for one in np.unique(starts)}
    return [known[one].isoformat() for one in starts.tolist()]


def _event_sums(names: Names, day: Day) -> Iterator[Made]:
    lines = day.lines
    sums = (
        np.ones(len(day.ids), np.int64),
        day.points,
        day.charge,
        day.of_events(lines.input_tokens),
        day.of_events(lines.output_tokens),
        day.of_events(lines.embedding_tokens),
        np.zeros(len(day.ids), np.int64),
        day.of_events(_cost(lines.points)),
        day.points,
    )
    added = dict(zip(EVENT_SUMS, sums, strict=True))
    when = _when(day.at_us)
    where = {"link_id": day.link_id, "app_id": names.app_of(day.link_id)}
    yield "usage_by_link", _added(when | where, added)
    yield "usage_by_user", _added(when | {"user_id": day.user_id} | where, added)
    yield "usage_by_segment", _added(when | _segments(day) | where, added)


def _times(names: Names, day: Day) -> Iterator[Made]:
    took, place = np.unique(day.running_ms, return_inverse=True)
    buckets = np.array([bucket_of(ms) for ms in took.tolist()], np.int64)[place]
    counted = {"answers": np.ones(len(day.ids), np.int64)}
    key = _when(day.at_us), {"bucket": buckets}
    where = {"link_id": day.link_id, "app_id": names.app_of(day.link_id)}
    yield "usage_times_by_link", _added(key[0] | where | key[1], counted)
    yield "usage_times_by_segment", _added(key[0] | _segments(day) | key[1], counted)


def _segments(day: Day) -> dict[str, Numbers]:
    return {
        "segment_id": segment_of(day.user_id),
        "plan_id": plan_of(day.user_id),
        "issuer_id": np.full(len(day.ids), ISSUER),
    }


def _cost(points: Numbers) -> Numbers:
    """As ``fold.cost_of``."""
    return (points * COST_PER_POINT + NANO // 2) // NANO


def _line_sums(names: Names, day: Day) -> Made:
    of = day.lines.place
    where = {"link_id": day.link_id[of], "app_id": names.app_of(day.link_id[of])}
    key = _when(day.at_us[of]) | where | _models(names, day)
    return "usage_by_model", _added(key, _of_lines(day))


def _asked(names: Names, day: Day) -> Iterator[Made]:
    of = day.lines.place
    when, models, sums = _when(day.at_us[of]), _models(names, day), _of_lines(day)
    segments = {name: values[of] for name, values in _segments(day).items()}
    yield "usage_user_models", _added(when | {"user_id": day.user_id[of]} | models, sums)
    yield "usage_segment_models", _added(when | segments | models, sums)


def _models(names: Names, day: Day) -> dict[str, Numbers]:
    lines = day.lines
    return {"model_id": names.first_model + lines.model, "kind_id": names.first_kind + lines.kind}


def _of_lines(day: Day) -> dict[str, Numbers]:
    lines, of = day.lines, day.lines.place
    sums = (
        _first_of(of, lines.model, lines.kind),
        lines.points,
        lines.charge,
        lines.input_tokens,
        lines.output_tokens,
        lines.embedding_tokens,
        np.zeros(len(of), np.int64),
        _cost(lines.points),
        lines.points,
        _first_of(of, lines.model),
        _first_of(of, lines.kind),
    )
    return dict(zip(LINE_SUMS, sums, strict=True))


def _when(at_us: Numbers) -> dict[str, Numbers]:
    return {"width": np.full(len(at_us), QUARTER), "start": at_us // QUARTER_US}


def _first_of(*keys: Numbers) -> Numbers:
    """One where that combination of keys is there for the first time, zero where it is again."""
    packed = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        packed = packed * 4096 + key
    first = np.zeros(len(packed), np.int64)
    first[np.unique(packed, return_index=True)[1]] = 1
    return first


def _added(key: Mapping[str, Numbers], sums: Mapping[str, Numbers]) -> pa.Table:
    return _grouped(pa.table({**key, **sums}), list(key))


def _grouped(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """Rows of each key with the sums of all other columns, in the order of the keys."""
    others = [name for name in table.column_names if name not in key]
    added = table.group_by(list(key), use_threads=False).aggregate([(o, "sum") for o in others])
    added = added.rename_columns({f"{name}_sum": name for name in others})
    return added.sort_by([(name, "ascending") for name in key])


def _widened(table: pa.Table, width: int, start: int) -> pa.Table:
    """The rows of a span as those of one wider span, which begins with that quarter."""
    count = len(table)
    wider = {"width": np.full(count, width), "start": np.full(count, start)}
    for name, values in wider.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values))
    key = [name for name in table.column_names if name in _KEYS]
    return _grouped(table, key)


def _columns(table: pa.Table) -> Columns:
    return {name: table[name].to_numpy() for name in table.column_names}
