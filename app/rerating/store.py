"""Every SQL statement of re-rating: the selected events with their lines and charges."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.ids import among
from app.ledger.models import Account, Transaction
from app.metering.models import UsageDay, UsageEvent, UsageLine
from app.metering.rows import LineRow
from app.metering.store import lines_of
from app.rerating.priced import Event
from app.rerating.selection import Month, Selection
from app.users.models import User

PAGE_ROWS = 500
"""How many events are held at a time, and booked in one transaction at most."""

_EVENT = (
    UsageEvent.id,
    UsageEvent.reference,
    UsageEvent.user_id,
    UsageEvent.link_id,
    UsageEvent.received_at,
    UsageEvent.price_version_id,
    UsageEvent.points,
    UsageEvent.charge,
    UsageEvent.arithmetic,
)
_LINE = (
    UsageLine.model,
    UsageLine.node_kind,
    UsageLine.input_tokens,
    UsageLine.output_tokens,
    UsageLine.embedding_tokens,
    UsageLine.rerank_tokens,
    UsageLine.points,
    UsageLine.charge,
    UsageLine.is_covered,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A user with selected events, and when the first and the last of them came."""

    user_id: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """A user, and what is in their wallet in nano-units."""

    user_id: int
    subject: str
    uid: str
    balance: int


def last_event(session: Session) -> int:
    """The newest event in the books; zero when there is none."""
    return session.scalar(sa.select(sa.func.max(UsageEvent.id))) or 0


def iter_spans(session: Session, selection: Selection) -> Iterator[list[Span]]:
    """The users that the selection has events of, in the order of their ids, a page at a time."""
    statement = (
        sa.select(
            UsageEvent.user_id,
            sa.func.min(UsageEvent.received_at),
            sa.func.max(UsageEvent.received_at),
        )
        .where(*_selected(selection))
        .group_by(UsageEvent.user_id)
        .order_by(UsageEvent.user_id)
        .limit(PAGE_ROWS)
    )
    if selection.user_id is not None:
        statement = statement.where(UsageEvent.user_id == selection.user_id)
    last = 0
    while True:
        page = [Span(*row) for row in session.execute(statement.where(UsageEvent.user_id > last))]
        if not page:
            return
        yield page
        last = page[-1].user_id


def list_selected(
    session: Session, selection: Selection, month: Month, *, after: int
) -> Sequence[Event]:
    """The selected events of the month with ids above ``after``, by id: one page of them."""
    return _list_events(session, month, *_selected(selection), UsageEvent.id > after)


def iter_month(session: Session, month: Month) -> Iterator[Sequence[Event]]:
    """All events of the month by id, a page at a time."""
    last = 0
    while page := _list_events(session, month, UsageEvent.id > last):
        yield page
        last = page[-1].id


def first_event_from(session: Session, since: datetime) -> int:
    """About the id of the first event received from then on: ids follow arrival, but for spools.

    Halves the ids by their primary key: there is no index of arrival over all users.
    """
    low, high = 1, last_event(session) + 1
    while low < high:
        middle = (low + high) // 2
        found = session.execute(
            sa.select(UsageEvent.id, UsageEvent.received_at)
            .where(UsageEvent.id >= middle)
            .order_by(UsageEvent.id)
            .limit(1)
        ).first()
        if found is None or found[1] >= since:
            high = middle
        else:
            low = found[0] + 1
    return low


def load_sampled(
    session: Session, ids: Collection[int], since: datetime, until: datetime
) -> Sequence[Event]:
    """Those of these events that were received in the period, by id."""
    statement = (
        sa.select(*_EVENT)
        .where(
            among(UsageEvent.id, ids),
            UsageEvent.received_at >= since,
            UsageEvent.received_at < until,
        )
        .order_by(UsageEvent.id)
    )
    return [Event(*row) for row in session.execute(statement)]


def count_answers(session: Session, selection: Selection, zone: ZoneInfo) -> int:
    """How many answers a selection has at most, by the daily sums: whole days count."""
    statement = sa.select(sa.func.coalesce(sa.func.sum(UsageDay.questions), 0)).where(
        UsageDay.day >= selection.since.astimezone(zone).date(),
        UsageDay.day <= selection.until.astimezone(zone).date(),
    )
    if selection.link_id is not None:
        statement = statement.where(UsageDay.link_id == selection.link_id)
    if selection.user_id is not None:
        statement = statement.where(UsageDay.user_id == selection.user_id)
    return int(session.scalar(statement) or 0)


def load_lines(session: Session, received: Mapping[int, datetime]) -> dict[int, list[LineRow]]:
    """The lines of each event, in the order of the answer; every id asked for has a list.

    ``received`` says when each event was received: that names the partition of its lines.
    """
    lines: dict[int, list[LineRow]] = {event_id: [] for event_id in received}
    for condition in lines_of(received):
        statement = (
            sa.select(UsageLine.event_id, *_LINE)
            .where(condition)
            .order_by(UsageLine.event_id, UsageLine.position)
        )
        for event_id, *values in session.execute(statement):
            lines[event_id].append(LineRow(*values))
    return lines


def load_charges(session: Session, event_ids: Collection[int]) -> dict[int, bool]:
    """Whether the charge of each of these events was reversed; absent where it has none."""
    reversal = orm.aliased(Transaction)
    statement = (
        sa.select(Transaction.event_id, reversal.id)
        .outerjoin(reversal, reversal.reverses_id == Transaction.id)
        .where(among(Transaction.event_id, event_ids))
    )
    return {
        event_id: reversed_by is not None
        for event_id, reversed_by in session.execute(statement)
        if event_id is not None
    }


def load_owners(session: Session, user_ids: Collection[int]) -> dict[int, Owner]:
    """Each of these users, with the balance of their wallet: zero where there is none."""
    statement = (
        sa.select(User.id, User.subject, User.uid, Account.balance)
        .outerjoin(Account, Account.user_id == User.id)
        .where(among(User.id, user_ids))
    )
    return {
        user_id: Owner(user_id, subject, uid, balance or 0)
        for user_id, subject, uid, balance in session.execute(statement)
    }


def _list_events(
    session: Session, month: Month, *conditions: sa.ColumnElement[bool]
) -> Sequence[Event]:
    statement = (
        sa.select(*_EVENT)
        .where(
            UsageEvent.user_id == month.user_id,
            UsageEvent.received_at >= month.start,
            UsageEvent.received_at < month.end,
            *conditions,
        )
        .order_by(UsageEvent.id)
        .limit(PAGE_ROWS)
    )
    return [Event(*_row) for _row in session.execute(statement)]


def _selected(selection: Selection) -> list[Any]:
    conditions = [
        UsageEvent.received_at >= selection.since,
        UsageEvent.received_at < selection.until,
    ]
    if selection.link_id is not None:
        conditions.append(UsageEvent.link_id == selection.link_id)
    if selection.last_event is not None:
        conditions.append(UsageEvent.id <= selection.last_event)
    return conditions
