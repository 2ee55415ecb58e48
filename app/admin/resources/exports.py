"""What can be taken away as files: at once while it is made, or by a job that leaves it ready."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.admin import paging
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources.asking import by_clock, link_id, user_id
from app.admin.resources.deliveries import FileDeliveryOut
from app.admin.resources.export_shapes import (
    ExportOut,
    ExportPage,
    ExportQuery,
    NewExport,
    TableList,
    TableOut,
)
from app.audit import journal
from app.background import export_delivery, handlers
from app.background.export import KIND, At, Parameters, order_of
from app.closings import store as closing_store
from app.closings.months import month_text
from app.deliveries import store as delivery_store
from app.deliveries.models import Delivery
from app.errors import Invalid
from app.exports import catalogue, closed, reading, streaming
from app.exports.catalogue import TABLES, Table
from app.exports.order import Order
from app.exports.scope import Closed
from app.exports.shelf import ExportGone, Shelf, shelf_in
from app.jobs import commands, store
from app.jobs.models import BackgroundJob
from app.jobs.store import JobNotFound

DECEMBER = 12


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is made while it leaves."""

    order: Order
    pieces: Iterator[bytes]


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
        return _shown(desk, job, [])


def send(desk: Desk, export_id: int, destination_id: int) -> FileDeliveryOut:
    """Have the files of a finished export sent, by the machine on which they lie.

    Raises:
        JobNotFound: as for ``show``; DestinationNotFound.
        ExportGone, ExportUnsendable: there is nothing to send.
    """
    job = _find(desk, export_id)
    desk.check_permissions("deliveries:write")
    with desk.db.begin() as session:
        made = export_delivery.send(session, job, destination_id, actor=desk.actor, now=desk.now)
        name = delivery_store.get_destination(session, destination_id).name
        return FileDeliveryOut.of(made, {destination_id: name})


def closed_month(desk: Desk, month: str) -> Closed | None:
    """The closing of a month such as 2026-11; None while it is open."""
    with desk.db.read() as session:
        return closed.find(session, _number(month))


def last_closed(desk: Desk) -> str | None:
    """The newest month that is closed."""
    with desk.db.read() as session:
        last = closing_store.find_last(session)
    return None if last is None else month_text(last.month)


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
        seen = [job for job in page.items if _may_see(desk, job)]
        sent = export_delivery.sent_of_all(session, [job.id for job in seen])
    return ExportPage(
        items=[_shown(desk, job, sent.get(job.id, [])) for job in seen], next=page.next
    )


def show(desk: Desk, export_id: int) -> ExportOut:
    """Raises: JobNotFound, also where it is not theirs to see."""
    job = _find(desk, export_id)
    with desk.db.read() as session:
        return _shown(desk, job, export_delivery.sent_of(session, job.id))


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
        month=None if asked.month is None else _number(asked.month),
    )


def _number(month: str) -> int:
    return int(month[:4]) * 100 + int(month[5:])


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


def _shown(desk: Desk, job: BackgroundJob, sent: Sequence[Delivery]) -> ExportOut:
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
        deliveries={str(one.id): one.status for one in sent},
    )


def _shelf(desk: Desk) -> Shelf:
    return shelf_in(desk.settings.service.data_dir)
