"""``/users/{id}/wallet`` and what moves money in it."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import wallets
from app.admin.resources.wallets import (
    AdjustBody,
    FundedOut,
    LimitsOut,
    LimitsQuery,
    PaidBody,
    StatementOut,
    StatementQuery,
    WalletOut,
)

section = Section("wallets", "Wallets")


@section.get("/users/<int:user_id>/wallet", permission="wallets:read")
def get_wallet(desk: Desk, user_id: int) -> WalletOut:
    """Show what a user has, what is held of it, and what they used."""
    return wallets.show(desk, user_id)


@section.get("/users/<int:user_id>/limits", permission="users:read")
def get_limits(desk: Desk, user_id: int, query: LimitsQuery) -> LimitsOut:
    """Show the limits in effect: where each comes from, how much is used, when it renews."""
    return wallets.limits(desk, user_id, query)


@section.get("/users/<int:user_id>/statement", permission="wallets:read")
def get_statement(desk: Desk, user_id: int, query: StatementQuery) -> StatementOut:
    """Show what went in and out of a wallet in a period, newest first."""
    return wallets.statement(desk, user_id, query)


@section.post(
    "/users/<int:user_id>/top-ups", permission="wallets:write", status=201, idempotent=True
)
def top_up(desk: Desk, user_id: int, body: PaidBody, idempotency_key: str) -> FundedOut:
    """Add what somebody paid; the next question sees it."""
    return wallets.fund(desk, user_id, "top_up", body, key=idempotency_key)


@section.post(
    "/users/<int:user_id>/adjustments", permission="wallets:write", status=201, idempotent=True
)
def adjust(desk: Desk, user_id: int, body: AdjustBody, idempotency_key: str) -> FundedOut:
    """Correct a balance, up or down."""
    return wallets.fund(desk, user_id, "adjustment", body, key=idempotency_key)


@section.post(
    "/users/<int:user_id>/refunds", permission="wallets:write", status=201, idempotent=True
)
def refund(desk: Desk, user_id: int, body: PaidBody, idempotency_key: str) -> FundedOut:
    """Give back something that was charged; it lowers the revenue."""
    return wallets.fund(desk, user_id, "refund", body, key=idempotency_key)
