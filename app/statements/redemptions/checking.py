"""Whether every redeemed code has its transaction, and the reverse."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from app.ledger import grants, redemptions
from app.ledger.models import Transaction
from app.ledger.redemptions import Redemption
from app.ledger.verify import Finding
from app.statements.redemptions import store
from app.statements.redemptions.store import RedeemedFacts

CODES = ("code_without_transaction", "redemption_without_code", "redemption_differs")
"""Of every finding there is here."""


def verify(session: Session, *, since: datetime | None) -> Iterator[Finding]:
    """Everything wrong between codes and ledger; with ``since`` of what was redeemed from then."""
    for facts in store.iter_redeemed(session, since=since):
        yield from _broken(facts)
    for transaction_id in store.iter_without_code(session, since=since):
        yield Finding(
            "redemption_without_code",
            f"Transaction {transaction_id} redeems a code that does not say so. Compare it and "
            "redemption_codes with a backup.",
            {"transaction": transaction_id},
        )


def _broken(facts: RedeemedFacts) -> Iterator[Finding]:
    booked = facts.transaction
    if booked is None:
        yield Finding(
            "code_without_transaction",
            f"Code {facts.code_id} is redeemed, but its transaction is missing. Restore it from a "
            "backup.",
            {"code": facts.code_id},
        )
        return
    is_right = (
        _is_of_kind(booked, facts.credit_priority)
        and booked.amount == facts.worth
        and facts.booked_user_id == facts.user_id
        and redemptions.find(booked.details) == Redemption(facts.code_id, facts.batch_id)
    )
    if not is_right:
        yield Finding(
            "redemption_differs",
            f"Code {facts.code_id} is redeemed by user {facts.user_id}, but transaction "
            f"{booked.id} is not that code's worth in that user's wallet. Compare both with a "
            "backup.",
            {"code": facts.code_id, "transaction": booked.id},
        )


def _is_of_kind(booked: Transaction, priority: int | None) -> bool:
    """Paid or granted credit, as the batch says."""
    if priority is None:
        return booked.kind == "redemption"
    terms = grants.find(booked.details)
    return booked.kind == "grant" and terms is not None and terms.priority == priority
