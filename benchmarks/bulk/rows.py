"""Days of usage as columns of the tables: events and lines."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from app.money import NANO
from app.reports.rollup.fold import named
from app.reports.spans import QUARTER_S

from bulk.crowd import DEPARTMENTS, KINDS, PLANS, PRICE_VERSION, Crowd, Day, Numbers

Columns = Mapping[str, Any]
"""Of each column its values: an array of numpy or pyarrow, or a list. All are equally long."""
Batch = tuple[str, Columns]
"""Rows for a table."""

BODY_BYTES = 4000
WARNED_EVERY = 500
QUESTIONS_OF_A_CHAT = 4
QUARTER_US = QUARTER_S * 1_000_000
_ARITHMETIC = json.dumps(
    {
        "currency": "CNY",
        "points": "%(points)s",
        "per_point": "0.5",
        "points_amount": "%(charge)s",
        "tokens": [],
        "per_question": "0",
        "subtotal": "%(charge)s",
        "link_multiplier": "1",
        "plan_multiplier": "1",
        "multiplied": "%(charge)s",
        "minimum": "0",
        "rounded": "%(charge)s",
        "allowance_left": "0",
        "allowance_taken": "0",
        "charge": "%(charge)s",
        "unpriced": [],
    }
)
_WARNED = json.dumps({"inclusion_guessed:agent": 1})


class Names:
    """The numbers of models, node kinds and apps, as ``usage_names`` has them."""

    def __init__(self, crowd: Crowd) -> None:
        self.all = [
            *(named("model", model) for model in crowd.models),
            *(named("node_kind", kind) for kind in KINDS),
            *(named("app", app) for app in crowd.apps),
        ]
        self.first_model = 1
        self.first_kind = self.first_model + len(crowd.models)
        self.first_app = self.first_kind + len(KINDS)

    def app_of(self, link_id: Numbers) -> Numbers:
        return self.first_app + link_id - 1


def always(value: object, count: int) -> pa.Array:
    return pa.nulls(count) if value is None else pa.repeat(pa.scalar(value), count)


def event_rows(crowd: Crowd, day: Day) -> Iterator[Batch]:
    count = len(day.ids)
    ids, prints = day.ids.tolist(), day.fingerprints
    links = pa.array(crowd.apps).take(pa.array(day.link_id - 1))
    chats = (
        day.user_id * 1_000_003 + day.number * 7 + day.at_us // (QUARTER_US * QUESTIONS_OF_A_CHAT)
    )
    warned = [_WARNED if id_ % WARNED_EVERY == 0 else "{}" for id_ in ids]
    yield (
        "usage_events",
        {
            "id": day.ids,
            "reference": [f"B{id_}" for id_ in ids],
            "idempotency_key": [f"{digest}:1" for digest in prints],
            "fingerprint": prints,
            "link_id": day.link_id,
            "user_id": day.user_id,
            "plan_id": plan_of(day.user_id),
            "price_version_id": np.full(count, PRICE_VERSION),
            "received_at": day.at,
            "app_name": links,
            "chat_id": [f"chat-{chat:016x}" for chat in chats.tolist()],
            "generation": always("G5", count),
            "billed_by": always("token", count),
            "points": day.points,
            "charge": day.charge,
            "input_tokens": day.of_events(day.lines.input_tokens),
            "output_tokens": day.of_events(day.lines.output_tokens),
            "node_count": np.diff(np.append(day.first_line, len(day.lines.place))),
            "running_time_ms": day.running_ms,
            "body_bytes": np.full(count, BODY_BYTES),
            "warnings": warned,
            "arithmetic": _arithmetic(day),
            "segment_id": segment_of(day.user_id),
        },
    )


def line_rows(crowd: Crowd, day: Day) -> Iterator[Batch]:
    lines = day.lines
    count = len(lines.place)
    yield (
        "usage_lines",
        {
            "event_id": day.ids[lines.place],
            "position": lines.position,
            "received_month": _months(day)[lines.place],
            "model": pa.array(crowd.models).take(pa.array(lines.model)),
            "node_kind": pa.array(KINDS).take(pa.array(lines.kind)),
            "input_tokens": lines.input_tokens,
            "output_tokens": lines.output_tokens,
            "embedding_tokens": lines.embedding_tokens,
            "rerank_tokens": np.zeros(count, np.int64),
            "points": lines.points,
            "charge": lines.charge,
            "is_covered": np.zeros(count, bool),
        },
    )


def plan_of(user_id: Numbers) -> Numbers:
    return 1 + user_id % PLANS


def segment_of(user_id: Numbers) -> Numbers:
    """A segment for each department."""
    return 1 + user_id % DEPARTMENTS


def _months(day: Day) -> Numbers:
    """The month (UTC) of each event, as ``month_of`` tells it."""
    months = day.at.astype("datetime64[M]").astype(np.int64)
    return (1970 + months // 12) * 100 + months % 12 + 1


def _arithmetic(day: Day) -> list[str]:
    both = zip(day.points.tolist(), day.charge.tolist(), strict=True)
    return [
        _ARITHMETIC % {"points": _decimal(points), "charge": _decimal(charge)}
        for points, charge in both
    ]


def _decimal(nano: int) -> str:
    return f"{nano // NANO}.{nano % NANO:09}"
