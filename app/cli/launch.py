"""Start what ``serve`` needs, in order, and stop it in the opposite one."""

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog

from app import embedded, handover, schema, server
from app.archives import partitions
from app.audit.journal import Actor
from app.cli import demo, foundation, welcome
from app.cli.demo import Demo
from app.cli.output import show
from app.cli.session import Desk
from app.config import Settings
from app.db import DatabaseBusy
from app.operators import commands as operator_commands
from app.telemetry import logs

RESTART_PAUSE_S = 5.0
ACTOR = Actor(name="serve", source="service")

log = structlog.get_logger(__name__)


class JobsProcess:
    """``shareauth worker`` beside the HTTP workers; it also ends by itself when we are gone.

    It is given our settings instead of reading its own: what an operator has half written into the
    file since must neither reach it nor keep it from being started again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = -RESTART_PAUSE_S

    def ensure(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        if time.monotonic() - self._started_at < RESTART_PAUSE_S:
            return
        if self._process is not None:
            log.warning("jobs_process_restarted", pid=self._process.pid)
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            # -P: the working directory may hold another package named app.
            [sys.executable, "-P", "-m", "app", "worker", "--parent", str(os.getpid())],
            stdin=subprocess.PIPE,
            process_group=0,  # Ctrl-C in a terminal is for us; we tell it when to stop
        )
        if self._process.stdin is not None:
            handover.hand_over(self._settings, self._process.stdin)

    def restart(self, settings: Settings) -> None:
        self.stop()
        self._settings = settings
        self._process = None
        self._started_at = -RESTART_PAUSE_S

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._settings.service.graceful_timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run(settings: Settings, data_dir: Path) -> None:
    """Serve until a signal says stop; then SystemExit, with nothing left running.

    Raises:
        ServiceError: what is missing or in the way, before anything is served.
    """
    logs.configure(settings.logging.level, settings.logging.format)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    server.check_address(settings.service.host, settings.service.port)
    companions: list[server.Companion] = []
    with contextlib.ExitStack() as stack:
        if settings.redis.url is None:
            valkey = embedded.start(settings.service.data_dir, namespace=settings.redis.namespace)
            stack.callback(valkey.stop)
            companions.append(valkey)
        found, password = _prepare_database(settings)
        jobs = JobsProcess(settings)
        stack.callback(jobs.stop)
        companions.append(jobs)
        server.serve(
            settings,
            on_ready=lambda: show(welcome.lines(settings, data_dir, found, password)),
            companions=companions,
        )


def _prepare_database(settings: Settings) -> tuple[Demo | None, str | None]:
    """Migrations, what every installation has, the demo, and the first operator's password.

    Closed again before any fork.
    """
    with _desk(settings) as desk:
        before = schema.current(desk.db)
        schema.upgrade(desk.db)
        if (after := schema.current(desk.db)) != before:
            log.info("schema_upgraded", before=before, after=after)
        if schema.is_newer(after):
            log.warning("schema_is_newer", found=after, ours=schema.head())
        _prepare_partitions(desk)
        foundation.ensure(desk.db, settings, actor=ACTOR, now=datetime.now(UTC))
        return demo.find_or_make(desk), _first_password(desk)


def _first_password(desk: Desk) -> str | None:
    """Of the operator that the first start of the embedded set-up makes; None ever after.

    In production somebody with access to the machine adds the first: `shareauth operators add`.
    """
    if desk.settings.is_production or not desk.settings.admin.enabled:
        return None
    with desk.db.begin() as session:
        made = operator_commands.ensure_first(session, actor=ACTOR, now=desk.now)
    return None if made is None else made.password


def _prepare_partitions(desk: Desk) -> None:
    try:
        partitions.prepare(desk.db, desk.now)
    except DatabaseBusy as busy:
        # The default partition takes what comes; the job tries again.
        log.warning("partitions_not_prepared", problem=busy.message)


@contextlib.contextmanager
def _desk(settings: Settings) -> Iterator[Desk]:
    desk = Desk(settings)
    desk.actor = ACTOR
    try:
        yield desk
    finally:
        desk.close()
