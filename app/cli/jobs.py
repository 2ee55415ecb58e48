"""``shareauth jobs``: work that a worker process does while nobody waits for it."""

from typing import Any

import click

from app.cli.frame import Group, Report
from app.cli.output import card, iso, local, table
from app.cli.session import Desk, with_desk
from app.jobs import commands, store
from app.jobs.models import BackgroundJob

PAGE = 50

jobs = Group(
    "jobs",
    help="Long work, such as `prices rerate apply --in-background`, is done by a worker process "
    "(of `serve`, or `worker`). It shows how far it is and can be cancelled; what its worker left "
    "half-done, by a stop or a crash, the next one takes up.",
)


@jobs.command("list", example="shareauth jobs list --state running")
@click.option("--state", type=click.Choice(commands.STATES), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, help="How many.")
@click.option(
    "--before", type=int, metavar="N", help="Only jobs before this one, to see older ones."
)
@with_desk
def list_(desk: Desk, *, state: str | None, limit: int, before: int | None) -> Report:
    """List jobs, newest first."""
    with desk.db.read() as session:
        found = store.list_page(session, state=state, before_id=before, limit=limit)
    rows = [
        [
            job.id,
            job.kind,
            _state(job),
            _progress(job),
            job.asked_by,
            local(job.created_at, desk.settings.zone),
            job.message,
        ]
        for job in found
    ]
    headings = ["no>", "kind", "state", "done>", "asked by", "asked at", ""]
    return Report(
        {"jobs": [_described(job) for job in found]},
        [table(headings, rows, empty="There are none.")],
    )


@jobs.command("show", example="shareauth jobs show 12")
@click.argument("job", type=int, help="Its number, as `jobs list` shows it.")
@with_desk
def show(desk: Desk, job: int) -> Report:
    """Show one job: what was asked, how far it is, what came of it."""
    with desk.db.read() as session:
        found = store.get(session, job)
    zone = desk.settings.zone
    shown = {
        "job": found.id,
        "kind": found.kind,
        "state": _state(found),
        "done": _progress(found),
        "message": found.message,
        "error": found.error_code,
        "asked by": found.asked_by,
        "asked at": local(found.created_at, zone),
        "begun at": local(found.started_at, zone),
        "last heard of": local(found.heartbeat_at, zone),
        "ended at": local(found.finished_at, zone),
        "parameters": found.parameters,
        "result": found.result,
    }
    return Report(_described(found), [card(shown)])


@jobs.command("cancel", example="shareauth jobs cancel 12")
@click.argument("job", type=int, help="Its number, as `jobs list` shows it.")
@click.option("--reason", metavar="TEXT", help="Why, for the audit journal.")
@with_desk
def cancel(desk: Desk, job: int, *, reason: str | None) -> Report:
    """Have a job not begun, or stopped at its next step. What it did stays done."""
    with desk.db.begin() as session:
        found = commands.cancel(session, job, actor=desk.actor, now=desk.now, reason=reason)
        data = _described(found)
    return Report(data, [f"Job {found.id} is {_state(found)}."])


def _state(job: BackgroundJob) -> str:
    is_stopping = job.state == commands.RUNNING and job.cancel_asked_at is not None
    return "stopping" if is_stopping else job.state


def _progress(job: BackgroundJob) -> str:
    return f"{job.done}" if job.total is None else f"{job.done} of {job.total}"


def _described(job: BackgroundJob) -> dict[str, Any]:
    times = {
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at),
        "heartbeat_at": iso(job.heartbeat_at),
        "finished_at": iso(job.finished_at),
    }
    return commands.describe(job) | times
