"""``shareauth serve``: everything one machine needs, started together and stopped together."""

import os
import signal
import sys

import click

from app import config, first_start
from app.cli import metrics_home
from app.cli.frame import Taught


@click.command(cls=Taught, example="shareauth serve\nSHAREAUTH_SERVICE__PORT=9000 shareauth serve")
def serve() -> None:
    """Run the service until Ctrl-C or SIGTERM.

    Brings the database up to date, starts the bundled Valkey where no redis.url is given, and
    serves with several processes beside one for periodic jobs. Stopping finishes the requests in
    flight; SIGHUP reads the settings anew without dropping any.

    The first start of the embedded set-up makes a demo link, a user with credit and a token.
    """
    signal.signal(signal.SIGTERM, _leave)
    settings = config.load()
    os.umask(0o077)
    patience_s = settings.service.graceful_timeout_s + 5
    with (
        first_start.held(settings.service.data_dir, patience_s=patience_s) as data_dir,
        metrics_home.prepared(data_dir),
    ):
        from app.cli import launch  # noqa: PLC0415 - prometheus_client reads the variable on import

        launch.run(settings, data_dir)


def _leave(_number: int, _frame: object) -> None:
    """Before gunicorn listens for signals, leaving in order is enough: `finally` does the rest."""
    sys.exit(0)
