"""Every SQL statement on redemption codes and their batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.codes.models import CodeAttempts, CodeBatch, RedemptionCode
from app.errors import NotFound
from app.upserts import execute_rows, insert_ignoring


class BatchNotFound(NotFound):
    """No batch has this name."""

    code = "code_batch_not_found"


@dataclass(frozen=True, slots=True)
class CountedBatch:
    batch: CodeBatch
    redeemed: int


@dataclass(frozen=True, slots=True)
class ListedCode:
    """One code without its text, and who redeemed it; None until somebody does."""

    id: int
    serial: int
    redeemed_at: datetime | None
    user_id: int | None
    subject: str | None
    transaction_id: int | None


@dataclass(frozen=True, slots=True)
class FoundCode:
    code: ListedCode
    batch: CodeBatch


@dataclass(frozen=True, slots=True)
class LockedCode:
    code: RedemptionCode
    batch: CodeBatch


_users = sa.table("users", sa.column("id", sa.BigInteger), sa.column("subject", sa.Text))
"""Only subjects, for lists: users belong to another domain."""
_LISTED = sa.select(
    RedemptionCode.id,
    RedemptionCode.serial,
    RedemptionCode.redeemed_at,
    RedemptionCode.redeemed_by,
    _users.c.subject,
    RedemptionCode.transaction_id,
).outerjoin(_users, _users.c.id == RedemptionCode.redeemed_by)


def insert_codes(session: Session, rows: list[dict[str, object]]) -> None:
    """Rows of ``redemption_codes``, of which there is at least one."""
    session.flush()
    execute_rows(session, sa.insert(RedemptionCode.__table__), rows)  # type: ignore[arg-type]


def find_batch(session: Session, name: str) -> CodeBatch | None:
    return session.scalar(sa.select(CodeBatch).where(CodeBatch.name == name))


def get_batch(session: Session, name: str) -> CodeBatch:
    """The batch of that name.

    Raises:
        BatchNotFound: there is none.
    """
    batch = find_batch(session, name)
    if batch is None:
        raise BatchNotFound(
            f"there is no batch of codes {name!r}; `shareauth codes list` shows them"
        )
    return batch


def lock_batch(session: Session, batch_id: int, *, for_change: bool) -> CodeBatch:
    """The batch as it is now: nobody changes it until this transaction ends.

    Without ``for_change`` others may hold it likewise: redemptions do not wait for each other.
    """
    return session.scalars(
        sa.select(CodeBatch)
        .where(CodeBatch.id == batch_id)
        .with_for_update(read=not for_change)
        .execution_options(populate_existing=True)
    ).one()


def list_batches(
    session: Session,
    *,
    status: str | None = None,
    search: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[CountedBatch]:
    """Newest first, those before ``before_id``; ``search`` is a part of the name, of any case."""
    redeemed = (
        sa.select(sa.func.count())
        .where(RedemptionCode.batch_id == CodeBatch.id, RedemptionCode.redeemed_at.is_not(None))
        .scalar_subquery()
    )
    statement = sa.select(CodeBatch, redeemed).order_by(CodeBatch.id.desc()).limit(limit)
    if status is not None:
        statement = statement.where(CodeBatch.status == status)
    if search is not None:
        name = sa.func.lower(CodeBatch.name)
        statement = statement.where(name.contains(search.lower(), autoescape=True))
    if before_id is not None:
        statement = statement.where(CodeBatch.id < before_id)
    return [CountedBatch(batch, count) for batch, count in session.execute(statement)]


def count_redeemed(session: Session, batch_id: int) -> int:
    counted = sa.select(sa.func.count()).where(
        RedemptionCode.batch_id == batch_id, RedemptionCode.redeemed_at.is_not(None)
    )
    return session.scalar(counted) or 0


def list_codes(
    session: Session,
    batch_id: int,
    *,
    is_redeemed: bool | None = None,
    after_serial: int = 0,
    limit: int = 100,
) -> list[ListedCode]:
    """Codes of the batch by serial, those after ``after_serial``; None lists both kinds."""
    statement = (
        _LISTED.where(RedemptionCode.batch_id == batch_id, RedemptionCode.serial > after_serial)
        .order_by(RedemptionCode.serial)
        .limit(limit)
    )
    if is_redeemed is not None:
        unused = RedemptionCode.redeemed_at.is_(None)
        statement = statement.where(sa.not_(unused) if is_redeemed else unused)
    return [ListedCode(*row) for row in session.execute(statement)]


def list_sealed(session: Session, batch_id: int) -> list[tuple[int, str]]:
    """Serial and sealed text of each code of the batch that still has one, by serial."""
    rows = session.execute(
        sa.select(RedemptionCode.serial, RedemptionCode.sealed_code)
        .where(RedemptionCode.batch_id == batch_id, RedemptionCode.sealed_code.is_not(None))
        .order_by(RedemptionCode.serial)
    )
    return [(serial, sealed) for serial, sealed in rows if sealed is not None]


def list_overdue(session: Session, now: datetime) -> Sequence[CodeBatch]:
    """Batches whose codes may not be shown any more, and still could be."""
    return session.scalars(sa.select(CodeBatch).where(CodeBatch.printable_until <= now)).all()


def drop_sealed(session: Session, batch_id: int) -> None:
    session.execute(
        sa.update(RedemptionCode)
        .where(RedemptionCode.batch_id == batch_id, RedemptionCode.sealed_code.is_not(None))
        .values(sealed_code=None)
        .execution_options(synchronize_session=False)
    )


def find_code(session: Session, digest: str) -> FoundCode | None:
    """The code of that digest and its batch, not locked."""
    row = session.execute(
        _LISTED.add_columns(CodeBatch)
        .join(CodeBatch, CodeBatch.id == RedemptionCode.batch_id)
        .where(RedemptionCode.digest == digest)
    ).one_or_none()
    return None if row is None else FoundCode(ListedCode(*row[:-1]), row[-1])


def lock_code(session: Session, digest: str) -> LockedCode | None:
    """The code of that digest as it is now, locked until this transaction ends.

    Its batch is held against changes before, in the order of whoever changes a batch and then its
    codes: else the two could deadlock.
    """
    batch_id = session.scalar(
        sa.select(RedemptionCode.batch_id).where(RedemptionCode.digest == digest)
    )
    if batch_id is None:
        return None
    batch = lock_batch(session, batch_id, for_change=False)
    code = session.scalars(
        sa.select(RedemptionCode)
        .where(RedemptionCode.digest == digest)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return LockedCode(code, batch)


def count_redeemed_by(session: Session, batch_id: int, user_id: int) -> int:
    counted = (
        sa.select(sa.func.count())
        .select_from(RedemptionCode)
        .where(RedemptionCode.batch_id == batch_id, RedemptionCode.redeemed_by == user_id)
    )
    return session.scalar(counted) or 0


def lock_attempts(session: Session, user_id: int, *, now: datetime) -> CodeAttempts:
    """The user's attempts, made if missing and locked until this transaction ends.

    Raises:
        IntegrityError: there is no such user.
    """
    locked = (
        sa.select(CodeAttempts)
        .where(CodeAttempts.user_id == user_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    attempts = session.scalar(locked)
    if attempts is None:
        row = {"user_id": user_id, "failures": 0, "window_began_at": now}
        insert_ignoring(CodeAttempts, session, [row])
        attempts = session.scalars(locked).one()
    return attempts
