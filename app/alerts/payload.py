"""The JSON that webhooks are sent, and what all other messages are made of; see docs/alerts.md.

Members may be added. Whatever is changed or taken away gets another ``VERSION``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.alerts import texts
from app.alerts.models import Alert

VERSION = 1


def of_alert(event: str, alert: Alert, *, now: datetime) -> dict[str, Any]:
    described = describe(alert)
    said = {locale: texts.summary(described, locale) for locale in texts.LOCALES}
    return _enveloped(event, {"alert": {**described, "summary": said}}, now)


def of_digest(payloads: Sequence[Mapping[str, Any]], *, now: datetime) -> dict[str, Any]:
    events = [{"type": one["type"], "alert": one["data"]["alert"]} for one in payloads]
    return _enveloped("digest", {"events": events}, now)


def of_test(destination: str, *, now: datetime) -> dict[str, Any]:
    return _enveloped("test", {"destination": destination}, now)


def describe(alert: Alert) -> dict[str, Any]:
    """The alert as JSON."""
    return {
        "id": alert.id,
        "condition": alert.condition,
        "severity": alert.severity,
        "status": "open" if alert.resolved_at is None else "resolved",
        "subject": {"id": alert.subject, "name": alert.subject_name},
        "level": alert.level,
        "facts": alert.facts,
        "opened_at": _iso(alert.opened_at),
        "last_seen_at": _iso(alert.last_seen_at),
        "resolved_at": None if alert.resolved_at is None else _iso(alert.resolved_at),
    }


def _enveloped(event: str, data: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "type": f"alert.{event}",
        "version": VERSION,
        "timestamp": _iso(now),
        "data": data,
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
