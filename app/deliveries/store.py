"""Every SQL statement on destinations of files, deliveries and attempts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.deliveries.models import Delivery, DeliveryAttempt, FileDestination
from app.errors import NotFound
from app.upserts import insert_ignoring

PENDING, DELIVERED, DEAD, GIVEN_UP = "pending", "delivered", "dead", "given_up"
STATUSES = (PENDING, DELIVERED, DEAD, GIVEN_UP)
_ID_MAX = 2**63 - 1


class DestinationNotFound(NotFound):
    """There is no such destination."""

    code = "file_destination_not_found"


class DeliveryNotFound(NotFound):
    """There is no such delivery, or no longer."""

    code = "file_delivery_not_found"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an attempt. ``next_at`` is when to try again; None: never."""

    error: str | None = None
    place: str | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """A destination with ``count`` deliveries that are tried no more; why the newest of them."""

    id: int
    name: str
    count: int
    error: str


def list_destinations(session: Session) -> Sequence[FileDestination]:
    """All destinations, by name: there are few."""
    return session.scalars(sa.select(FileDestination).order_by(FileDestination.name)).all()


def get_destination(session: Session, destination_id: int) -> FileDestination:
    """The destination.

    Raises:
        DestinationNotFound: there is none.
    """
    found = session.get(FileDestination, destination_id) if 0 < destination_id <= _ID_MAX else None
    if found is None:
        raise DestinationNotFound(f"there is no destination {destination_id}")
    return found


def get_destination_named(session: Session, name: str) -> FileDestination:
    """The destination.

    Raises:
        DestinationNotFound: there is none.
    """
    found = session.scalar(sa.select(FileDestination).where(FileDestination.name == name))
    if found is None:
        raise DestinationNotFound(
            f"there is no destination {name!r}; `shareauth destinations list` shows them"
        )
    return found


