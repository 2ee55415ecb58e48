"""Every SQL statement on single usage events: pages of them, and all about one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.ledger.models import Account, Transaction
from app.links.models import Link
from app.metering.models import UsageEvent, UsageLine, UsageSegment
from app.plans.models import Plan
from app.reports.events.used import store as used_store
from app.reports.query import NAME_CHARS_MAX
from app.users.models import User

_MICROSECOND = timedelta(microseconds=1)
HEADS_MAX = 100
"""So many parts of a list are looked at by themselves."""

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
    plan_ids: frozenset[int] | None = None
    issuer_ids: frozenset[int] | None = None
    attributes: tuple[tuple[str, frozenset[str]], ...] = ()
    """As those of ``query.Filters``: what the user had when the answer was billed."""

    @property
    def is_of_one(self) -> bool:
        """Whether an index of a user, a link or a chat leads to them."""
        return any(one is not None for one in (self.user_id, self.link_id, self.chat_id))


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
    heads, filters = _heads(session, filters)
    if heads is None and filters.model is not None and link_ids is None:
        heads, filters = _with_model(session, filters, filters.model, before, limit)
    chosen = sa.select(event.id, event.received_at).where(*_conditions(filters, link_ids))
    if filters.with_warnings:
        chosen = chosen.where(_WITH_WARNINGS)
    if before is not None:
        chosen = chosen.where(
            event.received_at <= before.received_at,
            (event.received_at < before.received_at) | (event.id < before.id),
        )
    # The page is found by the index alone, and joined then.
    page = _newest(chosen, heads, limit)
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


def _newest(chosen: Any, heads: Sequence[Any] | None, limit: int) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """The newest of what is chosen; of each head as many as there may be, the newest of those."""
    event = UsageEvent
    order = (event.received_at.desc(), event.id.desc())
    if heads is None:
        return chosen.order_by(*order).limit(limit).subquery()
    if not heads:
        return chosen.where(sa.false()).subquery()
    parts = [
        sa.select(chosen.where(head).order_by(*order).limit(limit).subquery()) for head in heads
    ]
    together = sa.union_all(*parts).subquery() if len(parts) > 1 else parts[0].subquery()
    newest = (together.c.received_at.desc(), together.c.id.desc())
    return sa.select(together).order_by(*newest).limit(limit).subquery()


def _heads(session: Session, filters: EventFilters) -> tuple[Sequence[Any] | None, EventFilters]:
    """What divides the answers so that an index has each part in the order of the list.

    Of each part no more is read than a page has: what few answers have is found as fast as what
    most have. None where another index leads there, or the parts would be too many: then most
    answers are of them, and they are met by walking back in time. With it the filters that the
    parts do not say.
    """
    heads: list[Any] | None = None
    left = filters
    if filters.is_of_one:
        pass
    elif filters.attributes:
        heads = [_is(UsageEvent.segment_id, one) for one in _segments(session, filters)]
        left = replace(filters, attributes=())
    elif filters.plan_ids is not None:
        heads = [UsageEvent.plan_id == one for one in sorted(filters.plan_ids)]
        left = replace(filters, plan_ids=None)
    elif filters.issuer_ids is not None:
        wanted = sa.select(User.id).where(User.issuer_id.in_(sorted(filters.issuer_ids)))
        found = session.scalars(wanted.limit(HEADS_MAX + 1))
        heads = [UsageEvent.user_id == one for one in found]
        left = replace(filters, issuer_ids=None)
    return (heads, left) if heads is not None and len(heads) <= HEADS_MAX else (None, filters)


def _with_model(
    session: Session, filters: EventFilters, model: str, before: Place | None, limit: int
) -> tuple[Sequence[Any] | None, EventFilters]:
    """The same of a model, where no other filter may leave too few of its answers."""
    alone = EventFilters(model=model, since=filters.since, until=filters.until)
    if filters != alone:
        return None, filters
    ends = [before.received_at + _MICROSECOND] if before else []
    ends += [filters.until] if filters.until else []
    heads = used_store.newest(
        session,
        model,
        _called(UsageLine.model, model),
        since=filters.since,
        until=min(ends, default=None),
        answers=limit,
    )
    return heads, (filters if heads is None else replace(filters, model=None))


def _segments(session: Session, filters: EventFilters) -> list[int | None]:
    """The segments that have the attributes; None is that of answers that have none."""
    found: list[int | None] = list(session.scalars(_with_attributes(filters)))
    return [*found, None] if _takes_none(filters) else found


def _takes_none(filters: EventFilters) -> bool:
    return all("" in values for _, values in filters.attributes)


def _with_attributes(filters: EventFilters) -> Any:  # noqa: ANN401 - SQLAlchemy's
    conditions = [
        sa.func.coalesce(UsageSegment.attributes[name].as_string(), "").in_(sorted(values))
        for name, values in filters.attributes
    ]
    return sa.select(UsageSegment.id).where(*conditions)


def _is(column: Any, value: object) -> Any:  # noqa: ANN401 - SQLAlchemy's
    return column.is_(None) if value is None else column == value


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
    if filters.app is not None:
        conditions.append(_called(event.app_name, filters.app))
    if filters.model is not None:
        named = _called(UsageLine.model, filters.model)
        conditions.append(sa.exists().where(UsageLine.event_id == event.id, named))
    return [*conditions, *_of_kind(filters)]


def _called(column: Any, name: str) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """By its name; what is longer than reports have it is found by what they have."""
    if len(name) < NAME_CHARS_MAX:
        return column == name
    return sa.func.substr(column, 1, NAME_CHARS_MAX) == name[:NAME_CHARS_MAX]


def _of_kind(filters: EventFilters) -> list[Any]:
    """On which plan, of which issuer and with which attributes."""
    event = UsageEvent
    conditions: list[Any] = []
    if filters.plan_ids is not None:
        conditions.append(event.plan_id.in_(sorted(filters.plan_ids)))
    if filters.issuer_ids is not None:
        theirs = sa.select(User.id).where(
            User.id == event.user_id, User.issuer_id.in_(sorted(filters.issuer_ids))
        )
        conditions.append(theirs.exists())
    if filters.attributes:
        having = event.segment_id.in_(_with_attributes(filters))
        conditions.append(having | event.segment_id.is_(None) if _takes_none(filters) else having)
    return conditions
