"""Statements that add up what belongs to a period, for a stretch of wallets at a time."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.closings.content import (
    ENTRIES_MAX,
    EntryFacts,
    Figures,
    Head,
    LinkSum,
    ModelSum,
    Sum,
    SumKey,
)
from app.ledger.models import Account, Transaction
from app.ledger.reratings import PREFIX
from app.ledger.transactions import canonical_time
from app.links.models import Link
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of
from app.periods import Period, Position
from app.reports.rollup import store as rollup_store
from app.users.models import User

WALLET_ROWS = 1000
_IS_CHARGE = Transaction.kind == "charge"
_IS_RERATING = sa.and_(
    Transaction.kind == "adjustment",
    Transaction.idempotency_key.startswith(PREFIX, autoescape=True),
)
_RERATED = sa.case((_IS_RERATING, 1), else_=0)


class WalletRow(NamedTuple):
    """A wallet, and what its user's attributes say."""

    id: int
    name: str
    user_id: int
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Wallets with ids above ``after``, up to ``last``."""

    after: int
    last: int

    def holds(self, column: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401 - of any table
        return sa.and_(column > self.after, column <= self.last)


def take_time(session: Session) -> None:
    """Let this transaction's statements take as long as they need."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL statement_timeout = 0"))


def decided_position(session: Session) -> Position | None:
    """The newest position that is decided, at which no answer is without its charge.

    An answer and its charge are numbered apart: on PostgreSQL another's may come in between. What
    stands across the line is left to the next closing, wholly. None while somebody writes who can
    not be waited for.
    """
    tops = rollup_store.decided_tops(session)
    if tops is None:
        return None
    event, transaction = tops.event_id, tops.transaction_id
    while True:
        early = session.scalar(
            sa.select(sa.func.min(Transaction.event_id)).where(
                Transaction.id > transaction, Transaction.event_id <= event
            )
        )
        if early is not None:
            event = early - 1
        late = session.scalar(
            sa.select(sa.func.min(Transaction.id)).where(
                Transaction.event_id > event, Transaction.id <= transaction
            )
        )
        if late is not None:
            transaction = late - 1
        if early is None and late is None:
            return Position(event, transaction)


def list_wallets(session: Session, *, after: int, limit: int = WALLET_ROWS) -> list[WalletRow]:
    """Wallets by their ids."""
    rows = session.execute(
        sa.select(Account.id, Account.name, Account.user_id, User.attributes)
        .join(User, User.id == Account.user_id)
        .where(Account.kind == "wallet", Account.id > after)
        .order_by(Account.id)
        .limit(limit)
    )
    return [WalletRow(row[0], row[1], row[2] or 0, row[3]) for row in rows]


def count_wallets(session: Session) -> int:
    counted = sa.select(sa.func.count()).select_from(Account).where(Account.kind == "wallet")
    return session.scalar(counted) or 0


def first_posted_at(session: Session) -> datetime | None:
    """When the ledger's first transaction was posted, by its time."""
    return session.scalar(sa.select(sa.func.min(Transaction.posted_at)))


def late_wallets(session: Session, period: Period) -> frozenset[int]:
    """The wallets that something came late for: few, and found in one go."""
    found: set[int] = set()
    for conditions, is_late in _parts(period):
        if is_late:
            found.update(
                session.scalars(sa.select(Transaction.wallet_id).where(*conditions).distinct())
            )
    return frozenset(found)