def insert_destination_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when a destination of that name exists."""
    return insert_ignoring(FileDestination, session, [row]) == 1


def delete_destination(session: Session, destination: FileDestination) -> None:
    """Remove it with all its deliveries."""
    its = sa.select(Delivery.id).where(Delivery.destination_id == destination.id)
    session.execute(sa.delete(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(its)))
    session.execute(sa.delete(Delivery).where(Delivery.destination_id == destination.id))
    session.delete(destination)
    session.flush()


def wake(session: Session, destination_id: int, now: datetime) -> None:
    """Have what waits for a destination be due from now on: it was switched off."""
    session.execute(
        sa.update(Delivery)
        .where(
            Delivery.destination_id == destination_id,
            Delivery.status == PENDING,
            Delivery.due_at < now,
        )
        .values(due_at=now)
    )


def insert_delivery_if_new(session: Session, row: dict[str, object]) -> Delivery:
    """The delivery of this key to this destination, new or not."""
    insert_ignoring(Delivery, session, [row])
    found = session.scalars(
        sa.select(Delivery).where(
            Delivery.destination_id == row["destination_id"], Delivery.key == row["key"]
        )
    )
    return found.one()


def get_delivery(session: Session, delivery_id: int) -> Delivery:
    """The delivery.

    Raises:
        DeliveryNotFound: there is none, or it was pruned.
    """
    found = session.get(Delivery, delivery_id) if 0 < delivery_id <= _ID_MAX else None
    if found is None:
        raise DeliveryNotFound(
            f"there is no delivery {delivery_id}; `shareauth deliveries list` shows them"
        )
    return found


def lock_delivery(session: Session, delivery_id: int) -> Delivery:
    """The delivery as it is now, nobody else's to change until the transaction ends.

    Raises:
        DeliveryNotFound: there is none, or it was pruned.
    """
    session.execute(
        sa.select(Delivery.id).where(Delivery.id == min(delivery_id, _ID_MAX)).with_for_update()
    )
    return get_delivery(session, delivery_id)


def list_deliveries(
    session: Session,
    *,
    destination_id: int | None = None,
    status: str | None = None,
    key_prefix: str | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[Delivery]:
    """Deliveries that match, newest first, those with an id below ``before_id``."""
    statement = sa.select(Delivery).order_by(Delivery.id.desc()).limit(limit)
    if destination_id is not None:
        statement = statement.where(Delivery.destination_id == destination_id)
    if status is not None:
        statement = statement.where(Delivery.status == status)
    if key_prefix is not None:
        statement = statement.where(Delivery.key.startswith(key_prefix, autoescape=True))
    if before_id is not None:
        statement = statement.where(Delivery.id < before_id)
    return session.scalars(statement).all()


def list_by_ids(session: Session, ids: Collection[int]) -> Sequence[Delivery]:
    return session.scalars(
        sa.select(Delivery).where(Delivery.id.in_(sorted(ids))).order_by(Delivery.id)
    ).all()


def list_by_keys(session: Session, keys: Collection[str]) -> Sequence[Delivery]:
    """The deliveries of the same files, one for each destination, newest first."""
    ids = session.scalars(sa.select(FileDestination.id)).all()  # few, and the index begins so
    if not ids or not keys:
        return []
    wanted = sa.select(Delivery).where(
        Delivery.destination_id.in_(ids), Delivery.key.in_(sorted(keys))
    )
    return session.scalars(wanted.order_by(Delivery.id.desc())).all()


def list_attempts(
    session: Session, delivery_id: int, limit: int = 100
) -> Sequence[DeliveryAttempt]:
    """The last attempts at a delivery, newest first."""
    return session.scalars(
        sa.select(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id == delivery_id)
        .order_by(DeliveryAttempt.id.desc())
        .limit(limit)
    ).all()


def count_by_status(session: Session) -> dict[str, int]:
    rows = session.execute(sa.select(Delivery.status, sa.func.count()).group_by(Delivery.status))
    return {status: int(count) for status, count in rows}


def count_dead(session: Session) -> list[Dead]:
    """Destinations that are switched on, with the deliveries to them that are tried no more."""
    newest = (
        sa.select(Delivery.destination_id, sa.func.count().label("n"), sa.func.max(Delivery.id))
        .where(Delivery.status == DEAD)
        .group_by(Delivery.destination_id)
    )
    found = session.execute(newest).all()
    errors = {one.id: one.error for one in list_by_ids(session, {row[2] for row in found})}
    names = {one.id: one.name for one in list_destinations(session) if one.is_enabled}
    return [
        Dead(row[0], names[row[0]], int(row[1]), errors.get(row[2]) or "")
        for row in found
        if row[0] in names
    ]


def has_due(session: Session, home: str, now: datetime) -> bool:
    found = (
        sa.select(Delivery.id)
        .join(FileDestination, FileDestination.id == Delivery.destination_id)
        .where(*_due(home, now), FileDestination.is_enabled)
    )
    return session.scalar(found.limit(1)) is not None


def lease_next(
    session: Session,
    home: str,
    *,
    lease: str,
    lasts: timedelta,
    now: datetime,
    only: Collection[int] | None = None,
) -> tuple[Delivery, FileDestination] | None:
    """Take the right to send what is due longest, of this home; an attempt begins with it.

    What the attempt before left open was cut off: its worker is taken for dead.
    """
    statement = (
        sa.select(Delivery, FileDestination)
        .join(FileDestination, FileDestination.id == Delivery.destination_id)
        .where(*_due(home, now), FileDestination.is_enabled)
        .order_by(Delivery.due_at, Delivery.id)
        .limit(1)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    if only is not None:
        statement = statement.where(Delivery.id.in_(sorted(only)))
    found = session.execute(statement).first()
    if found is None:
        return None
    delivery, destination = found
    delivery.lease, delivery.leased_until = lease, now + lasts
    delivery.attempts += 1
    session.execute(
        sa.update(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id == delivery.id, DeliveryAttempt.outcome.is_(None))
        .values(outcome="interrupted", ended_at=now)
    )
    session.add(DeliveryAttempt(delivery_id=delivery.id, lease=lease, began_at=now))
    session.flush()
    return delivery, destination


def prolong(session: Session, delivery_id: int, *, lease: str, until: datetime) -> bool:
    """Whether it is still the lease's holder's to send."""
    done = session.execute(
        sa.update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.lease == lease)
        .values(leased_until=until)
    )
    return int(getattr(done, "rowcount", 0)) == 1


def mark(session: Session, delivery_id: int, sent: Sent, *, lease: str, now: datetime) -> bool:
    """Write down what became of an attempt; False when the delivery is another's by now."""
    is_done = sent.error is None
    status = DELIVERED if is_done else DEAD if sent.next_at is None else PENDING
    values: dict[str, object] = {
        "status": status,
        "error": sent.error,
        "lease": None,
        "leased_until": None,
        "finished_at": None if status == PENDING else now,
    }
    if sent.place is not None:
        values["place"] = sent.place
    if sent.next_at is not None:
        values["due_at"] = sent.next_at
    session.execute(
        sa.update(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id == delivery_id, DeliveryAttempt.lease == lease)
        .values(outcome="delivered" if is_done else "failed", error=sent.error, ended_at=now)
    )
    marked = session.execute(
        sa.update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.lease == lease)
        .values(**values)
    )
    return int(getattr(marked, "rowcount", 0)) == 1


def bury_homeless(session: Session, *, due_before: datetime, error: str, now: datetime) -> int:
    """Give up what no worker with its files has taken up for so long."""
    buried = session.execute(
        sa.update(Delivery)
        .where(
            Delivery.status == PENDING,
            Delivery.due_at < due_before,
            sa.or_(Delivery.leased_until.is_(None), Delivery.leased_until < due_before),
            Delivery.destination_id.in_(
                sa.select(FileDestination.id).where(FileDestination.is_enabled)
            ),
        )
        .values(status=DEAD, error=error, finished_at=now)
    )
    return int(getattr(buried, "rowcount", 0))


def prune(session: Session, *, before: datetime) -> int:
    """Forget deliveries that were over before then, with their attempts."""
    over = sa.select(Delivery.id).where(Delivery.finished_at < before)
    session.execute(sa.delete(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(over)))
    pruned = session.execute(sa.delete(Delivery).where(Delivery.finished_at < before))
    return int(getattr(pruned, "rowcount", 0))


def _due(home: str, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Delivery.home == home,
        Delivery.status == PENDING,
        Delivery.due_at <= now,
        sa.or_(Delivery.leased_until.is_(None), Delivery.leased_until <= now),
    )
