"""Every SQL statement on alerts, their rules, destinations and deliveries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.alerts.models import Alert, AlertRule, Delivery, Destination
from app.errors import NotFound
from app.upserts import insert_ignoring

PENDING = "pending"
_ID_MAX = 2**63 - 1
FOLDED_AT_ONCE = 200
"""Messages that one digest may replace."""


class DestinationNotFound(NotFound):
    """No destination has this name."""

    code = "destination_not_found"


class DeliveryNotFound(NotFound):
    """No delivery has this id."""

    code = "delivery_not_found"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an attempt. ``next_at`` is when to try again; None: never."""

    error: str | None
    next_at: datetime | None


def list_rules(session: Session) -> Sequence[AlertRule]:
    return session.scalars(sa.select(AlertRule).order_by(AlertRule.id)).all()


def find_rule(session: Session, condition: str, subject: str) -> AlertRule | None:
    return session.scalar(
        sa.select(AlertRule).where(AlertRule.condition == condition, AlertRule.subject == subject)
    )


def delete_rule(session: Session, rule: AlertRule) -> None:
    session.delete(rule)
    session.flush()


def load_open(session: Session, conditions: Collection[str]) -> dict[tuple[str, str], Alert]:
    """Open alerts of these conditions, by condition and subject; no other may change them now."""
    found = session.scalars(
        sa.select(Alert)
        .where(Alert.open_key.is_not(None), Alert.condition.in_(sorted(conditions)))
        .order_by(Alert.id)
        .with_for_update()
    )
    return {(alert.condition, alert.subject): alert for alert in found}


def has_open(session: Session, conditions: Collection[str]) -> bool:
    """Whether any alert of these conditions is open."""
    found = sa.select(Alert.id).where(
        Alert.open_key.is_not(None), Alert.condition.in_(sorted(conditions))
    )
    return session.scalar(found.limit(1)) is not None


def insert_alert_if_new(session: Session, row: dict[str, object]) -> Alert | None:
    """The new alert; None when another one of the same key was opened meanwhile."""
    if not insert_ignoring(Alert, session, [row]):
        return None
    return session.scalar(sa.select(Alert).where(Alert.open_key == row["open_key"]))


def get_alert(session: Session, alert_id: int) -> Alert:
    """The alert.

    Raises:
        NotFound: there is none (``alert_not_found``).
    """
    alert = session.get(Alert, alert_id) if alert_id <= _ID_MAX else None
    if alert is None:
        raise NotFound(f"there is no alert {alert_id}", code="alert_not_found")
    return alert


