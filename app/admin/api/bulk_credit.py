"""``/grants/bulk``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import bulk_credit
from app.admin.resources.bulk_credit import BulkGiveIn, BulkIn, BulkPreview
from app.admin.resources.jobs import JobOut

section = Section("bulk_credit", "Credit for many users")


@section.post("/grants/bulk/preview", permission="wallets:write")
def preview_bulk_credit(desk: Desk, body: BulkIn) -> BulkPreview:
    """Show how many people would be given how much, and which lines cannot be. Gives nothing."""
    return bulk_credit.preview(desk, body)


@section.post("/grants/bulk", permission="wallets:write", status=202)
def give_bulk_credit(desk: Desk, body: BulkGiveIn) -> JobOut:
    """Have a worker give many users credit, as it was previewed.

    `run` is what makes it happen once, so it takes no Idempotency-Key: each user is given something
    once for each run, however often it is asked for. `GET /jobs/{job_id}` says how far it is.
    """
    return bulk_credit.give(desk, body)
