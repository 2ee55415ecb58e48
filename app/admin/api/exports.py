"""``/exports/{table}``: a table as a file, at once; ``/export-jobs``: by a worker."""

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from app.admin import export_files
from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources import exports
from app.admin.resources.deliveries import FileDeliveryOut
from app.admin.resources.export_shapes import (
    ExportDestination,
    ExportOut,
    ExportPage,
    ExportQuery,
    NewExport,
    TableList,
)
from app.exports.catalogue import TABLES, Table
from app.operators.roles import SELF

section = Section("exports", "Exports")


class FileQuery(BaseModel):
    """Which file of an export."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(
        default=None, max_length=300, description="As in the manifest; the first by default."
    )


@section.get("/exports", permission=SELF)
def list_export_tables(desk: Desk) -> TableList:
    """List what you may export: tables, columns, filters and formats."""
    return exports.tables(desk)


def _declare(table: Table) -> None:
    def download(desk: Desk, query: ExportQuery) -> Response:
        return export_files.streamed(exports.stream(desk, table, query))

    download.__name__ = f"export_{table.name}"
    download.__doc__ = (
        f"Export {table.name}: {table.about[0].lower()}{table.about[1:]}\n\nMade while it leaves. "
        "CSV unless another format is asked for: UTF-8, and text that a spreadsheet would take for "
        "a formula has an apostrophe before it. `X-Export-Position` says by what `upto_…` the "
        "same file is made again. What comes with a manifest is made by "
        "`POST /export-jobs`."
    )
    declared = section.get(
        f"/exports/{table.name}", permission=table.permission, media_type="text/csv"
    )
    declared(download)


for _table in TABLES.values():
    _declare(_table)


@section.post("/export-jobs", permission=SELF, status=202)
def create_export(desk: Desk, body: NewExport) -> ExportOut:
    """Have an export made by a worker: with a manifest, of any size.

    Needs the permission of the table, too.
    """
    return exports.create(desk, body)


@section.get("/export-jobs", permission=SELF)
def list_exports(desk: Desk, query: PageQuery) -> ExportPage:
    """List exports that were made or are being made, newest first; of tables you may see."""
    return exports.index(desk, query)


@section.get("/export-jobs/<int:export_id>", permission=SELF)
def get_export(desk: Desk, export_id: int) -> ExportOut:
    """Show how far an export is, and its manifest when it is done."""
    return exports.show(desk, export_id)


@section.get(
    "/export-jobs/<int:export_id>/file", permission=SELF, media_type="application/octet-stream"
)
def get_export_file(desk: Desk, export_id: int, query: FileQuery) -> Response:
    """Fetch a file of an export.

    It lies on the machine whose worker made it; another one says so (`export_elsewhere`).
    """
    place = exports.file(desk, export_id, query.name)
    return export_files.kept(place, query.name or place.name)


@section.post("/export-jobs/<int:export_id>/deliveries", permission="deliveries:write", status=202)
def send_export(desk: Desk, export_id: int, body: ExportDestination) -> FileDeliveryOut:
    """Send the files of a finished export to a destination, with their manifest.

    The machine on which they lie sends them, whichever is asked. Asked again, they are sent again.
    """
    return exports.send(desk, export_id, body.destination_id)


@section.delete("/export-jobs/<int:export_id>", permission=SELF)
def delete_export(desk: Desk, export_id: int) -> None:
    """Cancel an export that is being made, or remove the files of one that is done.

    What others asked for needs `jobs:write`.
    """
    exports.remove(desk, export_id, None)
