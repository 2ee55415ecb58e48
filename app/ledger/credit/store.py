"""Every SQL statement on grants and on what a replay of their wallets reads."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.db import UtcDateTime
from app.ids import among
from app.ledger import grants, reratings
from app.ledger.burndown import Move
from app.ledger.credit.models import Grant, GrantCheckpoint
from app.ledger.models import Account, Transaction

PAGE_ROWS = 1000

_Reversed = aliased(Transaction)
# Of usage only where an answer's charge stands, by the reference that a re-rating names, and when
# somebody's last was: its charge is posted at that time.
_EVENTS = sa.table(
    "usage_events",
    sa.column("id"),
    sa.column("reference"),
    sa.column("user_id"),
    sa.column("received_at", UtcDateTime),
)


@dataclass(frozen=True, slots=True)
class _Row:
    sequence: int
    at: datetime
    amount: int
    kind: str
    details: Mapping[str, Any]
    reversed_kind: str | None
    reversed_sequence: int | None
    reversed_details: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which grants; None: whatever it is. ``is_open``: not closed and something is left."""

    user_id: int | None = None
    source: str | None = None
    is_open: bool | None = None


@dataclass(frozen=True, slots=True)
class Breakage:
    """Grants of a plan, or of another ``source`` (None), in a period; nano-units.

    ``spent`` and ``lapsed`` are of those that ended in it, and are together what they were of;
    ``revoked`` is the part of ``lapsed`` that somebody took back.
    """

    plan_id: int | None
    source: str
    given: int = 0
    granted: int = 0
    ended: int = 0
    spent: int = 0
    lapsed: int = 0
    revoked: int = 0


def find_checkpoint(session: Session, wallet_id: int) -> GrantCheckpoint | None:
    return session.get(GrantCheckpoint, wallet_id)


def checkpoints_of(session: Session, wallet_ids: Collection[int]) -> Sequence[GrantCheckpoint]:
    statement = sa.select(GrantCheckpoint).where(among(GrantCheckpoint.wallet_id, wallet_ids))
    return session.scalars(statement).all()


def find(session: Session, transaction_id: int) -> Grant | None:
    return session.get(Grant, transaction_id)


def find_monthly(session: Session, user_id: int, plan_id: int, month: str) -> int | None:
    """The transaction of a plan's credit of that month, if it was given."""
    return session.scalar(
        sa.select(Grant.transaction_id).where(
            Grant.user_id == user_id, Grant.plan_id == plan_id, Grant.month == month
        )
    )


def had_monthly(
    session: Session, month: str, user_ids: Collection[int]
) -> set[tuple[int, int | None]]:
    """Who of these users was given which plan's credit of that month: ``(user, plan)``."""
    statement = sa.select(Grant.user_id, Grant.plan_id).where(
        Grant.month == month, among(Grant.user_id, user_ids)
    )
    return {(user_id, plan_id) for user_id, plan_id in session.execute(statement)}


def users_moved_since(
    session: Session, since: datetime, *, after: int, limit: int
) -> Sequence[int]:
    """Users above the id ``after`` to whose wallets something was posted since, by id.

    Two looks into indexes for each wallet, however long ago ``since`` is.
    """
    answered = sa.select(sa.func.max(_EVENTS.c.received_at)).where(
        _EVENTS.c.user_id == Account.user_id
    )
    moved = sa.select(sa.func.max(Transaction.posted_at)).where(
        # Written out, so that the index of these alone is used.
        Transaction.wallet_id == Account.id,
        Transaction.kind != sa.literal_column("'charge'"),
    )
    statement = sa.select(Account.user_id).where(
        Account.user_id > after,
        sa.or_(answered.scalar_subquery() >= since, moved.scalar_subquery() >= since),
    )
    found = session.scalars(statement.order_by(Account.user_id).limit(limit))
    return [user_id for user_id in found if user_id is not None]


def list_open(session: Session, wallet_id: int) -> Sequence[Grant]:
    """The grants of a wallet that are not closed, in the order they were given."""
    statement = sa.select(Grant).where(Grant.wallet_id == wallet_id, Grant.closed_at.is_(None))
    return session.scalars(statement.order_by(Grant.sequence)).all()


