"""``/saved-views``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import saved_views
from app.admin.resources.saved_views import ViewList, ViewOut, ViewQuery
from app.saved_views.commands import ViewChange, ViewSpec

section = Section("saved_views", "Saved views")


@section.get("/saved-views", permission="usage:read")
def list_saved_views(desk: Desk, query: ViewQuery) -> ViewList:
    """List your saved views and the shared ones."""
    return saved_views.index(desk, query)


@section.post("/saved-views", permission="usage:read", status=201)
def create_saved_view(desk: Desk, body: ViewSpec) -> ViewOut:
    """Keep a page with its filters under a name."""
    return saved_views.create(desk, body)


@section.get("/saved-views/<int:view_id>", permission="usage:read")
def get_saved_view(desk: Desk, view_id: int) -> ViewOut:
    """Show a saved view."""
    return saved_views.show(desk, view_id)


@section.patch("/saved-views/<int:view_id>", permission="usage:read")
def update_saved_view(desk: Desk, view_id: int, body: ViewChange) -> ViewOut:
    """Rename a saved view of yours, share it, or replace its query."""
    return saved_views.update(desk, view_id, body)


@section.delete("/saved-views/<int:view_id>", permission="usage:read")
def delete_saved_view(desk: Desk, view_id: int) -> None:
    """Forget a saved view of yours."""
    saved_views.delete(desk, view_id)
