"""Every SQL statement on price versions, the use of allowances, and events priced again."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.ledger import reratings
from app.ledger.models import Transaction
from app.money import to_nano
from app.pricing.book import PriceBook
from app.pricing.models import AllowanceUse, PriceVersion
from app.pricing.standing import Rerated
from app.upserts import upsert_adding

_REVERSAL = orm.aliased(Transaction)
_RERATINGS = (
    sa.select(Transaction, _REVERSAL.sequence)
    .outerjoin(_REVERSAL, _REVERSAL.reverses_id == Transaction.id)
    .where(Transaction.idempotency_key.in_(sa.bindparam("keys", expanding=True)))
)


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
    version = session.get(PriceVersion, version_id) if version_id < 2**63 else None
    if version is None:
        raise PriceVersionNotFound(
            f"there is no price version {version_id}; `shareauth prices list` shows them"
        )
    return version


def book_of(version: PriceVersion) -> PriceBook:
    """The version's book, amounts as ``Decimal``."""
    return PriceBook.model_validate(version.document)


def costs_per_point(session: Session) -> dict[int, int]:
    """What a point costs the operator by each version that says it, in nano-units."""
    rows = session.execute(sa.select(PriceVersion.id, PriceVersion.document))
    said = {row[0]: row[1].get("cost_per_point") for row in rows}
    return {version: to_nano(Decimal(cost)) for version, cost in said.items() if cost is not None}


def list_all(session: Session) -> Sequence[PriceVersion]:
    """All versions, the one that takes effect last first."""
    return session.scalars(
        sa.select(PriceVersion).order_by(PriceVersion.effective_at.desc(), PriceVersion.id.desc())
    ).all()


def list_page(
    session: Session, *, limit: int, after: tuple[datetime, int] | None = None
) -> Sequence[PriceVersion]:
    """In the same order, those behind the one of that ``effective_at`` and id."""
    newest_first = (PriceVersion.effective_at.desc(), PriceVersion.id.desc())
    statement = sa.select(PriceVersion).order_by(*newest_first).limit(limit)
    if after is not None:
        at, version_id = after
        statement = statement.where(
            (PriceVersion.effective_at < at)
            | ((PriceVersion.effective_at == at) & (PriceVersion.id < version_id))
        )
    return session.scalars(statement).all()


def find_before(session: Session, version: PriceVersion) -> PriceVersion | None:
    """The version that this one takes over from."""
    found = list_page(session, limit=1, after=(version.effective_at, version.id))
    return found[0] if found else None


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


def move_allowances(session: Session, changes: Mapping[tuple[int, str], int]) -> None:
    """Change what each user has used of a month's allowance, up or down. Wallets are locked."""
    for (user_id, month), change in sorted(changes.items()):
        if not change:
            continue
        use = session.get(AllowanceUse, (user_id, month), populate_existing=True)
        if use is None:
            use = AllowanceUse(user_id=user_id, month=month, used=0)
            session.add(use)
        # Less than nothing only when service.time_zone was changed, and with it what a month is.
        use.used = max(use.used + change, 0)
    session.flush()


def load_reratings(session: Session, references: Collection[str]) -> dict[str, list[Rerated]]:
    """How each of these events was priced again, first to last; every one asked for has a list.

    Found by their idempotency keys, which are numbered: a query for each number.
    """
    found: dict[str, list[Rerated]] = {reference: [] for reference in references}
    wanted = sorted(found)
    ordinal = 0
    while wanted:
        ordinal += 1
        keys = {reratings.key(reference, ordinal): reference for reference in wanted}
        wanted = []
        for row, reversed_at in session.execute(_RERATINGS, {"keys": list(keys)}):
            rerating = reratings.find(row.details)
            if rerating is not None:
                reference = keys[row.idempotency_key]
                found[reference].append(Rerated(row.id, row.sequence, rerating, reversed_at))
                wanted.append(reference)
    return found
