"""Statements on unfinished turns."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.unfinished.models import UnfinishedTurn
from app.upserts import insert_ignoring

LATE_MAX = timedelta(hours=1)
"""A finish that comes later than this after a ticket expired is not taken for that ticket's."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""Tickets have the time of Redis, finishes that of the machine they came to."""


@dataclass(frozen=True, slots=True)
class UnfinishedRow:
    """What is known of a ticket that expired."""

    ticket: str
    user_id: int
    link_id: int
    plan_id: int | None
    is_guest: bool
    asked_at: datetime
    expired_at: datetime
    hold: int
    points_hold: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which turns are meant; None: whichever."""

    since: datetime | None = None
    link_id: int | None = None
    user_id: int | None = None
    until: datetime | None = None
    is_late: bool | None = None
    """Whether their finish came after all."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers and expected amounts (nano-units) of the turns meant."""

    open_turns: int
    """Those whose finish never came."""
    hold: int
    """Expected charges of these; likewise the points."""
    points_hold: int
    late_turns: int
    """Those whose finish came late, and was charged."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What became of rows: new in the table, or of users or links that these books do not have.

    The latter come from a Redis that remembers a database which was since replaced.
    """

    new: tuple[UnfinishedRow, ...]
    homeless: tuple[UnfinishedRow, ...]


def record(session: Session, rows: Sequence[UnfinishedRow]) -> Recording:
    """Insert those that are not there yet."""
    tickets = [row.ticket for row in rows]
    held = set(
        session.scalars(sa.select(UnfinishedTurn.ticket).where(UnfinishedTurn.ticket.in_(tickets)))
    )
    missing = [row for row in rows if row.ticket not in held]
    if _fits(session, missing):
        return Recording(tuple(missing), ())
    fits = {row.ticket: _fits(session, [row]) for row in missing}
    return Recording(
        new=tuple(row for row in missing if fits[row.ticket]),
        homeless=tuple(row for row in missing if not fits[row.ticket]),
    )


def finish_late(
    session: Session, *, user_id: int, link_id: int, received_at: datetime, finished_by: str
) -> bool:
    """Mark the turn that a late finish most probably belongs to; False when there is none.

    It is the newest that was asked before the finish came and did not expire long before it. The
    same finish marks one turn only, however often it is told.
    """
    known = sa.select(UnfinishedTurn.id).where(UnfinishedTurn.finished_by == finished_by)
    if session.scalar(known) is not None:
        return False
    turn = session.scalar(
        sa.select(UnfinishedTurn)
        .where(
            UnfinishedTurn.user_id == user_id,
            UnfinishedTurn.link_id == link_id,
            UnfinishedTurn.finished_late_at.is_(None),
            UnfinishedTurn.asked_at <= received_at + CLOCKS_DIFFER,
            UnfinishedTurn.expired_at >= received_at - LATE_MAX,
        )
        .order_by(UnfinishedTurn.asked_at.desc(), UnfinishedTurn.id.desc())
        .limit(1)
    )
    if turn is None:
        return False
    turn.finished_late_at = received_at
    turn.finished_by = finished_by
    session.flush()
    return True


def list_turns(
    session: Session, wanted: Wanted, *, limit: int, after: tuple[datetime, int] | None = None
) -> Sequence[UnfinishedTurn]:
    """Newest first; ``after`` is ``asked_at`` and id of the last one of the page before."""
    newest_first = (UnfinishedTurn.asked_at.desc(), UnfinishedTurn.id.desc())
    statement = sa.select(UnfinishedTurn).where(*_conditions(wanted))
    if after is not None:
        at, turn_id = after
        statement = statement.where(
            (UnfinishedTurn.asked_at < at)
            | ((UnfinishedTurn.asked_at == at) & (UnfinishedTurn.id < turn_id))
        )
    return session.scalars(statement.order_by(*newest_first).limit(limit)).all()


def list_of_user(
    session: Session, user_id: int, *, before_id: int | None, limit: int
) -> Sequence[UnfinishedTurn]:
    """All of a user's, by number, newest first, those below ``before_id``."""
    statement = sa.select(UnfinishedTurn).where(UnfinishedTurn.user_id == user_id)
    if before_id is not None:
        statement = statement.where(UnfinishedTurn.id < before_id)
    return session.scalars(statement.order_by(UnfinishedTurn.id.desc()).limit(limit)).all()


def totals(session: Session, wanted: Wanted) -> Totals:
    is_open = UnfinishedTurn.finished_late_at.is_(None)
    found = session.execute(
        sa.select(
            sa.func.count().filter(is_open),
            sa.func.coalesce(sa.func.sum(UnfinishedTurn.hold).filter(is_open), 0),
            sa.func.coalesce(sa.func.sum(UnfinishedTurn.points_hold).filter(is_open), 0),
            sa.func.count().filter(~is_open),
        ).where(*_conditions(wanted))
    ).one()
    return Totals(*map(int, found))  # PostgreSQL adds BIGINTs up to NUMERIC


def prune(session: Session, *, asked_before: datetime) -> int:
    """Delete what was asked before that time; returns how many."""
    outdated = sa.delete(UnfinishedTurn).where(UnfinishedTurn.asked_at < asked_before)
    return int(getattr(session.execute(outdated), "rowcount", 0))


def _fits(session: Session, rows: Sequence[UnfinishedRow]) -> bool:
    """Insert all of the rows or none."""
    try:
        with session.begin_nested():
            insert_ignoring(UnfinishedTurn, session, [asdict(row) for row in rows])
    except IntegrityError:
        return False
    return True


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(UnfinishedTurn.asked_at >= wanted.since)
    if wanted.link_id is not None:
        conditions.append(UnfinishedTurn.link_id == wanted.link_id)
    if wanted.user_id is not None:
        conditions.append(UnfinishedTurn.user_id == wanted.user_id)
    if wanted.until is not None:
        conditions.append(UnfinishedTurn.asked_at < wanted.until)
    if wanted.is_late is not None:
        is_open = UnfinishedTurn.finished_late_at.is_(None)
        conditions.append(~is_open if wanted.is_late else is_open)
    return conditions
