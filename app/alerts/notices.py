"""One alert for each thing that is wrong, however often it is seen: opened, told again, over.

An alert opens when its condition is first met, is told again when it gets worse or stays open for
long, and is over when it was not met for ``RESOLVE_AFTER``: what comes and goes is one alert.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.alerts import outbox, store
from app.alerts.conditions import OF_EACH_MACHINE, Condition, Rulebook, Severity
from app.alerts.models import Alert

RESOLVE_AFTER = timedelta(minutes=10)
MACHINE_GONE = timedelta(days=1)
"""What a machine has not said for so long, it will not take back either."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A condition that is met now. ``facts`` are numbers and texts of its message."""

    condition: Condition
    subject: str
    name: str
    """How people call the subject."""
    severity: Severity
    facts: Mapping[str, str | int]
    level: int = 1


@dataclass(frozen=True, slots=True)
class Told:
    """How many alerts were opened, got worse, were told again, and are over."""

    opened: int = 0
    escalated: int = 0
    repeated: int = 0
    resolved: int = 0


def record(
    session: Session,
    observations: Sequence[Observation],
    *,
    watched: Collection[Condition],
    of: str = "",
    rules: Rulebook,
    now: datetime,
) -> Told:
    """Bring the alerts into line with what one look found, and write their messages.

    ``watched`` are the conditions that were looked at, those of each machine for the subject
    ``of``: open alerts about them that were not observed come to their end.
    """
    destinations = store.list_destinations(session)
    is_open = store.load_open(session, watched)
    counts = {"opened": 0, "escalated": 0, "repeated": 0, "resolved": 0}

    def tell(event: str, alert: Alert) -> None:
        counts[event] += 1
        alert.told_at = now
        outbox.announce(session, event, alert, destinations, now=now)

    for seen in observations:
        alert = is_open.pop((seen.condition, seen.subject), None)
        if alert is None:
            opened = store.insert_alert_if_new(session, _row(seen, now))
            if opened is not None:
                tell("opened", opened)
            continue
        event = _update(alert, seen, rules, now)
        session.flush()
        if event is not None:
            tell(event, alert)
    for alert in is_open.values():
        if _is_over(alert, of, now):
            alert.resolved_at, alert.open_key = now, None
            session.flush()
            tell("resolved", alert)
    return Told(**counts)


def _row(seen: Observation, now: datetime) -> dict[str, object]:
    return {
        "condition": seen.condition,
        "subject": seen.subject,
        "subject_name": seen.name,
        "severity": seen.severity,
        "level": seen.level,
        "facts": dict(seen.facts),
        "open_key": f"{seen.condition} {seen.subject}",
        "opened_at": now,
        "last_seen_at": now,
        "told_at": now,
        "resolved_at": None,
    }


def _update(alert: Alert, seen: Observation, rules: Rulebook, now: datetime) -> str | None:
    """Take over what was seen; the event to tell of, if any."""
    is_worse = seen.level > alert.level
    alert.level, alert.severity = seen.level, seen.severity
    alert.subject_name, alert.facts = seen.name, dict(seen.facts)
    alert.last_seen_at = now
    if is_worse:
        return "escalated"
    repeat_after = rules.rule(seen.condition, seen.subject).repeat_after
    return "repeated" if repeat_after and now - alert.told_at >= repeat_after else None


def _is_over(alert: Alert, of: str, now: datetime) -> bool:
    unseen = now - alert.last_seen_at
    if alert.condition in OF_EACH_MACHINE and not _is_of(alert.subject, of):
        return unseen >= MACHINE_GONE
    return unseen >= RESOLVE_AFTER


def _is_of(subject: str, of: str) -> bool:
    return subject == of or subject.startswith(f"{of}/")
