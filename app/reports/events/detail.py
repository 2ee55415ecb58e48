"""All about one usage event: its lines, how its charge came about, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.metering import store as metering_store
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of
from app.metering.store import EventNotFound
from app.pricing import standing
from app.pricing import store as pricing_store
from app.reports import store as report_store
from app.reports.events import store
from app.reports.events.store import Movement, Names

_TOKEN_KINDS = ("input", "output", "embedding", "rerank")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the arithmetic: what is computed, from what, and the amount; decimal text.

    ``code`` is ``points``, ``tokens`` (``of`` says by which rule), ``per_question``,
    ``multiplied``, ``minimum``, ``allowance`` or ``charge``. ``formula`` may be empty.
    """

    code: str
    formula: str
    amount: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class EventDetail:
    """``costs`` is what the event is charged with all that was made of it since, in nano-units."""

    event: UsageEvent
    names: Names
    lines: tuple[UsageLine, ...]
    are_lines_archived: bool
    steps: tuple[Step, ...]
    movements: tuple[Movement, ...]
    costs: int


def find_event(
    session: Session, reference: str, *, link_ids: frozenset[int] | None = None
) -> EventDetail:
    """The event of that reference.

    Raises:
        EventNotFound: there is none on the links that the asker may see.
    """
    event = metering_store.get_event(session, reference)
    if link_ids is not None and event.link_id not in link_ids:
        raise EventNotFound(f"there is no usage event with the reference {reference!r}")
    lines = metering_store.load_lines(session, {event.id: event.received_at})[event.id]
    booked = pricing_store.load_reratings(session, [reference])[reference]
    moved = store.movements(session, event.id, [one.transaction_id for one in booked])
    is_archived = month_of(event.received_at) in report_store.removed_months(session)
    charged = standing.charged_price(event.price_version_id, event.charge, event.arithmetic)
    is_reversed = any(one.kind == "charge" and _is_reversed(one, moved) for one in moved)
    return EventDetail(
        event=event,
        names=store.names(session, event),
        lines=tuple(lines),
        are_lines_archived=is_archived and not lines,
        steps=tuple(steps(event.arithmetic)),
        movements=tuple(moved),
        costs=0 if is_reversed else standing.standing_price(charged, booked).charge,
    )


def steps(arithmetic: Mapping[str, Any]) -> list[Step]:
    """The arithmetic of a charge, step by step; of an older form, the steps it has."""
    said = {name: str(value) for name, value in arithmetic.items()}
    found = [
        _step("points", "{points} × {per_point}", "points_amount", said),
        *(_token_step(one) for one in arithmetic.get("tokens", ())),
        _step("per_question", "", "per_question", said),
        _step(
            "multiplied", "{subtotal} × {link_multiplier} × {plan_multiplier}", "multiplied", said
        ),
        _step("minimum", "", "minimum", said),
        _step("allowance", "", "allowance_taken", said),
        _step("charge", "{rounded} - {allowance_taken}", "charge", said),
    ]
    return [step for step in found if step is not None and _matters(step)]


def _step(code: str, formula: str, amount: str, said: Mapping[str, str]) -> Step | None:
    try:
        return Step(code, formula.format_map(said), said[amount])
    except KeyError:
        return None


def _token_step(said: Mapping[str, Any]) -> Step:
    parts = [
        f"{said[f'{kind}_tokens']} / 1000 × {said[f'{kind}_per_1k']}"
        for kind in _TOKEN_KINDS
        if f"{kind}_tokens" in said and f"{kind}_per_1k" in said
    ]
    return Step("tokens", " + ".join(parts), str(said.get("amount", "")), str(said.get("pattern")))


def _matters(step: Step) -> bool:
    is_optional = step.code in {"per_question", "minimum", "allowance"}
    return not (is_optional and step.amount == "0")


def _is_reversed(one: Movement, moved: list[Movement]) -> bool:
    return any(other.reverses_id == one.transaction_id for other in moved)
