"""The effective settings."""

from itertools import groupby

from flask import render_template

from app.admin import access
from app.admin.pages.section import section
from app.admin.resources import settings
from app.pagekit.languages import gettext

blueprint = section("settings", "/settings")


@blueprint.get("/")
@access.allow("settings:read")
def index() -> str:
    desk = access.desk()
    found = settings.index(desk).items
    sections = [(name, list(rows)) for name, rows in groupby(found, key=lambda one: one.section)]
    return render_template(
        "settings/index.html",
        sections=sections,
        versions=settings.versions(desk),
        translated=gettext,
    )