def list_of_wallet(session: Session, wallet_id: int) -> Sequence[Grant]:
    statement = sa.select(Grant).where(Grant.wallet_id == wallet_id)
    return session.scalars(statement.order_by(Grant.sequence)).all()


def list_grants(
    session: Session, wanted: Filters, *, before: int | None, limit: int
) -> Sequence[Grant]:
    """Grants, newest first, with a transaction below ``before``."""
    statement = sa.select(Grant)
    if wanted.user_id is not None:
        statement = statement.where(Grant.user_id == wanted.user_id)
    if wanted.source is not None:
        statement = statement.where(Grant.source == wanted.source)
    if wanted.is_open is not None:
        is_open = Grant.closed_at.is_(None)
        statement = statement.where(is_open if wanted.is_open else ~is_open)
    if before is not None:
        statement = statement.where(Grant.transaction_id < before)
    return session.scalars(statement.order_by(Grant.transaction_id.desc()).limit(limit)).all()


def reasons(session: Session, transaction_ids: Collection[int]) -> dict[int, str]:
    """What these grants are called, by transaction."""
    if not transaction_ids:
        return {}
    rows = session.execute(
        sa.select(Grant.transaction_id, Grant.reason).where(
            among(Grant.transaction_id, transaction_ids)
        )
    )
    return {row[0]: row[1] for row in rows}


def count_over(session: Session, moment: datetime) -> int:
    """Grants that are over by then and whose expiry is not in the books yet."""
    counted = sa.select(sa.func.count()).select_from(Grant)
    return session.scalar(counted.where(Grant.closed_at.is_(None), Grant.expires_at <= moment)) or 0


def sum_breakage(session: Session, *, since: datetime, until: datetime) -> list[Breakage]:
    """What was granted in the period, and what of ended grants was left, by plan.

    The plan's id is None for what operators and codes gave.
    """
    given = session.execute(
        sa.select(Grant.plan_id, Grant.source, sa.func.count(), sa.func.sum(Grant.amount))
        .where(Grant.granted_at >= since, Grant.granted_at < until)
        .group_by(Grant.plan_id, Grant.source)
    )
    ended = session.execute(
        sa.select(
            Grant.plan_id,
            Grant.source,
            sa.func.count(),
            sa.func.sum(Grant.amount),
            sa.func.sum(Grant.lapsed),
            sa.func.sum(sa.case((Grant.closed_as == "revoked", Grant.lapsed), else_=0)),
        )
        .where(Grant.closed_at >= since, Grant.closed_at < until)
        .group_by(Grant.plan_id, Grant.source)
    )
    sums = {
        (plan_id, source): Breakage(plan_id, source, count, int(amount))
        for plan_id, source, count, amount in given
    }
    for plan_id, source, count, amount, lapsed, revoked in ended:
        before = sums.get((plan_id, source), Breakage(plan_id, source))
        sums[plan_id, source] = replace(
            before,
            ended=count,
            spent=int(amount - lapsed),
            lapsed=int(lapsed),
            revoked=int(revoked),
        )
    return sorted(sums.values(), key=lambda one: (one.plan_id or 0, one.source != "operator"))


def wallets_with_expired(session: Session, now: datetime, *, limit: int) -> list[int]:
    """The users of wallets with a grant that is over and not closed, the longest over first."""
    statement = (
        sa.select(Grant.user_id)
        .where(Grant.closed_at.is_(None), Grant.expires_at <= now)
        .group_by(Grant.user_id)
        .order_by(sa.func.min(Grant.expires_at), Grant.user_id)
    )
    return list(session.scalars(statement.limit(limit)))


def wallets_behind(session: Session, *, limit: int) -> list[int]:
    """The users of wallets that went on since they were replayed, the farthest first."""
    statement = (
        sa.select(Account.user_id)
        .join(GrantCheckpoint, GrantCheckpoint.wallet_id == Account.id)
        .where(Account.version > GrantCheckpoint.sequence)
        .order_by((Account.version - GrantCheckpoint.sequence).desc(), Account.id)
    )
    return [user_id for user_id in session.scalars(statement.limit(limit)) if user_id is not None]


