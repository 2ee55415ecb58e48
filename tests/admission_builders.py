"""Asks, settlements, books and gates for tests of admission."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from app.admission.gate import Answered, Ask, Gate, Periods, Seeds, Settlement
from app.admission.wire import epoch_us
from app.config import Settings
from app.limits import GuestLimits, LinkLimits, VisitorLimits

UNIT = 10**9


def make_settings(namespace: str, **sections: dict[str, Any]) -> Settings:
    """Defaults but for a Redis that may answer late: tests share two processors."""
    redis = {"namespace": namespace, "timeout_ms": 2000} | sections.pop("redis", {})
    return Settings.model_validate({"redis": redis, **sections})


def make_gate(url: str, namespace: str, *, on_event=lambda _: None, **sections) -> Gate:
    gate = Gate(make_settings(namespace, **sections), url=url, on_event=on_event)
    gate.announce(1)
    return gate


def make_ask(**changes: Any) -> Ask:
    ask = Ask(
        ticket=uuid.uuid4().hex,
        user_id=7,
        link_id=3,
        plan_id=2,
        is_guest=False,
        visitor=VisitorLimits(),
        link=LinkLimits(),
        guests=None,
        credit_limit=None,
        is_free=False,
        revision=1,
        now=datetime.now(UTC),
    )
    return replace(ask, **changes)


def make_guest(user_id: int = 7, **changes: Any) -> Ask:
    return make_ask(**{"user_id": user_id, "is_guest": True, "guests": GuestLimits(), **changes})


def expire(gate: Gate, *asks: Ask) -> None:
    """As if the time of these open tickets had just run out."""
    names, just_now = gate._redis._names, epoch_us(datetime.now(UTC)) - 1
    for ask in asks:
        for key in (*names._tickets(ask.user_id, ask.link_id)[::2], names._due):
            gate._redis._scripts.ask(
                lambda client, key=key, ask=ask: client.zadd(key, {ask.ticket: just_now}, xx=True)
            )


def make_settlement(**changes: Any) -> Settlement:
    settlement = Settlement(
        user_id=7,
        link_id=3,
        plan_id=2,
        is_guest=False,
        settle_key=uuid.uuid4().hex,
        points=UNIT,
        charge=UNIT,
        balance=0,
        version=1,
        now=datetime.now(UTC),
    )
    return replace(settlement, **changes)


def make_answered(**changes: Any) -> Answered:
    answered = Answered(user_id=7, link_id=3, reference=uuid.uuid4().hex, now=datetime.now(UTC))
    return replace(answered, **changes)


@dataclass
class Books:
    """What the ledger would say; remembers what it was asked for."""

    seeds: Seeds = field(
        default_factory=lambda: Seeds(
            version=1,
            balance=0,
            day_questions=0,
            day_points=0,
            month_points=0,
            link_total_points=0,
            link_month_points=0,
            guests_day_questions=0,
            guests_day_points=0,
        )
    )
    asked: list[frozenset[str]] = field(default_factory=list)

    def say(self, **values: int) -> None:
        self.seeds = replace(self.seeds, **values)

    def __call__(self, periods: Periods) -> Seeds:
        self.asked.append(periods.wanted)
        return self.seeds
