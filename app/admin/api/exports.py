"""``/exports/{kind}``: a month as a file."""

from flask import Response

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import exports
from app.admin.resources.exports import EXPORTS, Export, MonthQuery
from app.pagekit.tables import csv_response

section = Section("exports", "Exports")

_ABOUT = {
    "events": "Export the answers of a month",
    "lines": "Export the usage lines of a month",
    "postings": "Export the ledger's postings of a month",
    "statements": "Export what a month made of each wallet",
    "refusals": "Export who was refused in a month",
    "audit": "Export the audit journal of a month",
}


def _declare(export: Export) -> None:
    def download(desk: Desk, query: MonthQuery) -> Response:
        lines = exports.rows(desk, export, query.month)
        name = f"{export.kind}-{query.month}"
        return csv_response(export.columns, lines, name, with_bom=query.bom)

    download.__name__ = f"export_{export.kind}"
    download.__doc__ = (
        f"{_ABOUT[export.kind]}.\n\nCSV in UTF-8; text that a spreadsheet would take for a formula "
        "has an apostrophe before it. Months are by the service's clock."
    )
    declared = section.get(
        f"/exports/{export.kind}", permission=export.permission, media_type="text/csv"
    )
    declared(download)


for _export in EXPORTS.values():
    _declare(_export)
