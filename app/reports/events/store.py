"""Every SQL statement on single usage events: pages of them, and all about one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.ledger.models import Account, Transaction
from app.links.models import Link
from app.metering.models import UsageEvent, UsageLine
from app.plans.models import Plan
from app.users.models import User

_ISSUERS = sa.table("issuers", sa.column("id", sa.BigInteger), sa.column("name", sa.String))
_REVERSAL = orm.aliased(Transaction)
_WITH_WARNINGS = sa.text("warnings <> '{}'")
"""As the index says it: a partial one is found by its condition."""


@dataclass(frozen=True, slots=True)
class EventFilters:
    """Only these events; None takes all. ``since`` is inclusive, ``until`` is not."""

    since: datetime | None = None
    until: datetime | None = None
    user_id: int | None = None
    link_id: int | None = None
    app: str | None = None
    model: str | None = None
    chat_id: str | None = None
    with_warnings: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in the order of the list."""

    received_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """Amounts in nano-units."""

    id: int
    reference: str
    received_at: datetime
    user_id: int
    subject: str
    user_name: str | None
    link_id: int
    link_name: str
    app_name: str | None
    chat_id: str | None
    points: int
    charge: int
    input_tokens: int | None
    output_tokens: int | None
    running_time_ms: int | None
    warnings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """Of whom and what an event is."""

    subject: str
    user_name: str | None
    uid: str
    issuer: str
    link: str
    plan: str | None


@dataclass(frozen=True, slots=True)
class Movement:
    """A transaction of the ledger that has to do with an event, in nano-units."""

    transaction_id: int
    kind: str
    posted_at: datetime
    amount: int
    """The change of the wallet's balance."""
    balance_after: int
    currency: str
    actor: str
    reason: str | None
    details: dict[str, Any]
    reverses_id: int | None


def list_page(
    session: Session,
    filters: EventFilters,
    *,
    link_ids: frozenset[int] | None,
    before: Place | None,
    limit: int,
) -> list[ListedEvent]:
    """Events, newest first: those that come after the place ``before`` in that order."""
    event = UsageEvent
    order = (event.received_at.desc(), event.id.desc())
    chosen = sa.select(event.id).where(*_conditions(filters, link_ids))
    if filters.with_warnings:
        chosen = chosen.where(_WITH_WARNINGS)
    if before is not None:
        chosen = chosen.where(
            event.received_at <= before.received_at,
            (event.received_at < before.received_at) | (event.id < before.id),
        )
    # The page is found by the index alone, and joined then.
    page = chosen.order_by(*order).limit(limit).subquery()
    rows = session.execute(
        sa.select(
            event.id,
            event.reference,
            event.received_at,
            event.user_id,
            User.subject,
            User.name,
            event.link_id,
            Link.name,
            event.app_name,
            event.chat_id,
            event.points,
            event.charge,
            event.input_tokens,
            event.output_tokens,
            event.running_time_ms,
            event.warnings,
        )
        .join(page, page.c.id == event.id)
        .join(User, User.id == event.user_id)
        .join(Link, Link.id == event.link_id)
        .order_by(*order)
    )
    return [ListedEvent(*tuple(row)) for row in rows]


def names(session: Session, event: UsageEvent) -> Names:
    row = session.execute(
        sa.select(User.subject, User.name, User.uid, _ISSUERS.c.name, Link.name, Plan.name)
        .select_from(User)
        .join(_ISSUERS, _ISSUERS.c.id == User.issuer_id)
        .join(Link, Link.id == event.link_id)
        .outerjoin(Plan, Plan.id == event.plan_id)
        .where(User.id == event.user_id)
    ).one()
    return Names(*row)


def movements(session: Session, event_id: int, transaction_ids: Collection[int]) -> list[Movement]:
    """The event's charge, these transactions, and what reversed any of them; oldest first."""
    theirs = (Transaction.event_id == event_id) | Transaction.id.in_(sorted(transaction_ids))
    reversals = sa.select(_REVERSAL.id).join(
        Transaction, (Transaction.id == _REVERSAL.reverses_id) & theirs
    )
    ids = sa.union_all(sa.select(Transaction.id).where(theirs), reversals).subquery()
    rows = session.execute(
        sa.select(
            Transaction.id,
            Transaction.kind,
            Transaction.posted_at,
            Transaction.amount,
            Transaction.balance_after,
            Account.currency,
            Transaction.actor,
            Transaction.reason,
            Transaction.details,
            Transaction.reverses_id,
        )
        .join(ids, ids.c.id == Transaction.id)
        .join(Account, Account.id == Transaction.wallet_id)
        .order_by(Transaction.sequence)
    )
    return [Movement(*row) for row in rows]


def _conditions(filters: EventFilters, link_ids: frozenset[int] | None) -> list[Any]:
    event = UsageEvent
    conditions: list[Any] = [
        column == value
        for column, value in (
            (event.user_id, filters.user_id),
            (event.link_id, filters.link_id),
            (event.app_name, filters.app),
            (event.chat_id, filters.chat_id),
        )
        if value is not None
    ]
    if filters.since is not None:
        conditions.append(event.received_at >= filters.since)
    if filters.until is not None:
        conditions.append(event.received_at < filters.until)
    if link_ids is not None:
        conditions.append(event.link_id.in_(sorted(link_ids)))
    if filters.model is not None:
        with_model = sa.exists().where(
            UsageLine.event_id == event.id, UsageLine.model == filters.model
        )
        conditions.append(with_model)
    return conditions
