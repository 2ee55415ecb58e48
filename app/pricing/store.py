"""Every SQL statement on price versions and on the use of allowances."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import upsert_adding
from app.errors import NotFound
from app.pricing.book import PriceBook
from app.pricing.models import AllowanceUse, PriceVersion


class PriceVersionNotFound(NotFound):
    """No price version has this number."""

    code = "price_version_not_found"


def find_in_force(session: Session, at: datetime) -> PriceVersion | None:
    """The version that applies at that time; None before the first.

    Of two that take effect at the same moment the later published wins.
    """
    return session.scalar(
        sa.select(PriceVersion)
        .where(PriceVersion.effective_at <= at)
        .order_by(PriceVersion.effective_at.desc(), PriceVersion.id.desc())
        .limit(1)
    )


def find_next(session: Session, after: datetime) -> PriceVersion | None:
    """The first version that takes effect later than that; until then nothing changes."""
    return session.scalar(
        sa.select(PriceVersion)
        .where(PriceVersion.effective_at > after)
        .order_by(PriceVersion.effective_at, PriceVersion.id.desc())
        .limit(1)
    )


def get(session: Session, version_id: int) -> PriceVersion:
    """The version of that number.

    Raises:
        PriceVersionNotFound: there is none.
    """
    version = session.get(PriceVersion, version_id)
    if version is None:
        raise PriceVersionNotFound(
            f"there is no price version {version_id}; `shareauth prices list` shows them"
        )
    return version


def book_of(version: PriceVersion) -> PriceBook:
    """The version's book, amounts as ``Decimal``."""
    return PriceBook.model_validate(version.document)


def list_all(session: Session) -> Sequence[PriceVersion]:
    """All versions, the one that takes effect last first."""
    return session.scalars(
        sa.select(PriceVersion).order_by(PriceVersion.effective_at.desc(), PriceVersion.id.desc())
    ).all()


def has_any(session: Session) -> bool:
    return session.scalar(sa.select(PriceVersion.id).limit(1)) is not None


def allowances_used(
    session: Session, months: Collection[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    """Nano-units used of each user's month (``(7, "2026-11")``), absent when none of it.

    Read it with the users' wallets locked.
    """
    if not months:
        return {}
    uses = sa.select(AllowanceUse.user_id, AllowanceUse.month, AllowanceUse.used).where(
        sa.tuple_(AllowanceUse.user_id, AllowanceUse.month).in_(sorted(months))
    )
    return {(user_id, month): used for user_id, month, used in session.execute(uses)}


def use_allowances(session: Session, taken: Mapping[tuple[int, str], int]) -> None:
    """Add to what each user has used of a month's allowance."""
    rows = [
        {"user_id": user_id, "month": month, "used": used}
        for (user_id, month), used in sorted(taken.items())
        if used
    ]
    upsert_adding(AllowanceUse, session, rows, key=["user_id", "month"], add=["used"])
