"""Alerts and their messages, as the API and the pages show them."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from app.admin import paging
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.alerts import destination_commands, payload, store, texts
from app.alerts.conditions import Condition, Severity
from app.alerts.models import Alert, Delivery

State = Literal["open", "resolved", "all"]
DeliveryStatus = Literal["pending", "delivered", "dead", "skipped", "folded"]


class AlertQuery(PageQuery):
    """Which alerts."""

    state: State = "open"
    condition: Condition | None = None
    severity: Severity | None = None


class AlertSubject(BaseModel):
    """What it is about."""

    id: str = Field(description="`user:7`, `link:3/month`, `machine:web-1`, `all` and the like.")
    name: str


class AlertOut(BaseModel):
    """One stretch of time in which a condition was met by a subject."""

    id: int
    condition: str
    severity: str
    status: Literal["open", "resolved"]
    subject: AlertSubject
    level: int = Field(description="The percentage reached of a budget, else 1.")
    facts: dict[str, Any] = Field(description="The numbers of the sentence; amounts are text.")
    opened_at: datetime
    last_seen_at: datetime
    told_at: datetime = Field(description="When it was last told.")
    resolved_at: datetime | None
    summary: dict[str, str] = Field(description="What happened, by language.")

    @classmethod
    def of(cls, alert: Alert) -> Self:
        described = payload.describe(alert)
        return cls.model_validate(
            {
                **described,
                "opened_at": alert.opened_at,
                "last_seen_at": alert.last_seen_at,
                "told_at": alert.told_at,
                "resolved_at": alert.resolved_at,
                "summary": {one: texts.summary(described, one) for one in texts.LOCALES},
            }
        )


class AlertPage(Page[AlertOut]):
    """Alerts, newest first."""


class DeliveryQuery(PageQuery):
    """Which messages."""

    status: DeliveryStatus | None = None
    destination_id: int | None = Field(default=None, ge=1, lt=2**63)


class DeliveryOut(BaseModel):
    """One message to one destination."""

    id: int
    message_id: str = Field(description="The same at every attempt: `webhook-id`.")
    destination_id: int
    destination: str | None = Field(description="Its name.")
    alert_id: int | None
    event: str
    status: str
    attempts: int
    due_at: datetime = Field(description="While it is pending: when it is tried next.")
    attempted_at: datetime | None
    finished_at: datetime | None
    error: str | None = Field(description="Why the last attempt failed.")
    payload: dict[str, Any] = Field(description="What a webhook is sent.")

    @classmethod
    def of(cls, delivery: Delivery, names: dict[int, str]) -> Self:
        plain = {
            name: getattr(delivery, name) for name in cls.model_fields if name != "destination"
        }
        return cls(destination=names.get(delivery.destination_id), **plain)


class DeliveryPage(Page[DeliveryOut]):
    """Messages, newest first."""


def index(desk: Desk, query: AlertQuery) -> AlertPage:
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        found = store.list_alerts(
            session,
            with_resolved=query.state != "open",
            with_open=query.state != "resolved",
            condition=query.condition,
            severity=query.severity,
            before_id=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(found, query.limit, shown=AlertOut.of, at=lambda one: paging.cursor(one.id))
    return AlertPage(items=page.items, next=page.next)


def show(desk: Desk, alert_id: int) -> AlertOut:
    with desk.db.read() as session:
        return AlertOut.of(store.get_alert(session, alert_id))


def deliveries(desk: Desk, query: DeliveryQuery) -> DeliveryPage:
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        names = {one.id: one.name for one in store.list_destinations(session)}
        found = store.list_deliveries(
            session,
            destination_id=query.destination_id,
            status=query.status,
            before_id=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(
        found,
        query.limit,
        shown=lambda one: DeliveryOut.of(one, names),
        at=lambda one: paging.cursor(one.id),
    )
    return DeliveryPage(items=page.items, next=page.next)


def delivery(desk: Desk, delivery_id: int) -> DeliveryOut:
    with desk.db.read() as session:
        found = store.get_delivery(session, delivery_id)
        destination = store.get_destination_by_id(session, found.destination_id)
        return DeliveryOut.of(found, {destination.id: destination.name})


def replay(desk: Desk, delivery_id: int) -> DeliveryOut:
    """Have it sent again by the worker, under the same id.

    Raises:
        Conflict: it waits to be sent anyway (``delivery_pending``).
    """
    with desk.db.begin() as session:
        found = store.get_delivery(session, delivery_id)
        destination_commands.replay(session, found, actor=desk.actor, now=desk.now)
        destination = store.get_destination_by_id(session, found.destination_id)
        return DeliveryOut.of(found, {destination.id: destination.name})
