"""Every SQL statement that reads the ledger and the usage together."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ids import among
from app.ledger.models import Account, Transaction
from app.ledger.reratings import PREFIX, Price
from app.ledger.transactions import canonical_time
from app.links.models import Link
from app.metering.models import QuarantinedFinish, UsageDay, UsageEvent, UsageLine
from app.metering.store import lines_of
from app.pricing.standing import charged_price

PAGE_ROWS = 500

_EVENT_NUMBERS = (
    UsageEvent.id,
    UsageEvent.user_id.label("user"),
    UsageEvent.link_id.label("link"),
    UsageEvent.received_at,
    UsageEvent.price_version_id.label("price_version"),
    UsageEvent.points,
    UsageEvent.charge,
    UsageEvent.input_tokens,
    UsageEvent.output_tokens,
)
_LINE_NUMBERS = (
    UsageLine.points,
    UsageLine.charge,
    UsageLine.input_tokens,
    UsageLine.output_tokens,
    UsageLine.embedding_tokens,
    UsageLine.rerank_tokens,
)


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An event beside what its lines and its transaction say of it; None where it has none."""

    id: int
    user_id: int
    link_id: int
    received_at: datetime
    points: int
    charge: int
    input_tokens: int
    output_tokens: int
    line_points: int
    line_charge: int
    charged_user_id: int | None
    charged: int | None
    charged_at: datetime | None


@dataclass(frozen=True, slots=True)
class DaySums:
    """Sums of one user's events on one link in one day."""

    user_id: int
    day: date
    link_id: int
    questions: int
    points: int
    charge: int
    input_tokens: int
    output_tokens: int

    @property
    def key(self) -> tuple[int, date, int]:
        return self.user_id, self.day, self.link_id


@dataclass(frozen=True, slots=True)
class PricedEvent:
    """An event's id, its user, and what it was charged."""

    id: int
    user_id: int
    charged: Price


@dataclass(frozen=True, slots=True)
class WalletFacts:
    """A wallet's end of chain, and when the next after a given version was posted; None if none."""

    version: int
    balance: int
    next_posted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unpriced:
    """How many events, and the first and last of them; zeros when there are none."""

    count: int
    first: int
    last: int


def load_link_names(session: Session, link_ids: Collection[int]) -> dict[int, str]:
    rows = session.execute(sa.select(Link.id, Link.name).where(among(Link.id, link_ids)))
    return {row.id: row.name for row in rows}


def load_reversals(session: Session, transaction_ids: Collection[int]) -> dict[int, int]:
    """The transaction that reverses each of these, where there is one."""
    rows = session.execute(
        sa.select(Transaction.reverses_id, Transaction.id).where(
            among(Transaction.reverses_id, transaction_ids)
        )
    )
    return {reversed_: by for reversed_, by in rows if reversed_ is not None}


def iter_events(session: Session) -> Iterator[EventFacts]:
    """All events by user and time of receipt, read a page at a time."""
    order = (UsageEvent.user_id, UsageEvent.received_at, UsageEvent.id)
    statement = following = sa.select(UsageEvent)
    while True:
        page = session.scalars(following.order_by(*order).limit(PAGE_ROWS)).all()
        if not page:
            return
        yield from _facts(session, page)
        last = page[-1]
        after = (last.user_id, sa.literal(last.received_at, UsageEvent.received_at.type), last.id)
        following = statement.where(sa.tuple_(*order) > sa.tuple_(*after))


def iter_events_since(session: Session, since: datetime) -> Iterator[EventFacts]:
    """The events written from then on, in the order of their ids, read a page at a time."""
    last = _last_event_before(session, since)
    while True:
        page = session.scalars(
            sa.select(UsageEvent)
            .where(UsageEvent.id > last)
            .order_by(UsageEvent.id)
            .limit(PAGE_ROWS)
        ).all()
        if not page:
            return
        yield from _facts(session, page)
        last = page[-1].id


