"""Every SQL statement on closings, the one that is under way, statements, and their numbers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.closings.content import number_of
from app.closings.models import Closing, ClosingRun, FrozenStatement
from app.errors import NotFound
from app.ids import among
from app.upserts import insert_ignoring
from app.users.models import User

PAGE_ROWS = 500
_IS_CLOSED = FrozenStatement.month.in_(sa.select(Closing.month))


class ClosingNotFound(NotFound):
    """That month is not closed."""

    code = "closing_not_found"


class StatementNotFound(NotFound):
    """There is no such statement."""

    code = "statement_not_found"


class Previous(NamedTuple):
    """A wallet's statement of the month before."""

    number: str
    closing: int


@dataclass(frozen=True, slots=True)
class YearNumbers:
    """How many statements a year has, and the last number of them."""

    year: int
    count: int
    last: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which statements; None: whatever it is."""

    month: int | None = None
    user_id: int | None = None
    department: str | None = None
    kind: str | None = None
    text: str | None = None
    """Part of a subject, uid or name; or of a department's name."""


def find_last(session: Session) -> Closing | None:
    return session.scalar(sa.select(Closing).order_by(Closing.month.desc()).limit(1))


def find_before(session: Session, month: int) -> Closing | None:
    """The closing of the newest month before this one."""
    return session.scalar(
        sa.select(Closing).where(Closing.month < month).order_by(Closing.month.desc()).limit(1)
    )


def find(session: Session, month: int) -> Closing | None:
    return session.scalar(sa.select(Closing).where(Closing.month == month))


def get(session: Session, month: int) -> Closing:
    """Raises: ClosingNotFound."""
    found = find(session, month)
    if found is None:
        raise ClosingNotFound(
            f"{month // 100:04}-{month % 100:02} is not closed; `shareauth closings list` shows "
            "which months are"
        )
    return found


def list_page(
    session: Session, *, before: int | None = None, limit: int = PAGE_ROWS
) -> Sequence[Closing]:
    """Closings, the newest month first, of months before ``before``."""
    statement = sa.select(Closing).order_by(Closing.month.desc()).limit(limit)
    if before is not None:
        statement = statement.where(Closing.month < before)
    return session.scalars(statement).all()


def list_all(session: Session) -> Sequence[Closing]:
    """Every closing, the first month first."""
    return session.scalars(sa.select(Closing).order_by(Closing.month)).all()


def find_run(session: Session) -> ClosingRun | None:
    return session.scalar(sa.select(ClosingRun))


def lock_run(session: Session) -> ClosingRun | None:
    """The closing that is under way, for this transaction alone."""
    return session.scalar(
        sa.select(ClosingRun).with_for_update().execution_options(populate_existing=True)
    )


def begin_run(session: Session, row: dict[str, Any]) -> bool:
    """Write down that a month is being closed; False when one is already."""
    return insert_ignoring(ClosingRun, session, [{"id": 1, **row}]) == 1


def end_run(session: Session, run: ClosingRun, closing: Closing) -> None:
    session.add(closing)
    session.delete(run)
    session.flush()


def next_ordinal(session: Session, year: int) -> int:
    last = session.scalar(
        sa.select(sa.func.max(FrozenStatement.ordinal)).where(FrozenStatement.year == year)
    )
    return (last or 0) + 1


