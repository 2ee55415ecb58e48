"""A run of a schedule as a background job: its files are made, then sent from here at once."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app import __version__
from app.background.task import Task
from app.config import Settings
from app.deliveries import home, sending
from app.deliveries.sending import Post
from app.jobs.leases import Progress
from app.runtime import Runtime
from app.schedules import running
from app.schedules.kinds import KINDS
from app.schedules.makers import Site
from app.schedules.running import Workshop
from app.telemetry import metrics

KIND = "scheduled"


class Parameters(BaseModel):
    """Which run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: Annotated[int, Field(ge=1, le=2**63 - 1)]


def run(runtime: Runtime, task: Task) -> dict[str, Any]:
    """Make the files and send them; what is not taken now is tried again by the timetable."""
    asked = Parameters.model_validate(task.parameters)
    post = build_post(runtime, task.clock)
    shop = Workshop(
        db=runtime.db,
        home=post.home,
        kinds=KINDS,
        site=site_of(runtime.settings),
        clock=task.clock,
        check=task.check,
    )
    ids = running.make(shop, asked.run_id)
    task.report(Progress(done=1, total=2, message="sending"))
    sending.send_due(post, ids)
    return {"run_id": asked.run_id, "delivery_ids": ids}


def site_of(settings: Settings) -> Site:
    """What the makers of files are told of the service."""
    return Site(
        currency=settings.billing.currency,
        zone=settings.zone,
        source=settings.public_url,
        software=f"shareauth {__version__}",
        archives=settings.exports.archives,
        refusals_kept=timedelta(days=settings.hooks.refusals_days),
        issuer=settings.statements,
    )


def build_post(runtime: Runtime, clock: sending.Clock) -> Post:
    """What sends from this machine."""
    return Post(
        db=runtime.db,
        keys=runtime.keys,
        home=home.home(runtime.settings),
        ways=sending.ways(runtime.settings),
        clock=clock,
        on_sent=lambda kind, outcome: metrics.FILE_DELIVERIES.labels(kind, outcome).inc(),
    )
