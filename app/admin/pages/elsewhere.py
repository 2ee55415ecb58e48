"""Addresses of pages that belong to other resources, where they exist and may be opened."""

from flask import current_app, url_for
from werkzeug.routing import BuildError

from app.admin import access
from app.operators.roles import SELF


def address(endpoint: str, **parts: object) -> str | None:
    """The page's address; None when there is no such page, or it is not for this operator."""
    view = current_app.view_functions.get(endpoint)
    if view is None:
        return None
    permission = access.permission_of(view)
    if permission != SELF and not access.desk().may(permission or ""):
        return None
    try:
        return url_for(endpoint, **parts)  # type: ignore[arg-type]
    except BuildError:
        return None
