"""Where alerts go, as the API and the pages show and change it."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.admin import versions
from app.admin.desk import Desk
from app.admin.paging import Page
from app.alarms import sending
from app.alarms.delivering import Post, send_test
from app.alerts import destination_commands as commands
from app.alerts import store
from app.alerts.destination_commands import (
    OVERLAP_MAX_S,
    DestinationChange,
    DestinationSpec,
    Kind,
)
from app.alerts.models import Destination

_DAY_S = 86400


class DestinationOut(BaseModel):
    """Where alerts go. The whole address and the secrets are sealed and never shown again."""

    id: int
    name: str
    kind: Kind
    is_enabled: bool
    address: str = Field(description="The host of a URL, or the addresses of an e-mail.")
    locale: str
    min_severity: str
    conditions: list[str] | None = Field(description="Only these; null: all.")
    quiet_from: str | None
    quiet_until: str | None
    time_zone: str
    created_at: datetime

    @classmethod
    def of(cls, one: Destination) -> Self:
        return cls(id=one.id, created_at=one.created_at, **commands.describe(one))


class DestinationPage(Page[DestinationOut]):
    """Destinations, by name."""


class AddedOut(BaseModel):
    """A new destination."""

    destination: DestinationOut
    secret: str | None = Field(
        description="Of a webhook: what its receiver verifies signatures with. Shown this once."
    )


class RotateIn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_MAX_S)] = _DAY_S
    """How long the old secret signs beside the new one."""


class SecretOut(BaseModel):
    """A new secret, shown this once."""

    secret: str


class VerdictOut(BaseModel):
    """What became of a test message."""

    status: Literal["delivered", "refused"]
    error: str | None = Field(description="Why it was not taken.")


def index(desk: Desk) -> DestinationPage:
    """There are few: all of them are one page."""
    with desk.db.read() as session:
        return DestinationPage(
            items=[DestinationOut.of(one) for one in store.list_destinations(session)]
        )


def show(desk: Desk, destination_id: int) -> DestinationOut:
    with desk.db.read() as session:
        return _shown(store.get_destination_by_id(session, destination_id))


def add(desk: Desk, spec: DestinationSpec) -> AddedOut:
    with desk.db.begin() as session:
        added = commands.add(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now)
        return AddedOut(destination=_shown(added.destination), secret=added.secret)


def update(desk: Desk, destination_id: int, change: DestinationChange) -> DestinationOut:
    with desk.db.begin() as session:
        found = store.get_destination_by_id(session, destination_id)
        versions.check(commands.describe(found))
        commands.update(session, found, change, keys=desk.keys, actor=desk.actor, now=desk.now)
        return _shown(found)


def rotate_secret(desk: Desk, destination_id: int, wanted: RotateIn) -> SecretOut:
    with desk.db.begin() as session:
        secret = commands.rotate_secret(
            session,
            store.get_destination_by_id(session, destination_id),
            overlap_s=wanted.overlap_s,
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
        )
    return SecretOut(secret=secret)


def remove(desk: Desk, destination_id: int) -> str:
    """The name of what is no longer there."""
    with desk.db.begin() as session:
        found = store.get_destination_by_id(session, destination_id)
        name = found.name
        commands.remove(session, found, actor=desk.actor, now=desk.now)
    return name


def test(desk: Desk, destination_id: int) -> VerdictOut:
    """Send a test message now, within the seconds its bounds allow."""
    with desk.db.read() as session:
        name = store.get_destination_by_id(session, destination_id).name
    post = Post(
        db=desk.db,
        send=sending.build(desk.settings, desk.keys),
        clock=lambda: datetime.now(UTC),
        on_sent=lambda _kind, _outcome: None,
    )
    verdict = send_test(post, name)
    status: Literal["delivered", "refused"] = "delivered" if verdict.error is None else "refused"
    return VerdictOut(status=status, error=verdict.error)


def _shown(destination: Destination) -> DestinationOut:
    versions.show(commands.describe(destination))
    return DestinationOut.of(destination)