def iter_proven_events(session: Session) -> Iterator[tuple[dict[str, Any], datetime]]:
    """Every event's numbers, with its lines in their order, by id, read a page at a time.

    Beside each stands when it was received, as a time and not as text.

    Nothing of it names anybody or anything: whom and what the ids stand for is not in it.
    """
    last = 0
    while True:
        page = session.execute(
            sa.select(*_EVENT_NUMBERS)
            .where(UsageEvent.id > last)
            .order_by(UsageEvent.id)
            .limit(PAGE_ROWS)
        ).all()
        if not page:
            return
        lines = _lines(session, {event.id: event.received_at for event in page})
        for event in page:
            received_at = canonical_time(event.received_at)
            numbers = {**event._asdict(), "received_at": received_at, "lines": lines[event.id]}
            yield numbers, event.received_at
        last = page[-1].id


def iter_days(session: Session) -> Iterator[DaySums]:
    """All daily rollups by user, day and link, read a page at a time."""
    order = (UsageDay.user_id, UsageDay.day, UsageDay.link_id)
    following = sa.select(UsageDay)
    while True:
        page = session.scalars(following.order_by(*order).limit(PAGE_ROWS)).all()
        if not page:
            return
        for row in page:
            yield DaySums(
                row.user_id,
                row.day,
                row.link_id,
                row.questions,
                row.points,
                row.charge,
                row.input_tokens,
                row.output_tokens,
            )
        last = page[-1]
        after = (last.user_id, sa.literal(last.day, sa.Date()), last.link_id)
        following = sa.select(UsageDay).where(sa.tuple_(*order) > sa.tuple_(*after))


def list_charges_without_event(
    session: Session, *, since: datetime | None, limit: int
) -> Sequence[int]:
    """Transactions, of those posted from ``since`` on, that name an event which is not there."""
    statement = (
        sa.select(Transaction.id)
        .outerjoin(UsageEvent, UsageEvent.id == Transaction.event_id)
        .where(Transaction.event_id.is_not(None), UsageEvent.id.is_(None))
        .order_by(Transaction.id)
        .limit(limit)
    )
    if since is not None:
        statement = statement.where(Transaction.posted_at >= since)
    return session.scalars(statement).all()


def iter_reratings(
    session: Session, *, since: datetime | None
) -> Iterator[Sequence[tuple[Transaction, int | None]]]:
    """The adjustments with a re-rating's key, and the users of their wallets, a page at a time.

    With ``since`` those posted from then on.
    """
    statement = (
        sa.select(Transaction, Account.user_id)
        .join(Account, Account.id == Transaction.wallet_id)
        .where(
            Transaction.kind == "adjustment",
            Transaction.idempotency_key.startswith(PREFIX, autoescape=True),
        )
        .order_by(Transaction.id)
        .limit(PAGE_ROWS)
    )
    if since is not None:
        statement = statement.where(Transaction.posted_at >= since)
    last = 0
    while True:
        page = [
            (row, user_id)
            for row, user_id in session.execute(statement.where(Transaction.id > last))
        ]
        if not page:
            return
        yield page
        last = page[-1][0].id


def load_priced_events(session: Session, references: Collection[str]) -> dict[str, PricedEvent]:
    """The events of these references, by reference."""
    statement = sa.select(
        UsageEvent.reference,
        UsageEvent.id,
        UsageEvent.user_id,
        UsageEvent.price_version_id,
        UsageEvent.charge,
        UsageEvent.arithmetic,
    ).where(UsageEvent.reference.in_(sorted(references)))
    return {
        reference: PricedEvent(event_id, user_id, charged_price(version, charge, arithmetic))
        for reference, event_id, user_id, version, charge, arithmetic in session.execute(statement)
    }


def list_moved_last(session: Session, *, limit: int) -> Sequence[int]:
    """The users of the wallets in the last so many transactions, by id."""
    newest = (
        sa.select(Transaction.wallet_id).order_by(Transaction.id.desc()).limit(limit).subquery()
    )
    statement = (
        sa.select(Account.user_id)
        .where(Account.id.in_(sa.select(newest.c.wallet_id)), Account.user_id.is_not(None))
        .order_by(Account.user_id)
    )
    return [user_id for user_id in session.scalars(statement) if user_id is not None]


