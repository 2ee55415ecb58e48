"""Single answers, as the API and the pages show them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from app.admin.desk import Desk
from app.admin.inputs import Amount, Text
from app.admin.paging import Page
from app.admin.resources.asking import (
    Asked,
    Texts,
    bounds,
    chosen,
    issuer_id,
    link_id,
    plan_id,
    user_id,
    zone_of,
)
from app.metering.models import UsageLine
from app.metering.store import EventNotFound
from app.money import from_nano
from app.pagekit.tables import Cell
from app.reports.events import detail
from app.reports.events.detail import EventDetail
from app.reports.events.listing import list_events
from app.reports.events.store import EventFilters, ListedEvent, Movement
from app.reports.query import chosen_attributes

LIMIT_MAX = 500
PAGE_OF_FILE = 1000
"""Events that an export reads at a time."""
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,20}", re.ASCII)


class EventFilter(Asked):
    """Which answers; all time where no period is given."""

    user: Text | None = Field(default=None, description="Only of this user: uid or subject.")
    link: Text | None = Field(default=None, description="Only of this link: name.")
    app: Text | None = None
    model: Text | None = Field(default=None, description="Only with a line of this model.")
    issuer: Texts = Field(default=[], description="Only of users of these issuers: names.")
    plan: Texts = Field(default=[], description="Only on these plans: names.")
    attribute: Texts = Field(
        default=[],
        description="Only of users who had this then, as in `department=Sales`; with nothing "
        "behind the sign those who had none.",
    )
    chat_id: Text | None = Field(default=None, description="Only of this chat of FastGPT's.")
    warnings: bool = Field(default=False, description="Only those not wholly understood.")


class EventQuery(EventFilter):
    """A page of answers."""

    cursor: str | None = Field(default=None, max_length=100, description="`next` of a page.")
    limit: int = Field(default=50, ge=1, le=LIMIT_MAX)


class EventOut(BaseModel):
    """One answer."""

    reference: str
    received_at: datetime
    subject: str
    user_name: str | None
    link_name: str
    app_name: str | None
    chat_id: str | None
    points: Amount
    charge: Amount
    input_tokens: int | None
    output_tokens: int | None
    running_time_ms: int | None
    warnings: dict[str, int]

    @classmethod
    def of(cls, event: ListedEvent) -> Self:
        known = {one.name: getattr(event, one.name) for one in fields(event)}
        known |= {"points": from_nano(event.points), "charge": from_nano(event.charge)}
        return cls(**{name: known[name] for name in cls.model_fields})


class EventPage(Page[EventOut]):
    """Answers, newest first."""


class LineOut(BaseModel):
    """What one node of an answer used."""

    model: str
    node_kind: str
    input_tokens: int | None
    output_tokens: int | None
    embedding_tokens: int | None
    rerank_tokens: int | None
    points: Amount
    charge: Amount

    @classmethod
    def of(cls, line: UsageLine) -> Self:
        known: dict[str, Any] = {name: getattr(line, name) for name in cls.model_fields}
        known |= {"points": from_nano(line.points), "charge": from_nano(line.charge)}
        return cls(**known)


class StepOut(BaseModel):
    """One step of how a charge came about; empty where it is not computed from other amounts."""

    code: str
    of: str
    formula: str
    amount: str


class MovementOut(BaseModel):
    """A transaction of the ledger that has to do with the answer."""

    transaction_id: int
    kind: str
    posted_at: datetime
    amount: Amount = Field(description="The change of the wallet's balance.")
    balance_after: Amount
    currency: str
    actor: str
    reason: str | None
    reverses_id: int | None

    @classmethod
    def of(cls, moved: Movement) -> Self:
        known: dict[str, Any] = {name: getattr(moved, name) for name in cls.model_fields}
        amounts = {name: from_nano(known[name]) for name in ("amount", "balance_after")}
        return cls(**known | amounts)


class EventDetailOut(BaseModel):
    """All about one answer."""

    reference: str
    received_at: datetime
    user_id: int
    uid: str
    subject: str
    user_name: str | None
    issuer: str
    link_id: int
    link: str
    plan: str | None
    app_name: str | None
    chat_id: str | None
    generation: str
    billed_by: str
    price_version_id: int | None
    points: Amount
    charge: Amount
    costs: Amount = Field(description="What it is charged with all that became of it since.")
    node_count: int
    running_time_ms: int | None
    body_bytes: int
    warnings: dict[str, int]
    lines: list[LineOut]
    are_lines_archived: bool
    steps: list[StepOut]
    movements: list[MovementOut]

    @classmethod
    def of(cls, found: EventDetail) -> Self:
        event, names = found.event, found.names
        told = {"subject", "user_name", "uid", "issuer", "link", "plan"}
        known: dict[str, Any] = {name: getattr(names, name) for name in told}
        for name in cls.model_fields:
            if name not in told and hasattr(event, name):
                known[name] = getattr(event, name)
        return cls(
            **known
            | {
                "points": from_nano(event.points),
                "charge": from_nano(event.charge),
                "costs": from_nano(found.costs),
                "lines": [LineOut.of(line) for line in found.lines],
                "are_lines_archived": found.are_lines_archived,
                "steps": [
                    StepOut(code=step.code, of=step.of, formula=step.formula, amount=step.amount)
                    for step in found.steps
                ],
                "movements": [MovementOut.of(one) for one in found.movements],
            }
        )


def index(desk: Desk, query: EventQuery) -> EventPage:
    filters = filters_of(desk, query)
    with desk.db.read() as session:
        page = list_events(
            session,
            filters,
            link_ids=desk.caller.link_ids,
            cursor=query.cursor,
            limit=query.limit,
        )
    return EventPage(items=[EventOut.of(event) for event in page.events], next=page.cursor)


def show(desk: Desk, reference: str) -> EventDetailOut:
    """Raises: EventNotFound, also where it is not theirs to see."""
    if not _REFERENCE.fullmatch(reference):
        raise EventNotFound("there is no usage event with this reference")
    with desk.db.read() as session:
        found = detail.find_event(session, reference, link_ids=desk.caller.link_ids)
        return EventDetailOut.of(found)


def filters_of(desk: Desk, asked: EventFilter) -> EventFilters:
    """Raises: NotFound: nothing has one of the names. Invalid: the period or one cannot be."""
    since = until = None
    if asked.period or asked.since or asked.until:
        since, until = bounds(asked, zone_of(desk, asked), desk.now)
    with desk.db.read() as session:
        return EventFilters(
            since=since,
            until=until,
            user_id=user_id(session, asked.user) if asked.user else None,
            link_id=link_id(desk, session, asked.link) if asked.link else None,
            app=asked.app,
            model=asked.model,
            chat_id=asked.chat_id,
            with_warnings=asked.warnings,
            plan_ids=chosen(plan_id(session, name) for name in asked.plan),
            issuer_ids=chosen(issuer_id(session, name) for name in asked.issuer),
            attributes=chosen_attributes(asked.attribute),
        )


def every(desk: Desk, filters: EventFilters) -> Iterator[tuple[ListedEvent, ...]]:
    """All of them, newest first, some at a time.

    Each page is a transaction of its own: a file that is fetched slowly holds up nothing.
    """
    scope = desk.caller.link_ids
    cursor = None
    while True:
        with desk.db.read() as session:
            page = list_events(session, filters, link_ids=scope, cursor=cursor, limit=PAGE_OF_FILE)
        yield page.events
        cursor = page.cursor
        if cursor is None:
            return


EVENT_COLUMNS = (
    "reference",
    "received_at",
    "subject",
    "user_name",
    "link",
    "app",
    "chat_id",
    "points",
    "charge",
    "input_tokens",
    "output_tokens",
    "running_time_ms",
    "warnings",
)


def event_cells(event: ListedEvent) -> Sequence[Cell]:
    return (
        event.reference,
        event.received_at,
        event.subject,
        event.user_name,
        event.link_name,
        event.app_name,
        event.chat_id,
        from_nano(event.points),
        from_nano(event.charge),
        event.input_tokens,
        event.output_tokens,
        event.running_time_ms,
        " ".join(event.warnings),
    )
