"""Files of a month."""

from collections.abc import Callable
from datetime import timedelta

from flask import Response, render_template, request

from app.admin import access, usage_words
from app.admin.pages.section import section, validated
from app.admin.resources import exports
from app.admin.resources.exports import EXPORTS, Export, MonthQuery
from app.pagekit.tables import csv_response

blueprint = section("exports", "/exports")


@blueprint.get("/")
@access.allow("usage:read")
def index() -> str:
    desk = access.desk()
    first = desk.now.astimezone(desk.settings.zone).replace(day=1)
    query = validated(
        MonthQuery,
        {
            "month": request.args.get("month") or f"{first - timedelta(days=1):%Y-%m}",
            "bom": bool(request.args.get("bom")),
        },
    )
    kinds = [export for export in EXPORTS.values() if desk.may(export.permission)]
    return render_template(
        "exports/index.html", query=query, kinds=kinds, words=usage_words, zone=desk.settings.zone
    )


def _download(export: Export) -> Callable[[], Response]:
    @access.allow(export.permission)
    def download() -> Response:
        query = validated(MonthQuery, dict(request.args))
        rows = exports.rows(access.desk(), export, query.month)
        name = f"{export.kind}-{query.month}"
        return csv_response(export.columns, rows, name, with_bom=query.bom)

    return download


for _export in EXPORTS.values():
    blueprint.add_url_rule(f"/{_export.kind}.csv", _export.kind, _download(_export))
