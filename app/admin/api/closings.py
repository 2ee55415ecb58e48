"""``/closings``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources import closings
from app.admin.resources.closings import (
    CheckOut,
    CloseIn,
    ClosingOut,
    ClosingPage,
    PreviewOut,
    PreviewQuery,
)
from app.admin.resources.jobs import JobOut

section = Section("closings", "Billing periods")


@section.get("/closings", permission="ledger:read")
def list_closings(desk: Desk, query: PageQuery) -> ClosingPage:
    """List closed months, newest first."""
    return closings.index(desk, query)


@section.get("/closings/preview", permission="ledger:read")
def preview_closing(desk: Desk, query: PreviewQuery) -> PreviewOut:
    """Show what closing a month would freeze, and what stands in its way."""
    return closings.look(desk, query.month)


@section.post("/closings", permission="wallets:write", status=202)
def close_month(desk: Desk, body: CloseIn) -> JobOut:
    """Have a worker close a month for good, and make its statements.

    Months are closed in their order, each once: asking again is refused, so it takes no
    Idempotency-Key. `GET /jobs/{job_id}` says how far it is.
    """
    return closings.close(desk, body)


@section.get("/closings/<month>", permission="ledger:read")
def get_closing(desk: Desk, month: str) -> ClosingOut:
    """Show one closed month, such as 2026-11."""
    return closings.show(desk, month)


@section.post("/closings/<month>/verify", permission="ledger:verify")
def verify_closing(desk: Desk, month: str) -> CheckOut:
    """Derive a closed month and its statements anew from the ledger, and compare the hashes."""
    return closings.check(desk, month)
