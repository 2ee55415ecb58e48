"""Statements of closed months: lists, one as a paper or a file, letters with them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Amount, Number, Text
from app.admin.paging import Page, PageQuery
from app.admin.resources.closings import MonthText
from app.admin.resources.jobs import JobOut
from app.background import handlers, mail_statements
from app.background.mail_statements import NoMailServer
from app.closings import store
from app.closings.content import number_of, read
from app.closings.mails import store as mails
from app.closings.models import FrozenStatement
from app.closings.months import month_text, parse
from app.closings.numbers import parse_number
from app.closings.papers import rendering
from app.closings.papers.paper import Paper
from app.closings.papers.rendering import File, Form
from app.closings.papers.words import Locale
from app.closings.store import Wanted
from app.money import from_nano
from app.users import store as user_store

Kind = Literal["wallet", "department"]
MailState = Literal["sending", "sent", "failed"]
NumberText = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{6,18}$", examples=["2026-000123"])]


class StatementOut(BaseModel):
    """A frozen statement of a wallet or a department."""

    number: str
    month: str
    kind: Kind
    user_id: int | None
    subject: str | None = Field(description="Of the user now; an erased one has a pseudonym.")
    department: str | None = Field(description="At the time of closing.")
    opening: Amount
    charged: Amount
    closing: Amount
    currency: str
    hash: str


class MailOut(BaseModel):
    """A letter with the statement. `sending` for long: nobody knows whether it went."""

    copy_number: int
    state: MailState
    begun_at: datetime
    done_at: datetime | None
    sent_by: str
    error: str | None


class StatementDetails(StatementOut):
    content: dict[str, Any] = Field(description="What the hash is of.")
    mails: list[MailOut]


class StatementPage(Page[StatementOut]):
    """Statements."""


class StatementQuery(PageQuery):
    """Which statements."""

    month: MonthText | None = None
    kind: Kind | None = None
    user_id: Number | None = None
    department: Text | None = None
    search: Annotated[
        Text | None, Field(description="Part of a subject, a name or a department.")
    ] = None


class FileQuery(BaseModel):
    """In which form and language; by default the user's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Form = "pdf"
    locale: Locale | None = None


class MailIn(BaseModel):
    """What is mailed: a month, or the statement of a number. `again`: also what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    month: MonthText | None = None
    number: NumberText | None = None
    again: bool = False


def index(desk: Desk, query: StatementQuery) -> StatementPage:
    """Newest number first."""
    place = paging.position(query.cursor, int, int)
    wanted = Wanted(
        month=None if query.month is None else parse(query.month),
        kind=query.kind,
        user_id=query.user_id,
        department=query.department,
        text=query.search,
    )
    before = None if place is None else (int(place[0]), int(place[1]))
    with desk.db.read() as session:
        rows = store.list_statements(session, wanted, before=before, limit=query.limit + 1)
        subjects = user_store.load_subjects(session, [row.user_id or 0 for row in rows])
    page = paging.page(
        rows,
        query.limit,
        shown=lambda row: _out(row, subjects),
        at=lambda row: paging.cursor(row.year, row.ordinal),
    )
    return StatementPage(items=page.items, next=page.next)


def of_user(desk: Desk, user_id: int, limit: int = 24) -> list[StatementOut]:
    """The newest statements of one user."""
    return index(desk, StatementQuery(user_id=user_id, limit=limit)).items


def show(desk: Desk, number: str) -> StatementDetails:
    """Raises: StatementNotFound."""
    with desk.db.read() as session:
        row = _get(session, number)
        subjects = user_store.load_subjects(session, [row.user_id or 0])
        letters = [
            MailOut(
                copy_number=one.copy,
                state=cast("MailState", one.state),
                begun_at=one.begun_at,
                done_at=one.done_at,
                sent_by=one.sent_by,
                error=one.error,
            )
            for one in mails.read_of(session, row.id)
        ]
    out = _out(row, subjects)
    return StatementDetails(**out.model_dump(), content=read(row.content), mails=letters)


def paper(desk: Desk, number: str, locale: Locale) -> Paper:
    """The statement as it reads, in the language of whoever looks."""
    with desk.db.read() as session:
        row = _get(session, number)
        people = rendering.people_of(session, row)
    issuer = rendering.issuer_of(desk.settings.statements)
    return rendering.paper_of(row, people, issuer, locale)


def file(desk: Desk, number: str, form: Form, locale: Locale | None) -> File:
    """The statement as a file."""
    with desk.db.read() as session:
        row = _get(session, number)
        people = rendering.people_of(session, row)
        user = user_store.find_by_id(session, row.user_id or 0)
    fallback = desk.settings.service.locale
    spoken = locale or (fallback if user is None else mail_statements.locale_of(user, fallback))
    issuer = rendering.issuer_of(desk.settings.statements)
    return rendering.render(row, form, people=people, issuer=issuer, locale=spoken)


def mail(desk: Desk, asked: MailIn) -> JobOut:
    """Have a worker mail statements; each goes once, unless asked for again.

    Raises:
        NoMailServer: there is none.
        ClosingNotFound, StatementNotFound: there is nothing to mail.
    """
    if desk.settings.mail.host is None:
        raise NoMailServer("no mail server is set up: [mail] of the settings")
    with desk.db.begin() as session:
        ordinal = None
        if asked.number is not None:
            row = _get(session, asked.number)
            month, ordinal = row.month, row.ordinal
        else:
            month = store.get(session, parse(asked.month or "")).month
        job = handlers.enqueue(
            session,
            mail_statements.KIND,
            mail_statements.Parameters(month=month, ordinal=ordinal, again=asked.again),
            actor=desk.actor,
            now=desk.now,
            operator_id=desk.caller.operator_id,
        )
        return JobOut.of(job)


def _get(session: Session, number: str) -> FrozenStatement:
    year, ordinal = parse_number(number)
    return store.get_statement(session, year, ordinal)


def _out(row: FrozenStatement, subjects: Mapping[int, str]) -> StatementOut:
    return StatementOut(
        number=number_of(row.year, row.ordinal),
        month=month_text(row.month),
        kind=cast("Kind", row.kind),
        user_id=row.user_id,
        subject=subjects.get(row.user_id or 0),
        department=row.department,
        opening=from_nano(row.opening),
        charged=from_nano(row.charged),
        closing=from_nano(row.closing),
        currency=row.currency,
        hash=row.hash,
    )