def moves(
    session: Session, wallet_id: int, *, after: int, upto: int | None = None
) -> Iterator[Move]:
    """A wallet's transactions above the sequence ``after``, in order, a page at a time."""
    last = after
    while True:
        page = _page(session, wallet_id, last, upto)
        if not page:
            return
        yield from _moves(session, wallet_id, page)
        last = page[-1].sequence


def corrected_answers(session: Session, wallet_id: int, *, upto: int | None = None) -> set[int]:
    """The charges whose answers were given back or priced again, by sequence."""
    found: set[int] = set()
    last = 0
    while True:
        page = _page(session, wallet_id, last, upto, without_charges=True)
        if not page:
            return found
        answers = (move.answer for move in _moves(session, wallet_id, page))
        found.update(answer for answer in answers if answer is not None)
        last = page[-1].sequence


def balance_at(session: Session, wallet_id: int, sequence: int) -> int:
    """The wallet's balance after that transaction; 0 before the first."""
    return (
        session.scalar(
            sa.select(Transaction.balance_after).where(
                Transaction.wallet_id == wallet_id, Transaction.sequence == sequence
            )
        )
        or 0
    )


def wallets_with_grants(
    session: Session, *, since: datetime | None, after: int, limit: int
) -> Sequence[Account]:
    """Wallets that have a grant in the books or as a row, by id; with ``since`` that moved."""
    granted = sa.select(Transaction.wallet_id).where(Transaction.kind.in_(["grant", "expiry"]))
    kept = sa.select(GrantCheckpoint.wallet_id)
    statement = sa.select(Account).where(
        Account.id > after, sa.or_(Account.id.in_(granted), Account.id.in_(kept))
    )
    if since is not None:
        moved = sa.select(Transaction.wallet_id).where(Transaction.posted_at >= since)
        statement = statement.where(Account.id.in_(moved))
    return session.scalars(statement.order_by(Account.id).limit(limit)).all()


def _page(
    session: Session,
    wallet_id: int,
    after: int,
    upto: int | None,
    *,
    without_charges: bool = False,
) -> list[_Row]:
    statement = (
        sa.select(
            Transaction.sequence,
            Transaction.posted_at,
            Transaction.amount,
            Transaction.kind,
            Transaction.details,
            _Reversed.kind,
            _Reversed.sequence,
            _Reversed.details,
        )
        .outerjoin(_Reversed, _Reversed.id == Transaction.reverses_id)
        .where(Transaction.wallet_id == wallet_id, Transaction.sequence > after)
        .order_by(Transaction.sequence)
        .limit(PAGE_ROWS)
    )
    if upto is not None:
        statement = statement.where(Transaction.sequence <= upto)
    if without_charges:
        statement = statement.where(Transaction.kind != "charge")
    return [_Row(*row) for row in session.execute(statement)]


def _moves(session: Session, wallet_id: int, page: Iterable[_Row]) -> Iterator[Move]:
    rows = list(page)
    answers = _answers(session, wallet_id, {ref for row in rows if (ref := _reference(row))})
    for row in rows:
        yield Move(
            sequence=row.sequence,
            at=row.at,
            amount=row.amount,
            terms=grants.find(row.details) if row.kind == "grant" else None,
            closing=grants.find_closing(row.details) if row.kind == "expiry" else None,
            answer=_answer(row, answers),
        )


def _answer(row: _Row, answers: Mapping[str, int]) -> int | None:
    if row.kind == "charge":
        return row.sequence
    if row.reversed_kind == "charge":
        return row.reversed_sequence
    return answers.get(_reference(row) or "")


def _reference(row: _Row) -> str | None:
    """Of the usage event that is priced again, or was before this takes it back."""
    for details in (row.details, row.reversed_details):
        rerating = reratings.find(details) if details else None
        if rerating is not None:
            return rerating.reference
    return None


def _answers(session: Session, wallet_id: int, references: Collection[str]) -> dict[str, int]:
    if not references:
        return {}
    statement = (
        sa.select(_EVENTS.c.reference, Transaction.sequence)
        .join(Transaction, Transaction.event_id == _EVENTS.c.id)
        .where(_EVENTS.c.reference.in_(sorted(references)), Transaction.wallet_id == wallet_id)
    )
    return {row[0]: row[1] for row in session.execute(statement)}