def figures(
    session: Session, stretch: Stretch, period: Period, late: Collection[int]
) -> dict[int, Figures]:
    """What the period made of these wallets, by wallet, without what stood there before.

    ``late`` is what ``late_wallets`` says. Wallets that nothing happened to are absent.
    """
    found: dict[int, Figures] = {}
    came_late = sorted(one for one in late if stretch.after < one <= stretch.last)
    for conditions, is_late in _parts(period):
        if is_late and not came_late:
            continue
        chosen = (
            Transaction.wallet_id.in_(came_late)
            if is_late
            else stretch.holds(Transaction.wallet_id)
        )
        mine = (chosen, *conditions)
        _add_sums(session, found, mine, is_late=is_late)
        _add_links(session, found, mine)
        _add_models(session, found, mine, _lines_within(period, is_late=is_late))
        _add_entries(session, found, mine, is_late=is_late)
    for one in found.values():
        one.explain_rest()
        one.entries.sort()
        one.entries_left_out = max(len(one.entries) - ENTRIES_MAX, 0)
        del one.entries[ENTRIES_MAX:]
    return found


def openings(session: Session, stretch: Stretch, period: Period) -> dict[int, int]:
    """What stood in each of these wallets before the period, as the books were at its position."""
    upto = _upto(period)
    rows = session.execute(
        sa.select(Transaction.wallet_id, sa.func.sum(Transaction.amount))
        .where(stretch.holds(Transaction.wallet_id), Transaction.posted_at < period.since, *upto)
        .group_by(Transaction.wallet_id)
    )
    return {wallet_id: int(amount) for wallet_id, amount in rows}


def heads(session: Session, stretch: Stretch, upto: int) -> dict[int, Head]:
    """Where the chains of these wallets stood when the books were at that transaction."""
    rows = session.execute(_heads(upto).where(stretch.holds(Account.id)))
    return {row.id: Head(row.sequence, row.hash) for row in rows}


def iter_heads(session: Session, upto: int) -> Iterator[tuple[str, int, str]]:
    """Name, sequence and hash of every chain that had a link then, by the ids of the wallets."""
    after = 0
    while True:
        page = session.execute(
            _heads(upto).where(Account.id > after).order_by(Account.id).limit(WALLET_ROWS)
        ).all()
        if not page:
            return
        for row in page:
            yield row.name, row.sequence, row.hash
        after = page[-1].id


def sums_of_all(session: Session, period: Period) -> dict[SumKey, Sum]:
    """The sums of all wallets together."""
    found: dict[SumKey, Sum] = {}
    for conditions, is_late in _parts(period):
        statement = sa.select(
            Transaction.kind, _RERATED, sa.func.count(), sa.func.sum(Transaction.amount)
        ).where(*conditions)
        for kind, rerated, count, amount in session.execute(
            statement.group_by(Transaction.kind, _RERATED)
        ):
            found[SumKey(kind, bool(rerated), is_late)] = Sum(count, int(amount))
    return found


def count_moved(session: Session, period: Period) -> int:
    """How many wallets something happened to in the period."""
    moved = sa.union(
        *(sa.select(Transaction.wallet_id).where(*conditions) for conditions, _ in _parts(period))
    ).subquery()
    return session.scalar(sa.select(sa.func.count()).select_from(moved)) or 0


def opening_of_all(session: Session, since: datetime) -> int:
    """What stood in all wallets together before that time; read from what came since."""
    now_there = session.scalar(
        sa.select(sa.func.sum(Account.balance)).where(Account.kind == "wallet")
    )
    came = session.scalar(
        sa.select(sa.func.sum(Transaction.amount)).where(Transaction.posted_at >= since)
    )
    return int(now_there or 0) - int(came or 0)


def _heads(upto: int) -> sa.Select[int, str, int, str]:
    newest = (
        sa.select(Transaction.id)
        .where(Transaction.wallet_id == Account.id, Transaction.id <= upto)
        .order_by(Transaction.sequence.desc())
        .limit(1)
        .correlate(Account)
        .scalar_subquery()
    )
    return (
        sa.select(Account.id, Account.name, Transaction.sequence, Transaction.hash)
        .join(Transaction, Transaction.id == newest)
        .where(Account.kind == "wallet")
    )


def _upto(period: Period) -> Sequence[sa.ColumnElement[bool]]:
    return () if period.upto is None else (Transaction.id <= period.upto.transaction_id,)


