"""``/audit``."""

from flask import Response

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import audit
from app.admin.resources.audit import AuditExportQuery, AuditFilter, AuditOut, AuditPage, AuditQuery
from app.pagekit import tables

section = Section("audit", "Audit")


@section.get("/audit", permission="audit:read")
def list_audit(desk: Desk, query: AuditQuery) -> AuditPage:
    """List changes, newest first."""
    return audit.index(desk, query)


@section.get("/audit/<int:entry>", permission="audit:read")
def get_audit_entry(desk: Desk, entry: int) -> AuditOut:
    """Show one change."""
    return audit.show(desk, entry)


@section.get("/audit/export.csv", permission="audit:read", media_type="text/csv")
def export_audit_csv(desk: Desk, query: AuditExportQuery) -> Response:
    """Export what matches as CSV.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    rows = (audit.cells(one) for one in audit.everything(desk, query.wanted))
    return tables.csv_response(audit.COLUMNS, rows, "audit", with_bom=query.bom)


@section.get("/audit/export.jsonl", permission="audit:read", media_type="application/x-ndjson")
def export_audit_lines(desk: Desk, query: AuditFilter) -> Response:
    """Export what matches as JSON Lines."""
    rows = (one.model_dump() for one in audit.everything(desk, query.wanted))
    return tables.json_lines_response(rows, "audit")
