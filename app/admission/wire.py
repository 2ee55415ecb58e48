"""Asks, answers and settlements as the scripts read them: JSON with integers only. Pure.

A limit that does not exist is left out. See the headers of the scripts for the names.
"""

import json
from dataclasses import asdict
from datetime import datetime

from app.admission.micro import ceil_micro, floor_micro, points_micro
from app.admission.periods import Periods
from app.admission.question import Answered, Ask, Seeds, Settlement
from app.admission.rules import (
    CLOCKS_DIFFER_S,
    ESTIMATE_TTL_S,
    REVISION_TTL_S,
    WATCHED_MAX,
    Rules,
    rate_of,
)
from app.errors import Unavailable
from app.limits import GuestLimits, LinkLimits, VisitorLimits, count_or_none


def epoch_us(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


def ask_json(
    ask: Ask, periods: Periods, rules: Rules, seeds: Seeds | None, *, takes_old_seeds: bool
) -> str:
    values: dict[str, object | None] = {
        "ticket": ask.ticket,
        "user": str(ask.user_id),
        "link": str(ask.link_id),
        "plan": str(ask.plan_id or 0),
        "is_guest": ask.is_guest,
        "expects_finish": ask.expects_finish,
        "watched_max": WATCHED_MAX,
        "revision": ask.revision,
        "revision_ms": REVISION_TTL_S * 1000,
        "day_starts_us": epoch_us(periods.day.starts_at),
        "day_ends_us": epoch_us(periods.day.ends_at),
        "month_starts_us": epoch_us(periods.month.starts_at),
        "month_ends_us": epoch_us(periods.month.ends_at),
        "ttl_us": rules.ticket_ttl_s * 1_000_000,
        "reload_ms": rules.reload_s * 1000,
        "charging": _charging(ask),
        "credit": floor_micro(ask.credit_limit or 0),
        "needs_all": rules.needs_all,
        "first_hold": rules.first_hold,
        "first_points": rules.first_points,
        **_visitor(ask.visitor),
        **_link(ask.link),
        **_guests(ask.guests if ask.is_guest else None),
        "seeds": _seeds(seeds, periods),
        "takes_old_seeds": takes_old_seeds or None,
    }
    return _dump(values)


def settlement_json(settlement: Settlement, rules: Rules) -> str:
    return _dump(
        {
            "key": settlement.settle_key,
            "user": str(settlement.user_id),
            "link": str(settlement.link_id),
            "late_max": WATCHED_MAX,
            "is_guest": settlement.is_guest,
            "received_us": epoch_us(settlement.now),
            "early_us": CLOCKS_DIFFER_S * 1_000_000,
            "has_waited": settlement.has_waited,
            "points": ceil_micro(settlement.points),
            "charge": ceil_micro(settlement.charge),
            "balance": floor_micro(settlement.balance),
            "version": settlement.version,
            "reload_ms": rules.reload_s * 1000,
            "remember_ms": _remember_ms(rules),
            "estimate_ms": ESTIMATE_TTL_S * 1000,
        }
    )


def answered_json(answered: Answered, rules: Rules) -> str:
    return _dump(
        {
            "link": str(answered.link_id),
            "received_us": epoch_us(answered.now),
            "early_us": CLOCKS_DIFFER_S * 1_000_000,
            "remember_ms": _remember_ms(rules),
        }
    )


def _remember_ms(rules: Rules) -> int:
    """A repeat must be recognized for as long as anything loaded before it may live."""
    return (max(rules.ticket_ttl_s, rules.reload_s) + CLOCKS_DIFFER_S) * 1000


def _charging(ask: Ask) -> str:
    if ask.is_free:
        return "free"
    return "endless" if ask.credit_limit is None else "limited"


def _visitor(limits: VisitorLimits) -> dict[str, object | None]:
    return {
        "visitor_rate": _rate(limits),
        "visitor_open": count_or_none(limits.open_questions),
        "visitor_day_questions": count_or_none(limits.questions_per_day),
        "visitor_day_points": points_micro(limits.points_per_day),
        "visitor_month_points": points_micro(limits.points_per_month),
    }


def _link(limits: LinkLimits) -> dict[str, object | None]:
    return {
        "link_rate": _rate(limits),
        "link_open": count_or_none(limits.open_questions),
        "link_month_points": points_micro(limits.points_per_month),
        "link_total_points": points_micro(limits.points_total),
    }


def _guests(limits: GuestLimits | None) -> dict[str, object | None]:
    if limits is None:
        return {}
    return {
        "guests_rate": _rate(limits),
        "guests_open": count_or_none(limits.open_questions),
        "guests_day_questions": count_or_none(limits.questions_per_day),
        "guests_day_points": points_micro(limits.points_per_day),
    }


def _rate(limits: VisitorLimits | LinkLimits | GuestLimits) -> dict[str, int] | None:
    rate = rate_of(limits.questions_per_minute, limits.burst)
    return None if rate is None else asdict(rate)


def _seeds(seeds: Seeds | None, periods: Periods) -> dict[str, int] | None:
    if seeds is None:
        return None
    values = {"version": seeds.version}
    for name in periods.wanted:
        value: int | None = getattr(seeds, name)
        if value is None:
            raise Unavailable(f"the books did not say {name}, which the gate asked for")
        if name.endswith("questions"):
            values[name] = value
        else:
            values[name] = floor_micro(value) if name == "balance" else ceil_micro(value)
    return values


def _dump(values: dict[str, object | None]) -> str:
    present = {name: value for name, value in values.items() if value is not None}
    return json.dumps(present, separators=(",", ":"))
