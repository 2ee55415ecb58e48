"""Saved views of pages: keep, open, rename, share, forget."""

from flask import redirect, request, url_for

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, done, section, validated
from app.admin.resources import saved_views
from app.errors import NotFound
from app.pagekit.languages import gettext as _
from app.saved_views.commands import ViewChange, ViewSpec

PAGES = {
    "usage": "usage.explore",
    "events": "usage.events",
    "refused": "usage.refused",
}
"""Pages that have saved views, by their names in the views."""

blueprint = section("views", "/views")


@blueprint.post("/")
@access.allow("usage:read")
def create() -> AnyResponse:
    spec = validated(
        ViewSpec,
        {
            "page": request.form.get("page", ""),
            "name": request.form.get("name", "").strip(),
            "query": request.form.get("query", ""),
            "is_shared": fields.checked("is_shared"),
        },
    )
    made = saved_views.create(access.desk(), spec)
    return done(_("View %(name)s is kept.", name=made.name), "views.show", view_id=made.id)


@blueprint.get("/<int:view_id>")
@access.allow("usage:read")
def show(view_id: int) -> AnyResponse:
    """Open the page as it was kept."""
    view = saved_views.show(access.desk(), view_id)
    return redirect(f"{url_for(_endpoint(view.page))}?{view.query}", code=303)


@blueprint.post("/<int:view_id>")
@access.allow("usage:read")
def update(view_id: int) -> AnyResponse:
    values: dict[str, object] = {
        "name": request.form.get("name", "").strip(),
        "is_shared": fields.checked("is_shared"),
    }
    changed = saved_views.update(access.desk(), view_id, validated(ViewChange, values))
    message = _("View %(name)s is changed.", name=changed.name)
    return done(message, "views.show", view_id=view_id)


@blueprint.post("/<int:view_id>/delete")
@access.allow("usage:read")
def delete(view_id: int) -> AnyResponse:
    desk = access.desk()
    view = saved_views.show(desk, view_id)
    saved_views.delete(desk, view_id)
    return done(_("View %(name)s is gone.", name=view.name), _endpoint(view.page))


def _endpoint(page: str) -> str:
    if page not in PAGES:
        raise NotFound(_("There is no such page."))
    return PAGES[page]
