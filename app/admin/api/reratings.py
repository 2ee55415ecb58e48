"""``/reratings``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import reratings
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

    For a few thousand answers at most; `shareauth prices rerate` has no such bound.
    """
    return reratings.show(desk, body)


@section.post("/reratings", permission="prices:write")
def apply_rerating(desk: Desk, body: ReratingApplyIn) -> ReratingOut:
    """Book what was previewed, one adjustment for each answer whose price changes.

    `expect` is what makes it safe to ask again: the same run books what is missing and nothing
    twice.
    """
    return reratings.apply(desk, body)
