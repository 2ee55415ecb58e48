"""``/accounts``, ``/transactions`` and ``/ledger``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import ledger
from app.admin.resources.ledger import (
    AccountPage,
    AccountQuery,
    ReversalBody,
    TransactionPage,
    TransactionQuery,
    VerificationBody,
    VerificationOut,
    WholeTransactionOut,
)
from app.admin.resources.wallets import FundedOut

section = Section("ledger", "Ledger")


@section.get("/accounts", permission="ledger:read")
def list_accounts(desk: Desk, query: AccountQuery) -> AccountPage:
    """List the house's accounts and every wallet with its balance."""
    return ledger.accounts(desk, query)


@section.get("/transactions", permission="ledger:read")
def list_transactions(desk: Desk, query: TransactionQuery) -> TransactionPage:
    """List transactions, newest first."""
    return ledger.transactions(desk, query)


@section.get("/transactions/<int:transaction_id>", permission="ledger:read")
def get_transaction(desk: Desk, transaction_id: int) -> WholeTransactionOut:
    """Show one transaction with its postings and its place in the wallet's hash chain."""
    return ledger.transaction(desk, transaction_id)


@section.post(
    "/transactions/<int:transaction_id>/reversal",
    permission="wallets:write",
    status=201,
    idempotent=True,
)
def reverse_transaction(
    desk: Desk, transaction_id: int, body: ReversalBody, idempotency_key: str
) -> FundedOut:
    """Undo one transaction by its exact opposite; both stay."""
    return ledger.reverse(desk, transaction_id, body, key=idempotency_key)


@section.post("/ledger/verification", permission="ledger:verify")
def verify_ledger(desk: Desk, body: VerificationBody) -> VerificationOut:
    """Derive what was written in the last days anew, while you wait.

    It stops after a few seconds (`verification_too_long`). The whole is verified every night, and
    by `shareauth ledger verify`.
    """
    return ledger.verify(desk, body)
