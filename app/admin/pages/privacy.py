"""Data and retention: kinds of data, and who was erased."""

from flask import Response, render_template, request

from app.admin import access, privacy_words
from app.admin.api import problems
from app.admin.pages.section import section, validated
from app.admin.paging import PageQuery
from app.admin.resources import privacy

blueprint = section("privacy", "/privacy")


@blueprint.get("/")
@access.allow("audit:read")
def index() -> str:
    desk = access.desk()
    query = validated(PageQuery, {"cursor": request.args.get("cursor")})
    return render_template(
        "privacy/index.html",
        kinds=privacy.retention(desk).kinds,
        page=privacy.erasures(desk, query),
        kind_words=privacy_words.KINDS,
        removed_words=privacy_words.REMOVED,
    )


@blueprint.get("/erasures/<int:user_id>.json")
@access.allow("audit:read")
def receipt(user_id: int) -> Response:
    made = privacy.receipt(access.desk(), user_id)
    answer = Response(problems.dumped(made), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="erasure-{user_id}.json"'
    return answer
