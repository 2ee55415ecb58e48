"""The credit that a plan gives each of its users every month, once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.ledger import writer
from app.ledger.credit import store
from app.ledger.credit.writer import Gift, give
from app.ledger.grants import Terms, monthly_key
from app.ledger.models import Account

ACTOR = "plan"
"""Who gives it, in the books."""


@dataclass(frozen=True, slots=True)
class Monthly:
    """What a plan gives in a month: ``amount`` in nano-units, until the month ends.

    ``month`` is such as ``2026-11``, by the operator's clock.
    """

    plan_id: int
    plan_name: str
    amount: int
    priority: int
    month: str
    ends_at: datetime

    def gift(self, user_id: int) -> Gift:
        return Gift(
            terms=Terms(
                expires_at=self.ends_at,
                priority=self.priority,
                source="plan",
                plan_id=self.plan_id,
                month=self.month,
            ),
            amount=self.amount,
            idempotency_key=monthly_key(self.month, self.plan_id, user_id),
            actor=ACTOR,
            reason=f"{self.plan_name}, {self.month}",
        )


def is_due(session: Session, user_id: int, monthly: Monthly) -> bool:
    """Whether the user has not had it yet."""
    return store.find_monthly(session, user_id, monthly.plan_id, monthly.month) is None


def give_monthly(
    session: Session, wallet: Account, monthly: Monthly, *, now: datetime
) -> writer.Posted | None:
    """Give it to the user of a locked wallet; None when they have had it.

    The amount of the plan may have changed since: what was given stays as it was.
    """
    user_id = wallet.user_id or 0
    if not is_due(session, user_id, monthly):
        return None
    return give(session, wallet, monthly.gift(user_id), now=now)
