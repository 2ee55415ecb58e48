"""``/reratings``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import reratings
from app.admin.resources.jobs import JobOut
from app.admin.resources.reratings import (
    ReratingApplyIn,
    ReratingIn,
    ReratingOut,
    ReratingPreviewOut,
)

section = Section("reratings", "Prices")


@section.post("/reratings/preview", permission="prices:read")
def preview_rerating(desk: Desk, body: ReratingIn) -> ReratingPreviewOut:
    """Say what pricing answers again would change, user by user.

    For a few thousand answers at most: `POST /reratings/previews` has no such bound.
    """
    return reratings.show(desk, body)


@section.post("/reratings/previews", permission="prices:write", status=202)
def begin_rerating_preview(desk: Desk, body: ReratingIn) -> JobOut:
    """Have a worker say what pricing any number of answers again would change.

    `GET /jobs/{job_id}` says how far it is; its `result` has the sums, the users with the greatest
    differences, and the `digest` by which `POST /jobs` books exactly this.
    """
    return reratings.preview_in_background(desk, body)


@section.post("/reratings", permission="prices:write")
def apply_rerating(desk: Desk, body: ReratingApplyIn) -> ReratingOut:
    """Book what was previewed, one adjustment for each answer whose price changes.

    `expect` is what makes it safe to ask again: the same run books what is missing and nothing
    twice. For a few thousand answers at most: `POST /jobs` has no such bound.
    """
    return reratings.apply(desk, body)
