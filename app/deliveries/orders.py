"""Files that are to go somewhere: asked for once, sent until they are there or given up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app import disk
from app.audit import journal
from app.audit.journal import Actor
from app.deliveries import store
from app.deliveries.models import Delivery, DeliveryAttempt
from app.errors import Conflict, Invalid

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_NAME = re.compile(r"[\w][\w .()+=@-]{0,199}")


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """A file on this machine, and what it is called where it goes."""

    path: Path
    name: str
    media_type: str
    sha256: str
    size: int

    @classmethod
    def of(cls, path: Path, media_type: str, name: str | None = None) -> "DeliveredFile":
        """The file as it lies there now."""
        return cls(path, name or path.name, media_type, disk.sha256(path), path.stat().st_size)

    def told(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {
            "name": self.name,
            "media_type": self.media_type,
            "size": self.size,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class Order:
    """What to deliver.

    With the same ``key`` (letters, digits, dots, dashes, underscores) to the same destination it is
    the same delivery. Names of files stay the same, too: a second run overwrites the first one.
    """

    key: str
    subject: str
    files: Sequence[DeliveredFile]
    manifest: Mapping[str, Any]
    asked_by: str
    summary: str = ""
    """For the body of mail."""
    summary_html: str = ""
    is_again: bool = False
    """Send it again if it was sent before."""


def deliver(
    session: Session, destination_id: int, order: Order, *, home: str, now: datetime
) -> Delivery:
    """Ask for a delivery; a worker that has the files' directory (``home``) sends it.

    Asked twice it is one delivery. The files must stay where they are until it is over.

    Raises:
        DestinationNotFound: there is no such destination.
        Invalid: a name or the key cannot be (``delivery_invalid``).
    """
    destination = store.get_destination(session, destination_id)
    _check(order)
    fresh = {
        "subject": order.subject,
        "summary": order.summary,
        "summary_html": order.summary_html,
        "manifest": dict(order.manifest),
        "files": [{**one.told(), "path": str(one.path.absolute())} for one in order.files],
        "home": home,
    }
    row = {
        "destination_id": destination.id,
        "key": order.key,
        **fresh,
        "asked_by": order.asked_by,
        "status": store.PENDING,
        "due_at": now,
        "attempts": 0,
        "created_at": now,
    }
    delivery = store.insert_delivery_if_new(session, row)
    if order.is_again:
        for name, value in fresh.items():
            setattr(delivery, name, value)
        _renew(delivery, now)
        session.flush()
    return delivery


def retry(session: Session, delivery_id: int, *, actor: Actor, now: datetime) -> Delivery:
    """Send it now, as if it had never been tried: also what was delivered, under the same name.

    Raises:
        DeliveryNotFound: there is no such delivery.
        Conflict: somebody is sending it at this moment (``delivery_under_way``).
    """
    delivery = store.lock_delivery(session, delivery_id)
    before = _state(delivery)
    if delivery.leased_until is not None and delivery.leased_until > now:
        raise Conflict("it is being sent at this moment", code="delivery_under_way")
    _renew(delivery, now)
    _record(session, "retry", delivery, before, actor=actor, now=now)
    return delivery


def give_up(session: Session, delivery_id: int, *, actor: Actor, now: datetime) -> Delivery:
    """Try it no more. What an attempt under way brings there stays there.

    Raises:
        DeliveryNotFound: there is no such delivery.
        Conflict: it does not wait (``delivery_not_waiting``).
    """
    delivery = store.lock_delivery(session, delivery_id)
    before = _state(delivery)
    if delivery.status != store.PENDING:
        raise Conflict("only what waits can be given up", code="delivery_not_waiting")
    delivery.status, delivery.finished_at = store.GIVEN_UP, now
    delivery.lease = delivery.leased_until = None
    _record(session, "give_up", delivery, before, actor=actor, now=now)
    return delivery


def files_of(delivery: Delivery) -> tuple[DeliveredFile, ...]:
    return tuple(
        DeliveredFile(Path(one["path"]), one["name"], one["media_type"], one["sha256"], one["size"])
        for one in delivery.files
    )


def describe(delivery: Delivery) -> dict[str, Any]:
    """The delivery as JSON, without what its mail says."""
    return {
        "id": delivery.id,
        "destination_id": delivery.destination_id,
        "key": delivery.key,
        "subject": delivery.subject,
        "status": delivery.status,
        "files": [
            {name: value for name, value in one.items() if name != "path"} for one in delivery.files
        ],
        "manifest": delivery.manifest,
        "asked_by": delivery.asked_by,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at.isoformat(),
        "due_at": delivery.due_at.isoformat(),
        "finished_at": None if delivery.finished_at is None else delivery.finished_at.isoformat(),
        "error": delivery.error,
        "place": delivery.place,
    }


def describe_attempt(attempt: DeliveryAttempt) -> dict[str, Any]:
    return {
        "began_at": attempt.began_at.isoformat(),
        "ended_at": None if attempt.ended_at is None else attempt.ended_at.isoformat(),
        "outcome": attempt.outcome,
        "error": attempt.error,
    }


def _check(order: Order) -> None:
    if not KEY.fullmatch(order.key):
        raise Invalid(f"{order.key!r} cannot be the key of a delivery", code="delivery_invalid")
    names = [one.name for one in order.files]
    for name in names:
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name!r} cannot be the name of a file", code="delivery_invalid")
    if len(set(names)) != len(names) or manifest_name(order.key) in names:
        raise Invalid("two files of a delivery have the same name", code="delivery_invalid")


def manifest_name(key: str) -> str:
    return f"{key}.manifest.json"


def _renew(delivery: Delivery, now: datetime) -> None:
    delivery.status, delivery.attempts, delivery.due_at = store.PENDING, 0, now
    delivery.finished_at = delivery.error = delivery.lease = delivery.leased_until = None


def _state(delivery: Delivery) -> dict[str, Any]:
    return {"status": delivery.status, "attempts": delivery.attempts}


def _record(
    session: Session,
    verb: str,
    delivery: Delivery,
    before: dict[str, Any],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    session.flush()
    journal.record(
        session,
        actor=actor,
        action=f"deliveries.{verb}",
        subject=("delivery", delivery.id),
        now=now,
        change=(before, _state(delivery)),
    )