def insert_statements(session: Session, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(sa.insert(FrozenStatement), rows)


def previous_of(
    session: Session, month: int | None, user_ids: Collection[int]
) -> dict[int, Previous]:
    """What these users' statements of that month closed with, by user."""
    if month is None or not user_ids:
        return {}
    rows = session.execute(
        sa.select(
            FrozenStatement.user_id,
            FrozenStatement.year,
            FrozenStatement.ordinal,
            FrozenStatement.closing,
        ).where(FrozenStatement.month == month, among(FrozenStatement.user_id, user_ids))
    )
    return {row[0] or 0: Previous(number_of(row[1], row[2]), row[3]) for row in rows}


def next_department(session: Session, month: int, *, after: str | None) -> str | None:
    """The department that follows, by the name, among the wallets' statements of the month."""
    statement = sa.select(sa.func.min(FrozenStatement.department)).where(
        FrozenStatement.month == month, FrozenStatement.kind == "wallet"
    )
    if after is not None:
        statement = statement.where(FrozenStatement.department > after)
    return session.scalar(statement)


def count_departments(session: Session, month: int) -> int:
    counted = sa.select(sa.func.count(FrozenStatement.department.distinct())).where(
        FrozenStatement.month == month, FrozenStatement.kind == "wallet"
    )
    return session.scalar(counted) or 0


def iter_members(session: Session, month: int, department: str) -> Iterator[FrozenStatement]:
    """The wallets' statements of a department, in the order of their numbers."""
    statement = sa.select(FrozenStatement).where(
        FrozenStatement.month == month,
        FrozenStatement.kind == "wallet",
        FrozenStatement.department == department,
    )
    return _pages(session, statement)


def iter_statements(session: Session, month: int, kind: str) -> Iterator[FrozenStatement]:
    """All statements of a month and kind, in the order of their numbers."""
    statement = sa.select(FrozenStatement).where(
        FrozenStatement.month == month, FrozenStatement.kind == kind
    )
    return _pages(session, statement)


def iter_hashes(session: Session, month: int) -> Iterator[tuple[int, int, str, int, int]]:
    """Ordinal, id, hash, opening and closing of each of a month's, wallets' and departments'.

    The balances of departments are those of their wallets and count as zero here.
    """
    last = 0
    is_wallet = FrozenStatement.kind == "wallet"
    while True:
        page = session.execute(
            sa.select(
                FrozenStatement.ordinal,
                FrozenStatement.id,
                FrozenStatement.hash,
                sa.case((is_wallet, FrozenStatement.opening), else_=0),
                sa.case((is_wallet, FrozenStatement.closing), else_=0),
            )
            .where(FrozenStatement.month == month, FrozenStatement.ordinal > last)
            .order_by(FrozenStatement.ordinal)
            .limit(PAGE_ROWS)
        ).all()
        if not page:
            return
        yield from ((row[0], row[1], row[2], row[3], row[4]) for row in page)
        last = page[-1][0]


def statements_of(
    session: Session, month: int, user_ids: Collection[int]
) -> dict[int, FrozenStatement]:
    """The statements of these users in that month, by user."""
    rows = session.scalars(
        sa.select(FrozenStatement).where(
            FrozenStatement.month == month, among(FrozenStatement.user_id, user_ids)
        )
    )
    return {row.user_id: row for row in rows if row.user_id is not None}


def numbers_by_year(session: Session) -> list[YearNumbers]:
    rows = session.execute(
        sa.select(FrozenStatement.year, sa.func.count(), sa.func.max(FrozenStatement.ordinal))
        .group_by(FrozenStatement.year)
        .order_by(FrozenStatement.year)
    )
    return [YearNumbers(*row) for row in rows]


def get_statement(session: Session, year: int, ordinal: int) -> FrozenStatement:
    """A statement of a closed month.

    Raises:
        StatementNotFound: there is none of this number, or its month is still being closed.
    """
    found = session.scalar(
        sa.select(FrozenStatement).where(
            FrozenStatement.year == year, FrozenStatement.ordinal == ordinal, _IS_CLOSED
        )
    )
    if found is None:
        raise StatementNotFound(
            f"there is no statement {number_of(year, ordinal)}; `shareauth statements list` shows "
            "them"
        )
    return found


def list_statements(
    session: Session, wanted: Wanted, *, before: tuple[int, int] | None = None, limit: int
) -> Sequence[FrozenStatement]:
    """Statements of closed months, the newest number first; ``before`` is year and ordinal."""
    order = (FrozenStatement.year, FrozenStatement.ordinal)
    statement = sa.select(FrozenStatement).where(_IS_CLOSED, *_conditions(wanted))
    if before is not None:
        statement = statement.where(sa.tuple_(*order) < sa.tuple_(*before))
    return session.scalars(
        statement.order_by(*(column.desc() for column in order)).limit(limit)
    ).all()


def list_to_mail(
    session: Session, month: int, *, after: int, limit: int
) -> Sequence[FrozenStatement]:
    """The wallets' statements of a month with ordinals above ``after``."""
    return session.scalars(
        sa.select(FrozenStatement)
        .where(
            _IS_CLOSED,
            FrozenStatement.month == month,
            FrozenStatement.kind == "wallet",
            FrozenStatement.ordinal > after,
        )
        .order_by(FrozenStatement.ordinal)
        .limit(limit)
    ).all()


def _conditions(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.month is not None:
        yield FrozenStatement.month == wanted.month
    if wanted.user_id is not None:
        yield FrozenStatement.user_id == wanted.user_id
    if wanted.kind is not None:
        yield FrozenStatement.kind == wanted.kind
    if wanted.department is not None:
        yield FrozenStatement.department == wanted.department
    if wanted.text:
        fits = (
            User.subject.icontains(wanted.text, autoescape=True),
            User.name.icontains(wanted.text, autoescape=True),
            User.uid == wanted.text,
        )
        users = sa.select(User.id).where(sa.or_(*fits))
        yield sa.or_(
            FrozenStatement.user_id.in_(users),
            FrozenStatement.department.icontains(wanted.text, autoescape=True),
        )


def _pages(session: Session, statement: sa.Select[FrozenStatement]) -> Iterator[FrozenStatement]:
    last = 0
    while True:
        page = session.scalars(
            statement.where(FrozenStatement.ordinal > last)
            .order_by(FrozenStatement.ordinal)
            .limit(PAGE_ROWS)
        ).all()
        if not page:
            return
        yield from page
        last = page[-1].ordinal
        for row in page:
            session.expunge(row)


def sum_of_wallets(session: Session, month: int) -> tuple[int, int]:
    """What the wallets' statements of the month open and close with, all together."""
    opening, closing = session.execute(
        sa.select(sa.func.sum(FrozenStatement.opening), sa.func.sum(FrozenStatement.closing)).where(
            FrozenStatement.month == month, FrozenStatement.kind == "wallet"
        )
    ).one()
    return int(opening or 0), int(closing or 0)