def list_alerts(
    session: Session,
    *,
    with_resolved: bool = False,
    with_open: bool = True,
    condition: str | None = None,
    severity: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[Alert]:
    """Alerts that match, newest first, those with an id below ``before_id``."""
    statement = sa.select(Alert).order_by(Alert.id.desc()).limit(limit)
    if not with_resolved:
        statement = statement.where(Alert.open_key.is_not(None))
    if not with_open:
        statement = statement.where(Alert.open_key.is_(None))
    if severity is not None:
        statement = statement.where(Alert.severity == severity)
    if condition is not None:
        statement = statement.where(Alert.condition == condition)
    if before_id is not None:
        statement = statement.where(Alert.id < before_id)
    return session.scalars(statement).all()


def count_open(session: Session) -> dict[tuple[str, str], int]:
    """Open alerts by condition and severity."""
    rows = session.execute(
        sa.select(Alert.condition, Alert.severity, sa.func.count())
        .where(Alert.open_key.is_not(None))
        .group_by(Alert.condition, Alert.severity)
    )
    return {(condition, severity): int(count) for condition, severity, count in rows}


def list_destinations(session: Session) -> Sequence[Destination]:
    """All destinations, by name."""
    return session.scalars(sa.select(Destination).order_by(Destination.name)).all()


def get_destination(session: Session, name: str) -> Destination:
    """The destination of that name.

    Raises:
        DestinationNotFound: there is none.
    """
    found = session.scalar(sa.select(Destination).where(Destination.name == name))
    if found is None:
        raise DestinationNotFound(
            f"there is no destination named {name!r}; `shareauth alerts destinations list` shows "
            "them"
        )
    return found


def get_destination_by_id(session: Session, destination_id: int) -> Destination:
    """The destination of that id.

    Raises:
        DestinationNotFound: there is none.
    """
    found = session.get(Destination, destination_id) if destination_id <= _ID_MAX else None
    if found is None:
        raise DestinationNotFound(f"there is no destination {destination_id}")
    return found


def insert_destination_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when a destination of that name exists."""
    return insert_ignoring(Destination, session, [row]) == 1


def delete_destination(session: Session, destination: Destination) -> None:
    """Remove it with all its deliveries."""
    session.execute(sa.delete(Delivery).where(Delivery.destination_id == destination.id))
    session.delete(destination)
    session.flush()


def add_delivery(session: Session, delivery: Delivery) -> None:
    session.add(delivery)
    session.flush()


def skip_unsent(session: Session, alert_id: int, now: datetime) -> None:
    """Drop what was never tried of an alert."""
    session.execute(
        sa.update(Delivery)
        .where(
            Delivery.alert_id == alert_id,
            Delivery.status == PENDING,
            Delivery.attempts == 0,
        )
        .values(status="skipped", finished_at=now)
    )


def told_destinations(session: Session, alert_id: int) -> set[int]:
    """Destinations that were told of an alert, or will be."""
    found = session.scalars(
        sa.select(Delivery.destination_id).where(
            Delivery.alert_id == alert_id, Delivery.status != "skipped"
        )
    )
    return set(found)


def lock_fresh(session: Session, kinds: Collection[str], now: datetime) -> Sequence[Delivery]:
    """Messages about alerts that are due and were never tried, to destinations of these kinds."""
    return session.scalars(
        sa.select(Delivery)
        .join(Destination, Destination.id == Delivery.destination_id)
        .where(
            Delivery.status == PENDING,
            Delivery.attempts == 0,
            Delivery.due_at <= now,
            Delivery.alert_id.is_not(None),
            Destination.kind.in_(sorted(kinds)),
            Destination.is_enabled,
        )
        .order_by(Delivery.destination_id, Delivery.id)
        .limit(FOLDED_AT_ONCE)
        .with_for_update(of=Delivery, skip_locked=True)
    ).all()


def has_due(session: Session, now: datetime) -> bool:
    """Whether any message waits to be sent now."""
    found = sa.select(Delivery.id).where(Delivery.status == PENDING, Delivery.due_at <= now)
    return session.scalar(found.limit(1)) is not None


def count_attempted_since(session: Session, since: datetime) -> dict[int, int]:
    """Deliveries that were tried from then on, by destination."""
    rows = session.execute(
        sa.select(Delivery.destination_id, sa.func.count())
        .where(Delivery.attempted_at >= since)
        .group_by(Delivery.destination_id)
    )
    return {destination_id: int(count) for destination_id, count in rows}


def lease_due(
    session: Session,
    *,
    room: Mapping[int, int],
    limit: int,
    lease: str,
    lasts: timedelta,
    now: datetime,
) -> list[tuple[Delivery, Destination]]:
    """Take the right to send what is due and nobody is sending, the oldest first.

    ``room`` is how many more each destination may have now; one that is not named has no limit. An
    attempt is counted when it begins, so that one that kills its worker is counted, too.
    """
    is_free = sa.or_(Delivery.leased_until.is_(None), Delivery.leased_until <= now)
    full = [destination_id for destination_id, left in room.items() if left <= 0]
    rows = session.execute(
        sa.select(Delivery, Destination)
        .join(Destination, Destination.id == Delivery.destination_id)
        .where(
            Delivery.status == PENDING,
            Delivery.due_at <= now,
            is_free,
            Destination.is_enabled,
            Delivery.destination_id.not_in(full),
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
    ).all()
    left = dict(room)
    taken = []
    for delivery, destination in rows:
        if left.get(destination.id, limit) <= 0:
            continue
        left[destination.id] = left.get(destination.id, limit) - 1
        delivery.lease, delivery.leased_until = lease, now + lasts
        delivery.attempts, delivery.attempted_at = delivery.attempts + 1, now
        taken.append((delivery, destination))
    session.flush()
    return taken


def lease_one(
    session: Session, message_id: str, *, lease: str, lasts: timedelta, now: datetime
) -> None:
    session.execute(
        sa.update(Delivery)
        .where(Delivery.message_id == message_id)
        .values(
            lease=lease,
            leased_until=now + lasts,
            attempts=Delivery.attempts + 1,
            attempted_at=now,
        )
    )


def mark(session: Session, message_id: str, sent: Sent, *, lease: str, now: datetime) -> bool:
    """Write down what became of an attempt; False when the lease is another's by now."""
    done = sent.error is None
    status = "delivered" if done else "dead" if sent.next_at is None else PENDING
    values: dict[str, object] = {
        "status": status,
        "error": sent.error,
        "lease": None,
        "leased_until": None,
        "finished_at": None if status == PENDING else now,
    }
    if sent.next_at is not None:
        values["due_at"] = sent.next_at
    marked = session.execute(
        sa.update(Delivery)
        .where(Delivery.message_id == message_id, Delivery.lease == lease)
        .values(**values)
    )
    return int(getattr(marked, "rowcount", 0)) == 1


def get_delivery(session: Session, delivery_id: int) -> Delivery:
    """The delivery.

    Raises:
        DeliveryNotFound: there is none, or it was pruned.
    """
    delivery = session.get(Delivery, delivery_id) if delivery_id <= _ID_MAX else None
    if delivery is None:
        raise DeliveryNotFound(
            f"there is no delivery {delivery_id}; `shareauth alerts deliveries` shows them"
        )
    return delivery


def list_deliveries(
    session: Session,
    *,
    destination_id: int | None = None,
    status: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[Delivery]:
    """Deliveries that match, newest first, those with an id below ``before_id``."""
    statement = sa.select(Delivery).order_by(Delivery.id.desc()).limit(limit)
    if destination_id is not None:
        statement = statement.where(Delivery.destination_id == destination_id)
    if status is not None:
        statement = statement.where(Delivery.status == status)
    if before_id is not None:
        statement = statement.where(Delivery.id < before_id)
    return session.scalars(statement).all()


def count_deliveries(session: Session, status: str) -> int:
    counted = sa.select(sa.func.count()).select_from(Delivery).where(Delivery.status == status)
    return session.scalar(counted) or 0


def prune(session: Session, *, before: datetime) -> tuple[int, int]:
    """Forget deliveries done and alerts over before then; how many of each."""
    done = sa.delete(Delivery).where(Delivery.finished_at < before)
    pruned = int(getattr(session.execute(done), "rowcount", 0))
    spoken_of = sa.exists().where(Delivery.alert_id == Alert.id)
    over = sa.delete(Alert).where(Alert.resolved_at < before, ~spoken_of)
    return pruned, int(getattr(session.execute(over), "rowcount", 0))