def get_wallet_facts(session: Session, user_id: int, *, after: int) -> WalletFacts:
    """A wallet that exists, and when its transaction that follows version ``after`` was posted."""
    statement = (
        sa.select(Account.version, Account.balance, Transaction.posted_at)
        .outerjoin(
            Transaction,
            (Transaction.wallet_id == Account.id) & (Transaction.sequence == after + 1),
        )
        .where(Account.user_id == user_id)
    )
    return WalletFacts(*session.execute(statement).one())


def count_unpriced(session: Session, *, since: datetime | None) -> Unpriced:
    """The events that no price version priced, of those written from ``since`` on."""
    ids = UsageEvent.id
    statement = sa.select(sa.func.count(), sa.func.min(ids), sa.func.max(ids)).where(
        UsageEvent.price_version_id.is_(None)
    )
    if since is not None:
        statement = statement.where(ids > _last_event_before(session, since))
    count, first, last = session.execute(statement).one()
    return Unpriced(count, first or 0, last or 0)


def count_unresolved(session: Session, *, received_before: datetime) -> int:
    """Quarantined finishes that nobody has resolved."""
    statement = (
        sa.select(sa.func.count())
        .select_from(QuarantinedFinish)
        .where(
            QuarantinedFinish.resolved_at.is_(None),
            QuarantinedFinish.received_at < received_before,
        )
    )
    return session.scalar(statement) or 0


def day_of(event: EventFacts, zone: ZoneInfo) -> date:
    return event.received_at.astimezone(zone).date()


def _lines(
    session: Session, received: Mapping[int, datetime]
) -> dict[int, list[dict[str, int | None]]]:
    found: dict[int, list[dict[str, int | None]]] = {event_id: [] for event_id in received}
    names = [column.key for column in _LINE_NUMBERS]
    for condition in lines_of(received):
        statement = (
            sa.select(UsageLine.event_id, *_LINE_NUMBERS)
            .where(condition)
            .order_by(UsageLine.event_id, UsageLine.position)
        )
        for event_id, *numbers in session.execute(statement):
            found[event_id].append(dict(zip(names, numbers, strict=True)))
    return found


def _last_event_before(session: Session, since: datetime) -> int:
    """The last event the books held then. Found by its charge: that time has an index."""
    first = session.scalar(
        sa.select(sa.func.min(Transaction.event_id)).where(Transaction.posted_at >= since)
    )
    if first is not None:
        return first - 1
    return session.scalar(sa.select(sa.func.max(Transaction.event_id))) or 0


def _facts(session: Session, page: Sequence[UsageEvent]) -> Iterator[EventFacts]:
    lines = _line_sums(session, {event.id: event.received_at for event in page})
    charges = _charges(session, [event.id for event in page])
    for event in page:
        line_points, line_charge = lines.get(event.id, (0, 0))
        charged_user_id, charged, charged_at = charges.get(event.id, (None, None, None))
        yield EventFacts(
            id=event.id,
            user_id=event.user_id,
            link_id=event.link_id,
            received_at=event.received_at,
            points=event.points,
            charge=event.charge,
            input_tokens=event.input_tokens or 0,
            output_tokens=event.output_tokens or 0,
            line_points=line_points,
            line_charge=line_charge,
            charged_user_id=charged_user_id,
            charged=charged,
            charged_at=charged_at,
        )


def _line_sums(session: Session, received: Mapping[int, datetime]) -> dict[int, tuple[int, int]]:
    # Added up here: SQLite's SUM stops with an error where Python's integers go on.
    lines = sa.select(UsageLine.event_id, UsageLine.points, UsageLine.charge)
    sums: dict[int, tuple[int, int]] = {}
    for condition in lines_of(received):
        for event_id, points, charge in session.execute(lines.where(condition)):
            before = sums.get(event_id, (0, 0))
            sums[event_id] = (before[0] + points, before[1] + charge)
    return sums


def _charges(session: Session, event_ids: Sequence[int]) -> dict[int, tuple[Any, int, datetime]]:
    statement = (
        sa.select(Transaction.event_id, Account.user_id, Transaction.amount, Transaction.posted_at)
        .join(Account, Account.id == Transaction.wallet_id)
        .where(among(Transaction.event_id, event_ids))
    )
    return {
        event_id: (user_id, -amount, posted_at)
        for event_id, user_id, amount, posted_at in session.execute(statement)
        if event_id is not None
    }
