"""Where finished files go, as the API and the pages show and change it."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.admin import versions
from app.admin.desk import Desk
from app.admin.paging import Page
from app.alerts.destination_commands import OVERLAP_MAX_S
from app.deliveries import destination_commands as commands
from app.deliveries import sending, store
from app.deliveries.destination_commands import DestinationChange, DestinationSpec, Kind
from app.deliveries.models import FileDestination
from app.errors import ServiceError
from app.schedules import commands as schedule_commands

_DAY_S = 86400


class FileDestinationOut(BaseModel):
    """Where files go. Whole URLs and secrets are sealed and never shown again."""

    id: int
    name: str
    kind: Kind
    is_enabled: bool
    locale: str = Field(description="Language of its mail.")
    address: str = Field(description="In one line, without what is secret.")
    path: str | None = None
    endpoint: str | None = None
    region: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    host: str | None = None
    recipients: list[str] | None = None
    created_at: datetime

    @classmethod
    def of(cls, one: FileDestination) -> Self:
        return cls(id=one.id, created_at=one.created_at, **commands.describe(one))


class FileDestinationPage(Page[FileDestinationOut]):
    """Destinations, by name."""


class FileDestinationAdded(BaseModel):
    """A new destination."""

    destination: FileDestinationOut
    secret: str | None = Field(
        description="Of a webhook: what its receiver verifies signatures with. Shown this once."
    )


class SecretOverlap(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap_s: Annotated[int, Field(ge=0, le=OVERLAP_MAX_S)] = _DAY_S
    """How long the old secret signs beside the new one."""


class FileSecretOut(BaseModel):
    """A new secret, shown this once."""

    secret: str


class ProbeOut(BaseModel):
    """What became of a test."""

    status: Literal["taken", "refused"]
    said: str = Field(description="What was done, or what is wrong, in one sentence.")


def index(desk: Desk) -> FileDestinationPage:
    """There are few: all of them are one page."""
    with desk.db.read() as session:
        found = store.list_destinations(session)
        return FileDestinationPage(items=[FileDestinationOut.of(one) for one in found])


def show(desk: Desk, destination_id: int) -> FileDestinationOut:
    with desk.db.read() as session:
        return _shown(store.get_destination(session, destination_id))


def add(desk: Desk, spec: DestinationSpec) -> FileDestinationAdded:
    with desk.db.begin() as session:
        added = commands.add(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now)
        return FileDestinationAdded(destination=_shown(added.destination), secret=added.secret)


def update(desk: Desk, destination_id: int, change: DestinationChange) -> FileDestinationOut:
    with desk.db.begin() as session:
        found = store.get_destination(session, destination_id)
        versions.check(commands.describe(found))
        commands.update(session, found, change, keys=desk.keys, actor=desk.actor, now=desk.now)
        return _shown(found)


def rotate_secret(desk: Desk, destination_id: int, wanted: SecretOverlap) -> FileSecretOut:
    with desk.db.begin() as session:
        secret = commands.rotate_secret(
            session,
            store.get_destination(session, destination_id),
            overlap_s=wanted.overlap_s,
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
        )
    return FileSecretOut(secret=secret)


def remove(desk: Desk, destination_id: int) -> str:
    """The name of what is no longer there."""
    with desk.db.begin() as session:
        found = store.get_destination(session, destination_id)
        name = found.name
        schedule_commands.remove_destination(session, found, actor=desk.actor, now=desk.now)
    return name


def probe(desk: Desk, destination_id: int) -> ProbeOut:
    """Leave a small thing there and take it away again."""
    with desk.db.read() as session:
        found = store.get_destination(session, destination_id)
    try:
        said = sending.probe(sending.ways(desk.settings), found, desk.keys, desk.now)
    except ServiceError as problem:
        return ProbeOut(status="refused", said=problem.message)
    return ProbeOut(status="taken", said=said)


def _shown(destination: FileDestination) -> FileDestinationOut:
    versions.show(commands.describe(destination))
    return FileDestinationOut.of(destination)
