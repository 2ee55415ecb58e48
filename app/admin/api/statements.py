"""``/statements``."""

from flask import Response

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import statements
from app.admin.resources.jobs import JobOut
from app.admin.resources.statements import (
    FileQuery,
    MailIn,
    StatementDetails,
    StatementPage,
    StatementQuery,
)
from app.pagekit.files import file_response

section = Section("statements", "Billing periods")


@section.get("/statements", permission="wallets:read")
def list_statements(desk: Desk, query: StatementQuery) -> StatementPage:
    """List the statements of closed months, newest first."""
    return statements.index(desk, query)


@section.post("/statement-mails", permission="wallets:write", status=202)
def mail_statements(desk: Desk, body: MailIn) -> JobOut:
    """Have a worker mail the statements of a month, or one, as PDF.

    Each goes once, however often it is asked for; `again` sends it again. Who has no address among
    their attributes gets none.
    """
    return statements.mail(desk, body)


@section.get("/statements/<number>", permission="wallets:read")
def get_statement(desk: Desk, number: str) -> StatementDetails:
    """Show one statement, such as 2026-000123, with what its hash is of."""
    return statements.show(desk, number)


@section.get(
    "/statements/<number>/file", permission="wallets:read", media_type="application/octet-stream"
)
def get_statement_file(desk: Desk, number: str, query: FileQuery) -> Response:
    """Download a statement as HTML, PDF, CSV, or the JSON that was hashed."""
    return file_response(statements.file(desk, number, query.form, query.locale))
