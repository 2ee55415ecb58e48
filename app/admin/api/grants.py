"""``/grants``, ``/breakage`` and what of a user's credit was granted."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import grants
from app.admin.resources.grants import (
    BreakagePage,
    BreakageQuery,
    CreditOut,
    GrantOut,
    GrantPage,
    GrantQuery,
    NewGrant,
    Revocation,
    RevokedOut,
)
from app.admin.resources.wallets import FundedOut

section = Section("grants", "Granted credit")


@section.get("/grants", permission="wallets:read")
def list_grants(desk: Desk, query: GrantQuery) -> GrantPage:
    """List granted credit, newest first."""
    return grants.index(desk, query)


@section.get("/grants/<int:transaction_id>", permission="wallets:read")
def get_grant(desk: Desk, transaction_id: int) -> GrantOut:
    """Show one grant, by its transaction."""
    return grants.show(desk, transaction_id)


@section.post("/grants/<int:transaction_id>/revocation", permission="wallets:write")
def revoke_grant(desk: Desk, transaction_id: int, body: Revocation) -> RevokedOut:
    """Take back what is left of a grant.

    What was spent stays spent. Said twice it changes nothing.
    """
    return grants.revoke(desk, transaction_id, body)


@section.get("/breakage", permission="ledger:read")
def get_breakage(desk: Desk, query: BreakageQuery) -> BreakagePage:
    """Sum what was granted in a period, and what of grants that ended nobody spent, by plan."""
    return grants.breakage(desk, query)


@section.get("/users/<int:user_id>/credit", permission="wallets:read")
def get_credit(desk: Desk, user_id: int) -> CreditOut:
    """Show what of a balance was granted, when it expires, and what was paid."""
    return grants.credit(desk, user_id)


@section.post(
    "/users/<int:user_id>/grants", permission="wallets:write", status=201, idempotent=True
)
def give_grant(desk: Desk, user_id: int, body: NewGrant, idempotency_key: str) -> FundedOut:
    """Give credit that is spent before paid credit, and may expire; the next question sees it."""
    return grants.give(desk, user_id, body, key=idempotency_key)
