"""An export as a background job: its files lie on this machine, see ``exports.shelf``."""

import socket
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from app import __version__
from app.background.task import Task
from app.config import Settings
from app.deliveries import home
from app.deliveries.orders import DeliveredFile
from app.exports import catalogue, reading, verifying, writing
from app.exports.formats import registry
from app.exports.order import Order
from app.exports.scope import Scope, scope_of
from app.exports.shelf import shelf_in
from app.exports.writing import How, Step
from app.jobs import store
from app.jobs.leases import Progress
from app.periods import Period, Position
from app.runtime import Runtime

KIND = "export"
NOTE_PAGES = 5
WHOLE = 1000
"""Progress is told in thousandths of the period."""


class At(BaseModel):
    """A position of the books."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: int
    transaction_id: int


class Parameters(BaseModel):
    """What is exported; ``link_ids`` are the only links that whoever asked may see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    format: str = "csv"
    since: AwareDatetime
    until: AwareDatetime
    upto: At | None = None
    after: At | None = None
    row_id: int | None = None
    link_id: int | None = None
    user_id: int | None = None
    kind: str | None = None
    link_ids: tuple[int, ...] | None = None
    bom: bool = False
    gzip: bool = False
    month: int | None = None
    """Such as 202611: the period is this month's, closed or not, when it is made."""

    @property
    def scope(self) -> Scope:
        return Scope(
            Period(self.since, self.until, _position(self.upto), _position(self.after)),
            link_id=self.link_id,
            user_id=self.user_id,
            kind=self.kind,
            link_ids=None if self.link_ids is None else frozenset(self.link_ids),
            row_id=self.row_id,
        )


def order_of(settings: Settings, asked: Parameters, *, asked_by: str, asked_at: datetime) -> Order:
    """The order as it was asked for; its position is not fixed yet.

    Raises:
        TableNotFound, FormatNotFound: there is no such.
    """
    return Order(
        table=catalogue.get(asked.table),
        form=registry.get(asked.format),
        scope=asked.scope,
        zone=settings.zone,
        currency=settings.billing.currency,
        source=settings.public_url,
        software=f"shareauth {__version__}",
        asked_by=asked_by,
        asked_at=asked_at,
        with_bom=asked.bom,
        gzip=asked.gzip,
        month=asked.month,
    )


def run(runtime: Runtime, task: Task) -> dict[str, Any]:
    """Write the files; the manifest, and the name of the machine they lie on.

    What an attempt before this one wrote is gone on with, if it was on this machine.

    Raises:
        LinesGone: lines lie in archives that are not here.
        ExportPlaceUnwritable: there is no room.
        FilterUnknown, FormatUnfit: it cannot be made.
    """
    folder = shelf_in(runtime.settings.service.data_dir).folder(task.job_id)
    if made := verifying.manifests(folder):  # by an attempt that could not say so any more
        return _told(runtime.settings, folder, verifying.load(made[0]))
    with runtime.db.read() as session:
        asked_at = store.get(session, task.job_id).created_at
    asked = Parameters.model_validate(task.parameters)
    order = order_of(runtime.settings, asked, asked_by=task.actor.name, asked_at=asked_at)
    saved = task.saved
    if saved is not None:
        order = replace(order, scope=scope_of(saved["scope"]))
    order = reading.prepare(runtime.db, order)
    archives = reading.needed_archives(runtime.db, order, runtime.settings.exports.archives)
    fixed = order.scope.as_json()

    def note(step: Step) -> None:
        task.report(
            Progress(
                done=int(step.fraction * (WHOLE - 1)),
                total=WHOLE,
                message=f"{step.rows} rows",
                saved={"scope": fixed, "run": step.saved},
            )
        )

    if saved is None:
        note(Step(0.0, 0, None))
    run_before = None if saved is None else saved["run"]
    how = How(saved=run_before, note=note, note_pages=NOTE_PAGES, replaces=True)
    manifest = writing.write(runtime.db, order, folder, archives, how)
    return _told(runtime.settings, folder, manifest)


def _told(settings: Settings, folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Where the files lie: for whoever fetches them, and for the worker that delivers them."""
    (proof,) = verifying.manifests(folder)
    try:
        outbox = home.home(settings).name
    except home.OutboxUnusable:
        outbox = None
    return {
        "host": socket.gethostname(),
        "home": outbox,
        "folder": str(folder.absolute()),
        "proof": DeliveredFile.of(proof, "application/json").told(),
        "manifest": manifest,
    }


def _position(at: At | None) -> Position | None:
    return None if at is None else Position(at.event_id, at.transaction_id)
