"""``shareauth worker``: the periodic jobs as a process of their own."""

import sys

import click

from app import config, handover
from app import worker as jobs
from app.cli.frame import Taught
from app.telemetry import logs


@click.command("worker", cls=Taught, example="shareauth worker")
@click.option("--parent", "parent_pid", type=int, hidden=True)
def worker(parent_pid: int | None) -> None:
    """Run the periodic jobs (clean-up, nightly ledger verification) without serving HTTP.

    `serve` runs them already. Use this where the HTTP service is started by something else, such
    as your own gunicorn; one process at a time does the work, however many are started.
    """
    settings = config.load() if parent_pid is None else handover.handed_over(sys.stdin.buffer)
    logs.configure(settings.logging.level, settings.logging.format)
    jobs.work(settings, parent_pid=parent_pid)
