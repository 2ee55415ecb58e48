"""Every SQL statement that reads redeemed codes and the ledger together."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.codes.models import CodeBatch, RedemptionCode
from app.ledger.models import Account, Transaction
from app.ledger.redemptions import PREFIX

PAGE_ROWS = 500


@dataclass(frozen=True, slots=True)
class RedeemedFacts:
    """A redeemed code beside its transaction; None where there is none."""

    code_id: int
    batch_id: int
    user_id: int
    worth: int
    credit_priority: int | None
    """Of the granted credit that its batch gives; None: it gives paid credit."""
    transaction: Transaction | None
    booked_user_id: int | None


def iter_redeemed(session: Session, *, since: datetime | None) -> Iterator[RedeemedFacts]:
    """Redeemed codes by id; with ``since`` those redeemed from then on."""
    statement = (
        sa.select(
            RedemptionCode.id,
            RedemptionCode.batch_id,
            RedemptionCode.redeemed_by,
            CodeBatch.amount,
            CodeBatch.credit_priority,
            Transaction,
            Account.user_id,
        )
        .join(CodeBatch, CodeBatch.id == RedemptionCode.batch_id)
        .outerjoin(Transaction, Transaction.id == RedemptionCode.transaction_id)
        .outerjoin(Account, Account.id == Transaction.wallet_id)
        .where(RedemptionCode.redeemed_at.is_not(None))
        .order_by(RedemptionCode.id)
        .limit(PAGE_ROWS)
    )
    if since is not None:
        statement = statement.where(RedemptionCode.redeemed_at >= since)
    last = 0
    while True:
        rows = session.execute(statement.where(RedemptionCode.id > last)).all()
        for code_id, batch_id, user_id, worth, priority, transaction, booked_user_id in rows:
            yield RedeemedFacts(
                code_id, batch_id, user_id or 0, worth, priority, transaction, booked_user_id
            )
        if len(rows) < PAGE_ROWS:
            return
        last = rows[-1][0]


def iter_without_code(session: Session, *, since: datetime | None) -> Iterator[int]:
    """Redemptions that are no code's, by id; with ``since`` those posted from then on.

    Credit that codes granted likewise.
    """
    of_code = (Transaction.kind == "redemption") | (
        (Transaction.kind == "grant") & Transaction.idempotency_key.startswith(PREFIX)
    )
    statement = (
        sa.select(Transaction.id)
        .outerjoin(RedemptionCode, RedemptionCode.transaction_id == Transaction.id)
        .where(of_code, RedemptionCode.id.is_(None))
        .order_by(Transaction.id)
        .limit(PAGE_ROWS)
    )
    if since is not None:
        statement = statement.where(Transaction.posted_at >= since)
    last = 0
    while True:
        found = session.scalars(statement.where(Transaction.id > last)).all()
        yield from found
        if len(found) < PAGE_ROWS:
            return
        last = found[-1]
