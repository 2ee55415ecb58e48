"""A wallet's statement of a period: what stood in it before and after, and everything between."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.ledger import store as ledger_store
from app.ledger.models import Account
from app.statements.periods import store
from app.statements.periods.store import KindSum
from app.statements.statement import StatementEntry, entries_of


@dataclass(frozen=True, slots=True)
class PeriodStatement:
    """Nano-units; ``closing`` is ``opening`` and all ``sums`` together.

    A transaction belongs to the time it was posted at, which for an answer is when it came. What
    waited in the spool was written later than that: ``balance_after`` of its neighbours may jump.
    """

    opening: int
    closing: int
    sums: Sequence[KindSum]
    entries: Sequence[StatementEntry]
    """One page of them, newest first."""
    next_before: int | None


def load_period(
    session: Session,
    user_id: int,
    *,
    since: datetime,
    until: datetime,
    before: int | None,
    limit: int,
    now: datetime,
) -> PeriodStatement:
    """The user's transactions from ``since`` up to, not including, ``until``.

    Who has no wallet yet has an empty one.
    """
    wallet = ledger_store.find_account(session, user_id)
    if wallet is None:
        return PeriodStatement(0, 0, (), (), None)
    found = store.read_period(
        session, wallet, since=since, until=until, before=before, limit=limit + 1
    )
    sums, page = found.sums, found.page[:limit]
    opening = _opening(session, wallet, since, until, sums, now=now)
    return PeriodStatement(
        opening=opening,
        closing=opening + sum(one.amount for one in sums),
        sums=sums,
        entries=entries_of(session, page, has_arithmetic=False),
        next_before=page[-1].sequence if len(found.page) > limit else None,
    )


def _opening(
    session: Session,
    wallet: Account,
    since: datetime,
    until: datetime,
    sums: Sequence[KindSum],
    *,
    now: datetime,
) -> int:
    """Added up from the wallet's beginning, or taken from what is in it: whichever is nearer."""
    if since - wallet.created_at < now - until:
        return store.sum_before(session, wallet, since)
    closing = wallet.balance - store.sum_from(session, wallet, until)
    return closing - sum(one.amount for one in sums)
