"""Send what an export's job has made to a destination.

The files stay where the job left them, so the worker of that machine sends them, whichever machine
is asked.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.background.export import Parameters
from app.deliveries import orders
from app.deliveries import store as delivery_store
from app.deliveries.models import Delivery
from app.deliveries.orders import DeliveredFile, Order
from app.errors import Conflict
from app.exports.formats import registry
from app.exports.shelf import ExportGone
from app.exports.writing import MANIFEST
from app.jobs.models import BackgroundJob

FORMAT = "shareauth-sent-export/1"


class ExportUnsendable(Conflict):
    """It was made before exports could be sent, or where nothing can be sent from."""

    code = "export_unsendable"


def send(
    session: Session, job: BackgroundJob, destination_id: int, *, actor: Actor, now: datetime
) -> Delivery:
    """Ask for the delivery of a finished export; asked again, it is sent again.

    Raises:
        ExportGone: it is not done.
        ExportUnsendable: nobody knows from which machine.
        DestinationNotFound: there is no such destination.
        Conflict: it is being sent at this moment (``delivery_under_way``).
    """
    result = job.result
    if result is None:
        raise ExportGone(f"export {job.id} has no files: it is {job.state}")
    if result.get("home") is None:
        raise ExportUnsendable(
            f"export {job.id} cannot be sent from {result['host']}: make it again"
        )
    known = sent_of(session, job.id)
    before = next((one for one in known if one.destination_id == destination_id), None)
    if before is not None and before.leased_until is not None and before.leased_until > now:
        raise Conflict("it is being sent at this moment", code="delivery_under_way")
    manifest = result["manifest"]
    order = Order(
        key=_key(job.id),
        subject=result["proof"]["name"].removesuffix(MANIFEST),
        files=_files(job, result),
        manifest={"format": FORMAT, "export": manifest},
        asked_by=actor.name,
        summary=f"rows: {manifest['rows']}\nsha256: {manifest['content_sha256']}",
        is_again=before is not None,
    )
    made = orders.deliver(session, destination_id, order, home=result["home"], now=now)
    journal.record(
        session,
        actor=actor,
        action="exports.send",
        subject=("job", job.id),
        now=now,
        change=(None, {"destination_id": destination_id, "delivery_id": made.id}),
    )
    return made


def sent_of(session: Session, job_id: int) -> Sequence[Delivery]:
    """The deliveries of an export that are known, newest first."""
    return delivery_store.list_by_keys(session, [_key(job_id)])


def sent_of_all(session: Session, job_ids: Sequence[int]) -> dict[int, list[Delivery]]:
    """The same of several, by export."""
    by_key = {_key(job_id): job_id for job_id in job_ids}
    found: dict[int, list[Delivery]] = {}
    for one in delivery_store.list_by_keys(session, by_key.keys()):
        found.setdefault(by_key[one.key], []).append(one)
    return found


def _key(job_id: int) -> str:
    return f"export-{job_id}"


def _files(job: BackgroundJob, result: dict[str, Any]) -> list[DeliveredFile]:
    """The files with the manifest; of a month's folder, it becomes the beginning of the name."""
    asked, folder = Parameters.model_validate(job.parameters), Path(result["folder"])
    media_type = "application/gzip" if asked.gzip else registry.get(asked.format).media_type
    proof = result["proof"]
    files = [
        DeliveredFile(
            folder / one["name"],
            one["name"].replace("/", "_"),
            media_type,
            one["sha256"],
            one["bytes"],
        )
        for one in result["manifest"]["files"]
    ]
    return [*files, DeliveredFile(folder / proof["name"], **proof)]
