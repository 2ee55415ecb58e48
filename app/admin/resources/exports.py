"""What can be taken away as files: at once while it is made, or by a job that leaves it ready."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Number, Text
from app.admin.paging import Page, PageQuery
from app.admin.resources.asking import YEAR_MAX, YEAR_MIN, Moment, by_clock, link_id, user_id
from app.audit import journal
from app.background import handlers
from app.background.export import KIND, At, Parameters, order_of
from app.errors import Invalid
from app.exports import catalogue, reading, streaming
from app.exports.catalogue import TABLES, Table
from app.exports.formats.registry import FORMATS
from app.exports.order import Order
from app.exports.shelf import ExportGone, Shelf, shelf_in
from app.jobs import commands, store
from app.jobs.models import BackgroundJob
from app.jobs.store import JobNotFound

DECEMBER = 12
TableName = Literal["events", "lines", "postings", "statements", "refusals", "audit"]
FormatName = Literal["csv", "xlsx", "jsonl", "parquet", "focus", "cloudevents"]


def _of_our_time(month: str) -> str:
    if not YEAR_MIN <= int(month[:4]) <= YEAR_MAX:
        raise ValueError(f"must be of the years {YEAR_MIN} to {YEAR_MAX}")
    return month


class ExportQuery(BaseModel):
    """Of which time, what of it, and how it is written. Months are by the service's clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    month: Annotated[
        Annotated[
            str,
            Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$"),
            AfterValidator(_of_our_time),
        ]
        | None,
        Field(description="Such as 2026-11; or since and until."),
    ] = None
    since: Moment | None = Field(default=None, description="From this day or time on.")
    until: Moment | None = Field(default=None, description="Before this day or time.")
    format: FormatName = "csv"
    bom: bool = Field(
        default=False, description="Begin CSV with a mark by which Excel knows UTF-8."
    )
    gzip: bool = Field(default=False, description="Compress it.")
    link: Text | None = Field(default=None, description="Only of this link: name.")
    user: Text | None = Field(default=None, description="Only of this user: uid or subject.")
    kind: Text | None = Field(default=None, description="Only of this kind; see the tables.")
    upto_event: Number | None = Field(
        default=None, description="As the books stood then: from a manifest, with the next."
    )
    upto_transaction: Number | None = None
    upto_row: Number | None = Field(
        default=None, description="The same for refusals and audit: `row_id` of a manifest."
    )

    @model_validator(mode="after")
    def _has_a_period(self) -> Self:
        bounds = (self.since is not None, self.until is not None)
        if (self.month is None) != all(bounds) or (self.month is not None and any(bounds)):
            raise ValueError("give a month, or both since and until")
        if (self.upto_event is None) != (self.upto_transaction is None):
            raise ValueError("give upto_event and upto_transaction together")
        return self


class NewExport(ExportQuery):
    """An export to be made by a worker."""

    table: TableName


class ExportReason(BaseModel):
    """Why files are removed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Text | None = None


class ColumnOut(BaseModel):
    """A column of a table."""

    name: str
    kind: str
    about: str
    is_summed: bool


class TableOut(BaseModel):
    """A table that can be exported."""

    name: str
    about: str
    permission: str
    order: str
    filters: dict[str, str]
    columns: list[ColumnOut]
    formats: list[str]

    @classmethod
    def of(cls, table: Table) -> Self:
        columns = [
            ColumnOut(
                name=column.name,
                kind=column.kind,
                about=column.about,
                is_summed=column.is_summed,
            )
            for column in table.columns
        ]
        return cls(
            name=table.name,
            about=table.about,
            permission=table.permission,
            order=table.order,
            filters={str(name): about for name, about in table.filters.items()},
            columns=columns,
            formats=formats_of(table),
        )


class TableList(BaseModel):
    """What the caller may export."""

    items: list[TableOut]


class ExportOut(BaseModel):
    """An export that a worker makes or has made."""

    id: int
    table: str
    format: str
    since: datetime
    until: datetime
    asked_by: str
    state: str
    progress: float = Field(description="From 0 to 1.")
    message: str | None = Field(description="How far it is, or why it failed.")
    error_code: str | None
    created_at: datetime
    finished_at: datetime | None
    host: str | None = Field(description="The machine that the files lie on.")
    is_here: bool = Field(description="Whether they lie on the machine that was asked.")
    manifest: dict[str, Any] | None

    @property
    def is_over(self) -> bool:
        return self.state in store.FINISHED


class ExportPage(Page[ExportOut]):
    """Exports, newest first."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is made while it leaves."""

    order: Order
    pieces: Iterator[bytes]


def formats_of(table: Table) -> list[str]:
    return [
        name for name, form in FORMATS.items() if form.tables is None or table.name in form.tables
    ]


def tables(desk: Desk) -> TableList:
    return TableList(items=[TableOut.of(table) for table in mine(desk)])


def mine(desk: Desk) -> list[Table]:
    """The tables that this caller may see."""
    return [table for table in TABLES.values() if desk.may(table.permission)]


def bounds(desk: Desk, asked: ExportQuery) -> tuple[datetime, datetime]:
    """The beginning and the end of what is asked for.

    Raises:
        Invalid: it ends before it begins (``period_invalid``).
    """
    zone = desk.settings.zone
    if asked.month is None:
        since, until = by_clock(asked.since, zone), by_clock(asked.until, zone)
        if since is None or until is None:
            raise AssertionError("the query has a month, or both")
        if until <= since:
            raise Invalid("the period ends before it begins", code="period_invalid")
        return since.astimezone(UTC), until.astimezone(UTC)
    year, number = int(asked.month[:4]), int(asked.month[5:])
    following = (year + 1, 1) if number == DECEMBER else (year, number + 1)
    first, after = datetime(year, number, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)
    return first.astimezone(UTC), after.astimezone(UTC)


