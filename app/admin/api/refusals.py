"""``/refusals`` and ``/links/{id}/calls``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import refusals
from app.admin.resources.refusals import (
    CountQuery,
    CountsOut,
    LinkCallsOut,
    RefusalOut,
    RefusalPage,
    RefusalQuery,
    StrayQuery,
    StraysOut,
)

section = Section("refusals", "Refusals")


@section.get("/refusals", permission="refusals:read")
def list_refusals(desk: Desk, query: RefusalQuery) -> RefusalPage:
    """List hook calls that were refused, newest first, the service's own failures included.

    In a flood only the first of each minute are here; `/refusals/counts` counts them all.
    """
    return refusals.index(desk, query)


@section.get("/refusals/counts", permission="refusals:read")
def count_refusals(desk: Desk, query: CountQuery) -> CountsOut:
    """Count refusals by hour or day and by reason.

    Hours and days in which nothing was refused are left out. A period begins with the quarter of an
    hour that `since` is in, and has at most 92 days.
    """
    return refusals.count(desk, query)


@section.get("/refusals/strays", permission="refusals:read")
def list_strays(desk: Desk, query: StrayQuery) -> StraysOut:
    """List calls that reached no link, by what was called and from where, and what to do.

    Not for operators of certain links.
    """
    return refusals.strays(desk, query)


@section.get("/refusals/<reference>", permission="refusals:read")
def get_refusal(desk: Desk, reference: str) -> RefusalOut:
    """Show the refusal whose reference a visitor read, in whatever case."""
    return refusals.show(desk, reference)


@section.get("/links/<int:link_id>/calls", permission="links:read")
def list_link_calls(desk: Desk, link_id: int) -> LinkCallsOut:
    """Show what FastGPT called on a link: each hook, each answer, and what is wrong with that."""
    return refusals.calls_of_link(desk, link_id)