def _parts(period: Period) -> Iterator[tuple[Sequence[sa.ColumnElement[bool]], bool]]:
    """What chooses the period's own transactions, then those that came late; see ``Period``."""
    upto = _upto(period)
    yield (
        (Transaction.posted_at >= period.since, Transaction.posted_at < period.until, *upto),
        False,
    )
    if period.after is not None:
        after = Transaction.id > period.after.transaction_id
        yield (Transaction.posted_at < period.since, after, *upto), True


def _add_sums(
    session: Session,
    found: dict[int, Figures],
    conditions: Sequence[sa.ColumnElement[bool]],
    *,
    is_late: bool,
) -> None:
    rows = session.execute(
        sa.select(
            Transaction.wallet_id,
            Transaction.kind,
            _RERATED,
            sa.func.count(),
            sa.func.sum(Transaction.amount),
        )
        .where(*conditions)
        .group_by(Transaction.wallet_id, Transaction.kind, _RERATED)
    )
    for wallet_id, kind, rerated, count, amount in rows:
        key = SumKey(kind, bool(rerated), is_late)
        found.setdefault(wallet_id, Figures()).sums[key] = Sum(count, int(amount))


def _add_links(
    session: Session, found: dict[int, Figures], conditions: Sequence[sa.ColumnElement[bool]]
) -> None:
    rows = session.execute(
        sa.select(
            Transaction.wallet_id,
            UsageEvent.link_id,
            Link.name,
            sa.func.count(),
            sa.func.sum(Transaction.amount),
        )
        .join(UsageEvent, UsageEvent.id == Transaction.event_id)
        .join(Link, Link.id == UsageEvent.link_id)
        .where(_IS_CHARGE, *conditions)
        .group_by(Transaction.wallet_id, UsageEvent.link_id, Link.name)
    )
    for wallet_id, link_id, name, count, amount in rows:
        links = found[wallet_id].links
        known = links.get(link_id, LinkSum(name, 0, 0))
        links[link_id] = LinkSum(name, known.answers + count, known.charge - int(amount))


def _add_models(
    session: Session,
    found: dict[int, Figures],
    conditions: Sequence[sa.ColumnElement[bool]],
    lines: sa.ColumnElement[bool],
) -> None:
    rows = session.execute(
        sa.select(
            Transaction.wallet_id,
            UsageLine.model,
            sa.func.count(),
            sa.func.sum(UsageLine.charge),
        )
        .join(UsageLine, UsageLine.event_id == Transaction.event_id)
        .where(_IS_CHARGE, lines, *conditions)
        .group_by(Transaction.wallet_id, UsageLine.model)
    )
    for wallet_id, model, count, charge in rows:
        models = found[wallet_id].models
        known = models.get(model, ModelSum(0, 0))
        models[model] = ModelSum(known.lines + count, known.charge + int(charge))


def _lines_within(period: Period, *, is_late: bool) -> sa.ColumnElement[bool]:
    """The partitions that have the lines: an answer is charged as of when it was received."""
    first, last = month_of(period.since), month_of(period.until)
    if is_late:
        return UsageLine.received_month <= first
    return UsageLine.received_month.between(first, last)


def _add_entries(
    session: Session,
    found: dict[int, Figures],
    conditions: Sequence[sa.ColumnElement[bool]],
    *,
    is_late: bool,
) -> None:
    rows = session.execute(
        sa.select(
            Transaction.wallet_id,
            Transaction.id,
            Transaction.posted_at,
            Transaction.kind,
            Transaction.amount,
            Transaction.reverses_id,
        )
        .where(Transaction.kind != "charge", sa.not_(_IS_RERATING), *conditions)
        .order_by(Transaction.id)
    )
    for wallet_id, number, posted_at, kind, amount, reverses in rows:
        entry = EntryFacts(number, canonical_time(posted_at), kind, amount, reverses, is_late)
        found[wallet_id].entries.append(entry)
