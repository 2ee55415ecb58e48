"""What of a user's balance was granted, what was paid, and when which part of it expires."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.ledger import store as ledger_store
from app.ledger.credit import store
from app.ledger.credit.models import Grant
from app.ledger.credit.writer import load


@dataclass(frozen=True, slots=True)
class Left:
    """A grant with something left that may still be spent; nano-units."""

    grant: Grant
    left: int


@dataclass(frozen=True, slots=True)
class CreditStanding:
    """``granted`` may be spent before ``paid`` credit, in the order of ``grants``; nano-units.

    ``lapsing`` is of grants that are over, whose rest is about to leave the balance.
    """

    grants: Sequence[Left] = ()
    paid: int = 0
    lapsing: int = 0

    @property
    def granted(self) -> int:
        return sum(one.left for one in self.grants)


def credit_standing(session: Session, user_id: int, now: datetime) -> CreditStanding:
    """Where the user's credit stands now; a user without a wallet has none of any kind."""
    wallet = ledger_store.find_account(session, user_id)
    if wallet is None:
        return CreditStanding()
    credit = load(session, wallet)
    if credit is None:
        return CreditStanding(paid=wallet.balance)
    rows = {row.sequence: row for row in store.list_open(session, wallet.id)}
    grants = [
        Left(rows[sequence], held.remaining)
        for sequence, held in credit.in_force(now)
        if sequence in rows
    ]
    lapsing = credit.granted - sum(one.left for one in grants)
    return CreditStanding(grants, credit.paid, lapsing)
