"""``shareauth exports``: tables of the books as files, with manifests that prove them."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy.orm import Session

from app import __version__
from app.audit import journal
from app.background import export_delivery
from app.background.export import KIND
from app.cli.export_bar import bar_of
from app.cli.frame import Group, Report
from app.cli.inputs import ClockTime, Month, by_clock
from app.cli.output import card, local, table
from app.cli.session import Desk, with_desk
from app.deliveries import orders
from app.deliveries import store as delivery_store
from app.errors import Invalid
from app.exports import catalogue, reading, verifying, writing
from app.exports.catalogue import TABLES
from app.exports.formats import registry
from app.exports.formats.registry import FORMATS
from app.exports.order import Order, order_of
from app.exports.scope import Scope, scope_of
from app.exports.shelf import shelf_in
from app.exports.writing import MANIFEST, How, Note, Step
from app.jobs import store
from app.jobs.models import BackgroundJob
from app.links import store as link_store
from app.metering.months import month_after
from app.periods import Period, Position
from app.users import store as user_store

exports = Group(
    "exports",
    help="Write usage, ledger, refusals and the audit journal to files, in memory that does not "
    "grow with them. Beside each lies a manifest: rows, sums, digests and the position of the "
    "books up to which it counts. Made again at that position, an export has the same bytes.",
)


@exports.command("tables", example="shareauth exports tables")
@with_desk
def tables(desk: Desk) -> Report:
    """List what can be exported: tables, their columns and the filters they take."""
    del desk
    rows = [
        [one.name, one.about, ", ".join(one.names), ", ".join(one.filters)]
        for one in TABLES.values()
    ]
    data = {
        one.name: {
            "about": one.about,
            "filters": {str(name): about for name, about in one.filters.items()},
            "columns": [{"name": column.name, "kind": column.kind} for column in one.columns],
        }
        for one in TABLES.values()
    }
    return Report(
        {"tables": data}, [table(["table", "contents", "columns", "filters"], rows, empty="")]
    )


@exports.command(
    "create", example="shareauth exports create postings --month 2026-11 --output /exports"
)
@click.argument("table", type=click.Choice(list(TABLES)), help="As `exports tables` lists them.")
@click.option("--month", type=Month(), metavar="MONTH", help="A month by the service's clock.")
@click.option("--since", type=ClockTime(), metavar="TIME", help="From this day or time on.")
@click.option("--until", type=ClockTime(), metavar="TIME", help="Before this day or time.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="csv", help="Default: csv."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="The folder for the files; the working directory by default.",
)
@click.option("--bom", is_flag=True, help="Begin CSV with a mark by which Excel knows UTF-8.")
@click.option("--gzip", is_flag=True, help="Compress it.")
@click.option("--link", metavar="NAME", help="Only of this link.")
@click.option("--user", metavar="USER", help="Only of this user: uid or subject.")
@click.option("--kind", metavar="KIND", help="Only of this kind; see `exports tables`.")
@click.option(
    "--upto",
    metavar="EVENT,TRANSACTION",
    help="As the books stood at this position of another manifest.",
)
@click.option(
    "--archives",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Where archived usage lines lie; exports.archives in the settings by default.",
)
@click.option("--resume", is_flag=True, help="Go on with what was interrupted.")
@with_desk
def create(desk: Desk, **given: Any) -> Report:  # noqa: ANN401 - of the many options
    """Write a table to a file, with its manifest beside it.

    Interrupted, by Ctrl-C or by a crash, the same command with --resume goes on where it was, and
    leaves the same bytes.
    """
    asked = _Asked(**given)
    order = _order(desk, asked)
    notes = asked.output / f".{order.name}{order.suffix}.progress"
    saved = _saved(notes, order) if asked.resume else None
    if saved is not None:
        order = _at(order, saved)
    order = reading.prepare(desk.db, order)
    directory = asked.archives or desk.settings.exports.archives
    archives = reading.needed_archives(desk.db, order, directory)
    with bar_of(order.table.name) as move:
        how = How(
            saved=None if saved is None else saved["run"],
            note=_noting(notes, order, move),
            replaces=asked.resume,
        )
        made = writing.write(desk.db, order, asked.output, archives, how)
    notes.unlink(missing_ok=True)
    return Report(made, [_card(made), f"The files and {MANIFEST[1:]} are in {asked.output}."])


@exports.command("verify", example="shareauth exports verify postings-2026-11.csv.manifest.json")
@click.argument(
    "manifest",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The manifest beside the files.",
)
@click.option("--database", is_flag=True, help="Make it again, too, keeping nothing, and compare.")
@click.option(
    "--archives",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Where archived usage lines lie; exports.archives in the settings by default.",
)
@with_desk
def verify(desk: Desk, *, manifest: Path, database: bool, archives: Path | None) -> Report:
    """Check files against their manifest, byte by byte, and with --database against the books.

    Ends with exit code 1 when something is wrong. Names of users and links are exported as they
    are: when somebody was renamed or erased since, the books give other rows.
    """
    told = verifying.load(manifest)
    wrong = verifying.check_files(manifest.parent, told)
    if database:
        order = order_of(told)
        directory = archives or desk.settings.exports.archives
        found = reading.needed_archives(desk.db, order, directory)
        with bar_of(order.table.name) as move:
            wrong += verifying.check_books(desk.db, told, found, note=move)
    shown = wrong or ["All is as the manifest says."]
    return Report({"ok": not wrong, "problems": wrong}, shown, exit_code=1 if wrong else 0)


@exports.command("list", example="shareauth exports list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="How many.")
@with_desk
def list_(desk: Desk, *, limit: int) -> Report:
    """List exports that were asked for in the console or by the API, newest first."""
    with desk.db.read() as session:
        jobs = store.list_page(session, kind=KIND, limit=limit)
    shelf = shelf_in(desk.settings.service.data_dir)
    found = [
        {
            "export": job.id,
            "table": job.parameters["table"],
            "format": job.parameters["format"],
            "state": job.state,
            "rows": (job.result or {}).get("manifest", {}).get("rows"),
            "asked_by": job.asked_by,
            "host": (job.result or {}).get("host"),
            "is_here": shelf.has(job.id),
        }
        for job in jobs
    ]
    headings = ["no>", "table", "format", "state", "rows>", "asked by", "lies on", "here"]
    shown = table(headings, [list(row.values()) for row in found], empty="There are none.")
    return Report({"exports": found}, [shown])


@exports.command("get", example="shareauth exports get 12")
@click.argument("export", type=int, help="Its number, as `exports list` shows it.")
@with_desk
def get(desk: Desk, export: int) -> Report:
    """Show one of them: its manifest, and where its files lie."""
    job = _job(desk, export)
    folder = shelf_in(desk.settings.service.data_dir).folder(job.id)
    manifest = (job.result or {}).get("manifest")
    data = {"export": job.id, "state": job.state, "folder": str(folder), "manifest": manifest}
    shown = {
        "export": job.id,
        "state": job.state,
        "message": job.message,
        "asked by": job.asked_by,
        "asked at": local(job.created_at, desk.settings.zone),
        "lies on": (job.result or {}).get("host"),
        "folder": str(folder) if folder.is_dir() else "not on this machine",
    }
    return Report(data, [card(shown), *([] if manifest is None else [_card(manifest)])])


@exports.command("send", example="shareauth exports send 12 --to minio")
@click.argument("export", type=int, help="Its number, as `exports list` shows it.")
@click.option("--to", "name", required=True, metavar="NAME", help="The destination.")
@with_desk
def send(desk: Desk, export: int, *, name: str) -> Report:
    """Send the files of one of them to a destination, with their manifest.

    The worker of the machine on which they lie does it, wherever this is typed.
    """
    job = _job(desk, export)
    with desk.db.begin() as session:
        destination = delivery_store.get_destination_named(session, name)
        made = export_delivery.send(session, job, destination.id, actor=desk.actor, now=desk.now)
        data = orders.describe(made)
    said = f"A worker sends it within seconds: shareauth deliveries show {data['id']}"
    return Report(data, [said])


@exports.command("remove", example="shareauth exports remove 12 --reason 'fetched'")
@click.argument("export", type=int, help="Its number, as `exports list` shows it.")
@click.option("--reason", metavar="TEXT", help="Why, for the audit journal.")
@with_desk
def remove(desk: Desk, export: int, *, reason: str | None) -> Report:
    """Remove the files of one of them from this machine."""
    job = _job(desk, export)
    with desk.db.begin() as session:
        journal.record(
            session,
            actor=desk.actor,
            action="exports.remove",
            subject=("job", job.id),
            now=desk.now,
            reason=reason,
        )
    was_here = shelf_in(desk.settings.service.data_dir).remove(job.id)
    said = "were removed" if was_here else "are not on this machine"
    return Report(
        {"export": job.id, "removed": was_here}, [f"The files of export {job.id} {said}."]
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was typed."""

    table: str
    form: str
    output: Path
    month: int | None
    since: datetime | None
    until: datetime | None
    link: str | None
    user: str | None
    kind: str | None
    upto: str | None
    archives: Path | None
    bom: bool
    gzip: bool
    resume: bool


