"""Statements of closed months: found, looked at, printed, mailed."""

from flask import Response, render_template, request
from pydantic import BaseModel, ConfigDict

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import statements
from app.admin.resources.statements import MailIn, StatementQuery
from app.closings.papers.rendering import Form
from app.closings.papers.words import Locale
from app.pagekit import languages
from app.pagekit.files import file_response
from app.pagekit.languages import gettext as _

blueprint = section("statements", "/statements")


class _Wanted(BaseModel):
    """How a file is wanted: in the language of the page, unless it is said."""

    model_config = ConfigDict(extra="ignore")

    form: Form = "pdf"
    locale: Locale | None = None


@blueprint.get("/")
@access.allow("wallets:read")
def index() -> str:
    query = validated(StatementQuery, fields.query(request.args))
    page = statements.index(access.desk(), query)
    return render_template("statements/index.html", page=page, query=query)


@blueprint.get("/<number>")
@access.allow("wallets:read")
def show(number: str) -> str:
    desk = access.desk()
    return render_template(
        "statements/show.html",
        statement=statements.show(desk, number),
        paper=statements.paper(desk, number, languages.current()),
    )


@blueprint.get("/<number>/file")
@access.allow("wallets:read")
def file(number: str) -> Response:
    wanted = validated(_Wanted, dict(request.args))
    found = statements.file(
        access.desk(), number, wanted.form, wanted.locale or languages.current()
    )
    return file_response(found, is_shown=wanted.form == "html")


@blueprint.post("/mail")
@access.allow("wallets:write")
def mail() -> AnyResponse:
    """All of a month, or one statement."""
    number = fields.optional("number")

    def work() -> AnyResponse:
        asked = validated(
            MailIn,
            {
                "month": fields.optional("month"),
                "number": number,
                "again": fields.checked("again"),
            },
        )
        job = statements.mail(access.desk(), asked)
        return done(_("A worker mails them."), "jobs.show", job_id=job.id)

    return attempt(work, lambda: show(number) if number else index())
