"""``/privacy``: how long what is kept, and who was erased."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources import privacy
from app.admin.resources.privacy import ErasurePage, ReceiptOut, RetentionOut

section = Section("privacy", "Privacy")


@section.get("/privacy/retention", permission="audit:read")
def show_retention(desk: Desk) -> RetentionOut:
    """List every kind of data: how much, how old, how long it is kept, what removes it."""
    return privacy.retention(desk)


@section.get("/privacy/erasures", permission="audit:read")
def list_erasures(desk: Desk, query: PageQuery) -> ErasurePage:
    """List the people whose personal data was erased."""
    return privacy.erasures(desk, query)


@section.get("/privacy/erasures/<int:user_id>", permission="audit:read")
def get_erasure_receipt(desk: Desk, user_id: int) -> ReceiptOut:
    """Show what an erasure did, column by column, and what stays and why."""
    return privacy.receipt(desk, user_id)
