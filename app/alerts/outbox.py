"""Messages that wait to be sent: written with what they speak of, leased while they are sent.

A message is sent at least once: a worker that dies between sending and writing that down leaves a
lease that ends, and the next one sends the same message under the same id.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.alerts import backoff, bots, payload, store
from app.alerts.conditions import SEVERITIES, Severity
from app.alerts.models import Alert, Delivery, Destination
from app.alerts.quiet import QuietHours
from app.alerts.store import Sent

BOTS = ("wecom", "feishu", "dingtalk")
FOR_PEOPLE = ("email", *BOTS)
"""Several messages to these become one; programs get each."""
DIGEST_MIN = 4
"""From so many messages on that are due to one destination at once."""
CLAIMED_MAX = 16
LEASE = timedelta(minutes=3)
"""Longer than sending as many as are claimed may take."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message to send now, and where; detached from the database."""

    message_id: str
    event: str
    destination: str
    kind: str
    sealed: str
    locale: str
    zone: ZoneInfo
    payload: Mapping[str, Any]
    attempts: int
    """This one included."""


def announce(
    session: Session,
    event: str,
    alert: Alert,
    destinations: Iterable[Destination],
    *,
    now: datetime,
) -> None:
    """Write the messages of one event of an alert, one for each destination that wants it.

    Quiet hours put a message off, unless it is critical. Of an alert that is over, who has not
    heard of it is not told.
    """
    if event == "resolved":
        store.skip_unsent(session, alert.id, now)
        told = store.told_destinations(session, alert.id)
        destinations = [one for one in destinations if one.id in told]
    told_as = payload.of_alert(event, alert, now=now)
    for destination in destinations:
        if event != "resolved" and not _wants(destination, alert):
            continue
        due_at = now if alert.severity == "critical" else _quiet_end(destination, now)
        _write(session, destination, event, told_as, alert_id=alert.id, due_at=due_at, now=now)


def write_test(session: Session, destination: Destination, *, now: datetime) -> Delivery:
    """A message that says that alerts arrive; due now, whatever the hour."""
    body = payload.of_test(destination.name, now=now)
    return _write(session, destination, "test", body, alert_id=None, due_at=now, now=now)


def fold(session: Session, now: datetime) -> int:
    """Make one digest of several messages that are due to the same people; how many it took."""
    folded = 0
    fresh = store.lock_fresh(session, FOR_PEOPLE, now)
    names = {one.id: one for one in store.list_destinations(session)}
    for destination_id, group in groupby(fresh, lambda one: one.destination_id):
        members = list(group)
        if len(members) < DIGEST_MIN:
            continue
        body = payload.of_digest([one.payload for one in members], now=now)
        _write(session, names[destination_id], "digest", body, alert_id=None, due_at=now, now=now)
        for member in members:
            member.status, member.finished_at = "folded", now
        folded += len(members)
    session.flush()
    return folded


def claim(session: Session, *, lease: str, now: datetime) -> list[Parcel]:
    """What is due, leased to the caller; bots get no more than they may say in a minute."""
    spoken = store.count_attempted_since(session, now - timedelta(minutes=1))
    room = {
        one.id: bots.PER_MINUTE - spoken.get(one.id, 0)
        for one in store.list_destinations(session)
        if one.kind in BOTS
    }
    taken = store.lease_due(
        session, room=room, limit=CLAIMED_MAX, lease=lease, lasts=LEASE, now=now
    )
    return [_parcel(delivery, destination) for delivery, destination in taken]


def claim_one(
    session: Session, delivery: Delivery, destination: Destination, *, lease: str, now: datetime
) -> Parcel:
    """The delivery, just written, leased to the caller."""
    store.lease_one(session, delivery.message_id, lease=lease, lasts=LEASE, now=now)
    session.refresh(delivery)
    return _parcel(delivery, destination)


def mark_delivered(session: Session, parcel: Parcel, *, lease: str, now: datetime) -> bool:
    return store.mark(session, parcel.message_id, Sent(None, None), lease=lease, now=now)


def mark_failed(
    session: Session,
    parcel: Parcel,
    error: str,
    *,
    wait: timedelta | None,
    lease: str,
    now: datetime,
) -> bool:
    """Write down that an attempt failed; ``wait`` None: it is dead.

    False when the lease is another's by now: whatever that one says holds.
    """
    next_at = None if wait is None else now + wait
    sent = Sent(error[:500], next_at)
    return store.mark(session, parcel.message_id, sent, lease=lease, now=now)


def wait_after(parcel: Parcel, *, is_final: bool, wait_s: float, chance: float) -> timedelta | None:
    """How long to wait after a failed attempt; None when it is not tried again."""
    if is_final or parcel.event == "test":
        return None
    return backoff.wait_after(parcel.attempts, chance=chance, at_least_s=wait_s)


def waiting(session: Session) -> Mapping[str, int]:
    """How many messages wait to be sent, and how many nobody tries to send any more."""
    counts: defaultdict[str, int] = defaultdict(int)
    for status in (store.PENDING, "dead"):
        counts[status] = store.count_deliveries(session, status)
    return counts


def quiet_hours(destination: Destination) -> QuietHours | None:
    if destination.quiet_from is None or destination.quiet_until is None:
        return None
    return QuietHours(
        time.fromisoformat(destination.quiet_from),
        time.fromisoformat(destination.quiet_until),
        ZoneInfo(destination.time_zone),
    )


def _quiet_end(destination: Destination, now: datetime) -> datetime:
    quiet = quiet_hours(destination)
    return now if quiet is None else quiet.release(now)


def _wants(destination: Destination, alert: Alert) -> bool:
    order: Sequence[Severity | str] = SEVERITIES
    return (
        destination.is_enabled
        and order.index(alert.severity) >= order.index(destination.min_severity)
        and (destination.conditions is None or alert.condition in destination.conditions)
    )


def _write(
    session: Session,
    destination: Destination,
    event: str,
    body: dict[str, Any],
    *,
    alert_id: int | None,
    due_at: datetime,
    now: datetime,
) -> Delivery:
    delivery = Delivery(
        message_id="msg_" + secrets.token_hex(16),
        destination_id=destination.id,
        alert_id=alert_id,
        event=event,
        payload=body,
        status=store.PENDING,
        due_at=due_at,
        attempts=0,
        created_at=now,
    )
    store.add_delivery(session, delivery)
    return delivery


def _parcel(delivery: Delivery, destination: Destination) -> Parcel:
    return Parcel(
        message_id=delivery.message_id,
        event=delivery.event,
        destination=destination.name,
        kind=destination.kind,
        sealed=destination.sealed,
        locale=destination.locale,
        zone=ZoneInfo(destination.time_zone),
        payload=delivery.payload,
        attempts=delivery.attempts,
    )