def _order(desk: Desk, asked: _Asked) -> Order:
    settings = desk.settings
    since, until = _period(asked, settings.zone)
    with desk.db.read() as session:
        link = None if asked.link is None else _link(session, asked.link)
        user = None if asked.user is None else user_store.get_by_subject(session, asked.user).id
    return Order(
        table=catalogue.get(asked.table),
        form=registry.get(asked.form),
        scope=Scope(
            Period(since, until, _position(asked.upto)), link_id=link, user_id=user, kind=asked.kind
        ),
        zone=settings.zone,
        currency=settings.billing.currency,
        source=settings.public_url,
        software=f"shareauth {__version__}",
        asked_by=desk.actor.name,
        asked_at=desk.now,
        with_bom=asked.bom,
        gzip=asked.gzip,
        month=asked.month,
    )


def _link(session: Session, name: str) -> int:
    """Raises: LinkNotFound."""
    link = link_store.find_by_name(session, name)
    if link is None:
        raise link_store.LinkNotFound(
            f"there is no link {name!r}; `shareauth links list` shows all"
        )
    return link.id


def _period(asked: _Asked, zone: ZoneInfo) -> tuple[datetime, datetime]:
    if asked.month is not None and asked.since is None and asked.until is None:
        return _first(asked.month, zone), _first(month_after(asked.month), zone)
    if asked.month is None and asked.since is not None and asked.until is not None:
        since, until = by_clock(asked.since, zone), by_clock(asked.until, zone)
        if until > since:
            return since, until
        raise Invalid("the period ends before it begins", code="period_invalid")
    raise Invalid("give --month, or both --since and --until", code="period_invalid")


