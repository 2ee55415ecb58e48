"""The first page."""

from flask import redirect, url_for

from app.admin import access
from app.admin.pages.section import AnyResponse, section

blueprint = section("overview", "")


@blueprint.get("/")
@access.allow("self")
def show() -> AnyResponse:
    return redirect(url_for("account.show"))
