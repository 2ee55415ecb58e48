"""Which grants wallets have, and where in their chains these begin and end."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.closings.sums.store import Stretch
from app.ledger.credit.models import Grant
from app.ledger.grants import EXPIRY_PREFIX
from app.ledger.models import Transaction

_Expiry = aliased(Transaction)


@dataclass(frozen=True, slots=True)
class End:
    """The expiry that closes a grant."""

    transaction: int
    sequence: int
    at: datetime
    is_revocation: bool


@dataclass(frozen=True, slots=True)
class Life:
    """One grant of a wallet, from its transaction to the one that ends it, if that is there."""

    wallet: int
    transaction: int
    sequence: int
    source: str
    plan: int | None
    month: str | None
    priority: int
    granted_at: datetime
    expires_at: datetime | None
    amount: int
    end: End | None


def lives(session: Session, stretch: Stretch, *, upto: int) -> dict[int, list[Life]]:
    """The grants of these wallets as of that transaction, by wallet, oldest first."""
    # The key of an expiry names its grant, and is looked up by its index.
    user, sequence = sa.cast(Grant.user_id, sa.String), sa.cast(Grant.sequence, sa.String)
    key = sa.literal(EXPIRY_PREFIX).concat(user).concat(":").concat(sequence)
    rows = session.execute(
        sa.select(Grant, _Expiry.id, _Expiry.sequence, _Expiry.posted_at)
        .outerjoin(_Expiry, sa.and_(_Expiry.idempotency_key == key, _Expiry.id <= upto))
        .where(stretch.holds(Grant.wallet_id), Grant.transaction_id <= upto)
        .order_by(Grant.wallet_id, Grant.sequence)
    )
    found: dict[int, list[Life]] = {}
    for grant, number, place, at in rows:
        is_open = number is None  # of an outer join
        end = None if is_open else End(number, place, at, grant.closed_as == "revoked")
        found.setdefault(grant.wallet_id, []).append(_life(grant, end))
    return found


def _life(grant: Grant, end: End | None) -> Life:
    return Life(
        wallet=grant.wallet_id,
        transaction=grant.transaction_id,
        sequence=grant.sequence,
        source=grant.source,
        plan=grant.plan_id,
        month=grant.month,
        priority=grant.priority,
        granted_at=grant.granted_at,
        expires_at=grant.expires_at,
        amount=grant.amount,
        end=end,
    )