def _first(month: int, zone: ZoneInfo) -> datetime:
    return by_clock(datetime(month // 100, month % 100, 1), zone)  # noqa: DTZ001 - of that clock


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    event, comma, transaction = text.partition(",")
    if not comma or not event.isdecimal() or not transaction.isdecimal():
        raise Invalid(f"{text!r} does not read like 1200,1350", code="position_invalid")
    return Position(int(event), int(transaction))


def _saved(place: Path, order: Order) -> dict[str, Any] | None:
    """What an interrupted run of the same order noted; None when there is none."""
    try:
        saved: dict[str, Any] = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if saved["filter"] != order.scope.as_json()["filter"]:
        raise Invalid("what was interrupted had other filters", code="resume_differs")
    return saved


def _at(order: Order, saved: dict[str, Any]) -> Order:
    return replace(order, scope=scope_of(saved["scope"]))


def _noting(place: Path, order: Order, move: Note) -> Note:
    scope = order.scope.as_json()

    def note(step: Step) -> None:
        move(step)
        partial = place.with_name(f"{place.name}.new")
        saved = {"scope": scope, "filter": scope["filter"], "run": step.saved}
        partial.touch(mode=0o600)  # as the files: it has some of their rows
        partial.write_text(json.dumps(saved), "utf-8")
        partial.rename(place)

    return note


def _job(desk: Desk, export: int) -> BackgroundJob:
    with desk.db.read() as session:
        job = store.get(session, export)
    if job.kind != KIND:
        raise store.JobNotFound(f"job {export} is no export; `shareauth exports list` shows them")
    return job


def _card(manifest: dict[str, Any]) -> object:
    upto = manifest["positions"]["upto"] or {}
    return card(
        {
            "files": [file["name"] for file in manifest["files"]],
            "rows": manifest["rows"],
            "bytes": manifest["bytes"],
            **{f"sum of {name}": added for name, added in manifest["sums"].items()},
            "content sha256": manifest["content_sha256"],
            "closing": (manifest["closing"] or {}).get("hash"),
            "position": f"{upto.get('event_id')},{upto.get('transaction_id')}",
        }
    )
