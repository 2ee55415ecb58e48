"""Files on their way, and what became of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Number
from app.admin.paging import Page, PageQuery
from app.deliveries import orders, store
from app.deliveries.models import Delivery, DeliveryAttempt

DeliveryState = Literal["pending", "delivered", "dead", "given_up"]


class FileOut(BaseModel):
    """A file that is delivered."""

    name: str
    media_type: str
    size: int
    sha256: str


class FileDeliveryOut(BaseModel):
    """Some files with their manifest on the way to one destination."""

    id: int
    destination_id: int
    destination: str
    key: str = Field(description="The same files to the same destination have the same.")
    subject: str
    status: DeliveryState
    files: list[FileOut]
    manifest: dict[str, Any]
    asked_by: str
    attempts: int
    created_at: datetime
    due_at: datetime = Field(description="When it is tried next, or was to be.")
    finished_at: datetime | None
    error: str | None = Field(description="Why the last attempt failed.")
    place: str | None = Field(description="Where it lies.")

    @classmethod
    def of(cls, one: Delivery, names: Mapping[int, str]) -> Self:
        return cls(**orders.describe(one), destination=names.get(one.destination_id, ""))


class AttemptOut(BaseModel):
    """One attempt; no outcome: it is under way."""

    began_at: datetime
    ended_at: datetime | None
    outcome: Literal["delivered", "failed", "interrupted"] | None
    error: str | None

    @classmethod
    def of(cls, one: DeliveryAttempt) -> Self:
        return cls(**orders.describe_attempt(one))


class FileDeliveryDetail(FileDeliveryOut):
    """A delivery with the last attempts at it, newest first."""

    attempts_made: list[AttemptOut]


class FileDeliveryPage(Page[FileDeliveryOut]):
    """Deliveries, newest first."""


class FileDeliveryQuery(PageQuery):
    """Which deliveries."""

    destination_id: Annotated[Number | None, Field(description="Only to this one.")] = None
    status: DeliveryState | None = None


def index(desk: Desk, query: FileDeliveryQuery) -> FileDeliveryPage:
    before = paging.position(query.cursor, int)
    with desk.db.read() as session:
        names = _names(session)
        found = store.list_deliveries(
            session,
            destination_id=query.destination_id,
            status=query.status,
            before_id=None if before is None else int(before[0]),
            limit=query.limit + 1,
        )
    shown = paging.page(
        found,
        query.limit,
        shown=lambda one: FileDeliveryOut.of(one, names),
        at=lambda one: paging.cursor(one.id),
    )
    return FileDeliveryPage(items=shown.items, next=shown.next)


def show(desk: Desk, delivery_id: int) -> FileDeliveryDetail:
    with desk.db.read() as session:
        found = store.get_delivery(session, delivery_id)
        attempts = [AttemptOut.of(one) for one in store.list_attempts(session, delivery_id)]
        shown = FileDeliveryOut.of(found, _names(session))
    return FileDeliveryDetail(**shown.model_dump(), attempts_made=attempts)


def retry(desk: Desk, delivery_id: int) -> FileDeliveryOut:
    with desk.db.begin() as session:
        found = orders.retry(session, delivery_id, actor=desk.actor, now=desk.now)
        return FileDeliveryOut.of(found, _names(session))


def give_up(desk: Desk, delivery_id: int) -> FileDeliveryOut:
    with desk.db.begin() as session:
        found = orders.give_up(session, delivery_id, actor=desk.actor, now=desk.now)
        return FileDeliveryOut.of(found, _names(session))


def _names(session: Session) -> dict[int, str]:
    return {one.id: one.name for one in store.list_destinations(session)}