def stream(desk: Desk, table: Table, asked: ExportQuery) -> Download:
    """The file, made while it leaves.

    Raises:
        NotFound: there is no such link or user.
        Invalid: the table cannot be cut or written like that, or takes too long to wait for.
        LinesGone: some of it lies in archives that are not on this machine.
    """
    order = reading.prepare(desk.db, _order(desk, _parameters(desk, table, asked)))
    directory = desk.settings.exports.archives
    archives = reading.needed_archives(desk.db, order, directory)
    return Download(order, streaming.stream(desk.db, order, archives))


def create(desk: Desk, new: NewExport) -> ExportOut:
    """Ask a worker for it.

    Raises: as for ``stream``; NotPermitted without the table's own permission.
    """
    table = catalogue.get(new.table)
    desk.check_permissions(table.permission)
    parameters = _parameters(desk, table, new)
    _order(desk, parameters).check()
    with desk.db.begin() as session:
        job = handlers.enqueue(
            session,
            KIND,
            parameters,
            actor=desk.actor,
            now=desk.now,
            operator_id=desk.caller.operator_id,
        )
        return _shown(desk, job)


def index(desk: Desk, query: PageQuery) -> ExportPage:
    """Newest first, those of tables that the caller may see."""
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        jobs = store.list_page(
            session,
            kind=KIND,
            before_id=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(
        jobs, query.limit, shown=lambda job: job, at=lambda job: paging.cursor(job.id)
    )
    return ExportPage(
        items=[_shown(desk, job) for job in page.items if _may_see(desk, job)], next=page.next
    )


def show(desk: Desk, export_id: int) -> ExportOut:
    """Raises: JobNotFound, also where it is not theirs to see."""
    return _shown(desk, _find(desk, export_id))


def file(desk: Desk, export_id: int, name: str | None = None) -> Path:
    """A file of it; the first one when none is named.

    Raises:
        JobNotFound: as for ``show``; ExportGone: it is not done, or was removed.
        ExportElsewhere: it lies on another machine.
    """
    job = _find(desk, export_id)
    if job.result is None:
        raise ExportGone(f"export {export_id} has no files: it is {job.state}")
    return _shelf(desk).find(job.id, job.result, name)


def remove(desk: Desk, export_id: int, reason: str | None) -> None:
    """Cancel it, or remove its files.

    Raises: JobNotFound, NotPermitted for what others asked for without ``jobs:write``.
    """
    job = _find(desk, export_id)
    if job.operator_id != desk.caller.operator_id:
        desk.check_permissions("jobs:write")
    with desk.db.begin() as session:
        if job.state not in store.FINISHED:
            commands.cancel(session, job.id, actor=desk.actor, now=desk.now, reason=reason)
            return
        journal.record(
            session,
            actor=desk.actor,
            action="exports.remove",
            subject=("job", job.id),
            now=desk.now,
            reason=reason,
        )
    _shelf(desk).remove(job.id)


def month_before(desk: Desk) -> str:
    first = desk.now.astimezone(desk.settings.zone).replace(day=1)
    return f"{first - timedelta(days=1):%Y-%m}"


def _parameters(desk: Desk, table: Table, asked: ExportQuery) -> Parameters:
    since, until = bounds(desk, asked)
    upto = None
    if asked.upto_event is not None and asked.upto_transaction is not None:
        upto = At(event_id=asked.upto_event, transaction_id=asked.upto_transaction)
    with desk.db.read() as session:
        link = None if asked.link is None else link_id(desk, session, asked.link)
        user = None if asked.user is None else user_id(session, asked.user)
    scope = desk.caller.link_ids
    return Parameters(
        table=table.name,
        format=asked.format,
        since=since,
        until=until,
        upto=upto,
        row_id=asked.upto_row,
        link_id=link,
        user_id=user,
        kind=asked.kind,
        link_ids=None if scope is None else tuple(sorted(scope)),
        bom=asked.bom,
        gzip=asked.gzip,
    )


def _order(desk: Desk, parameters: Parameters) -> Order:
    return order_of(desk.settings, parameters, asked_by=desk.caller.name, asked_at=desk.now)


def _find(desk: Desk, export_id: int) -> BackgroundJob:
    paging.check_number(export_id, JobNotFound.code)
    with desk.db.read() as session:
        job = store.get(session, export_id)
    if job.kind != KIND or not _may_see(desk, job):
        raise JobNotFound(f"there is no export {export_id}")
    return job


def _may_see(desk: Desk, job: BackgroundJob) -> bool:
    asked = Parameters.model_validate(job.parameters)
    scope = desk.caller.link_ids
    is_within = scope is None or (asked.link_ids is not None and scope >= set(asked.link_ids))
    return is_within and desk.may(catalogue.get(asked.table).permission)


def _shown(desk: Desk, job: BackgroundJob) -> ExportOut:
    asked, result = Parameters.model_validate(job.parameters), job.result or {}
    return ExportOut(
        id=job.id,
        table=asked.table,
        format=asked.format,
        since=asked.since,
        until=asked.until,
        asked_by=job.asked_by,
        state=job.state,
        progress=job.done / job.total if job.total else 0.0,
        message=job.message,
        error_code=job.error_code,
        created_at=job.created_at,
        finished_at=job.finished_at,
        host=result.get("host"),
        is_here=bool(result) and _shelf(desk).has(job.id),
        manifest=result.get("manifest"),
    )


def _shelf(desk: Desk) -> Shelf:
    return shelf_in(desk.settings.service.data_dir)
