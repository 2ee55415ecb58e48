"""gunicorn, held by the hand: our settings, our logs, and a stop that finishes what is in flight.

Ctrl-C stops as gently as SIGTERM; a second one stops at once. SIGHUP reads the settings anew and
replaces the workers one generation by the next; settings that are wrong leave the old ones running.
"""

import errno
import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client.multiprocess import mark_process_dead

from app import config
from app.config import Settings, SettingsError
from app.errors import Conflict, Invalid
from app.factory import create_app, preload
from app.provenance import FIXED_WHILE_RUNNING
from app.telemetry import logs

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes its own unnamed file there
HEARTBEAT_TIMEOUT_S = 60
KEEP_ALIVE_S = 15

log = structlog.get_logger(__name__)


class PortTaken(Conflict):
    """Something else listens where the service should."""

    code = "port_taken"


class AddressUnusable(Invalid):
    """The service cannot listen on that address."""

    code = "address_unusable"


class Companion(Protocol):
    """A process that runs beside the workers and is looked after once a second."""

    def ensure(self) -> None:
        """Start it again if it has ended."""
        ...

    def restart(self, settings: Settings) -> None:
        """Have it take the new settings."""
        ...


def check_address(host: str, port: int) -> None:
    """Find out now, and in one sentence, that the service could not listen there.

    Raises:
        PortTaken: somebody else does.
        AddressUnusable: it is not an address of this machine, or the port is reserved.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        place = f"{host} port {port}"
        if isinstance(error, socket.gaierror) or error.errno is None:
            raise AddressUnusable(f"cannot listen on {place}: {error.strerror}") from None
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"{place} is in use by another program: stop it, or choose another port with "
                "PORT=… (service.port)"
            ) from None
        raise AddressUnusable(f"cannot listen on {place}: {error.strerror}") from None


def serve(
    settings: Settings, *, on_ready: Callable[[], None], companions: Sequence[Companion] = ()
) -> None:
    """Serve HTTP until a signal stops it; then raises SystemExit, when all workers have ended."""
    preload(settings)
    _Arbiter(_Service(settings, on_ready, companions), companions).run()


class _Service(BaseApplication):
    """gunicorn's view of the service."""

    def __init__(
        self, settings: Settings, on_ready: Callable[[], None], companions: Sequence[Companion]
    ) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._companions = companions
        super().__init__()

    def load_config(self) -> None:
        for name, value in _gunicorn_settings(self._settings).items():
            self.cfg.set(name, value)
        self.cfg.set("when_ready", lambda _server: self._on_ready())

    def load(self) -> Any:  # noqa: ANN401 - gunicorn's union of all kinds of applications
        """Called in each worker, after the fork; only the code is there before, to be shared."""
        app = create_app(self._settings)
        # What is there now stays. To look through it all for what may go takes longer than most
        # requests, and some request would wait for it.
        gc.collect()
        gc.freeze()
        return app

    def reload(self) -> None:
        try:
            settings = config.load()
            _check_reloadable(self._settings, settings)
        except SettingsError as error:
            log.error("reload_refused", problems=error.message)  # noqa: TRY400 - no fault of ours
            return
        self._settings = settings
        logs.configure(self._settings.logging.level, self._settings.logging.format)
        super().reload()
        for companion in self._companions:
            companion.restart(settings)
        log.info("reloaded")


class _Arbiter(Arbiter):
    def __init__(self, service: _Service, companions: Sequence[Companion]) -> None:
        self._companions = companions
        super().__init__(service)

    def handle_int(self) -> None:
        self.handle_term()

    def manage_workers(self) -> None:
        super().manage_workers()
        for companion in self._companions:
            companion.ensure()


class _Worker(ThreadWorker):
    def set_accept_enabled(self, enabled: bool | None) -> None:  # noqa: FBT001 - gunicorn's
        super().set_accept_enabled(enabled)
        if not self.alive:
            # gunicorn closes them when the last request has ended. Until then callers would queue
            # for a process that never answers them, where a refusal sends them to another one.
            for listener in self.sockets:
                listener.close()


class _Logger(Logger):
    """gunicorn's own messages, in the form of all others.

    There is no access log: its lines would hold the secrets of the links.
    """

    def __init__(self, cfg: Any) -> None:  # noqa: ANN401 - gunicorn's configuration
        super().__init__(cfg)
        self.error_log.propagate = True


def _check_reloadable(old: Settings, new: Settings) -> None:
    """Listening sockets, the bundled Valkey and the lock belong to the parent, which stays."""
    changed = [
        f"{section}.{name}"
        for section, name in FIXED_WHILE_RUNNING
        if getattr(getattr(old, section), name) != getattr(getattr(new, section), name)
    ]
    if changed:
        raise SettingsError(f"{', '.join(changed)} can only be changed by a restart")


def _gunicorn_settings(settings: Settings) -> dict[str, Any]:
    service = settings.service
    host = f"[{service.host}]" if ":" in service.host else service.host
    return {
        "bind": f"{host}:{service.port}",
        "worker_class": _Worker,
        "workers": service.workers,
        "threads": service.threads,
        "graceful_timeout": service.graceful_timeout_s,
        "timeout": HEARTBEAT_TIMEOUT_S,
        "keepalive": KEEP_ALIVE_S,
        "proc_name": "shareauth",
        "logger_class": _Logger,
        "loglevel": "debug" if settings.logging.level == "debug" else "warning",
        "accesslog": None,
        "errorlog": None,
        "control_socket_disable": True,
        "worker_tmp_dir": str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None,
        "post_worker_init": _ignore_interrupts,
        "worker_exit": _close_runtime,
        "child_exit": _forget_metrics,
    }


def _ignore_interrupts(_worker: Worker) -> None:
    """A terminal sends Ctrl-C to every process; the parent tells the workers what to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _close_runtime(_arbiter: Arbiter, worker: Worker) -> None:
    wsgi = getattr(worker, "wsgi", None)
    if isinstance(wsgi, Flask):
        wsgi.extensions["shareauth"].close()


def _forget_metrics(_arbiter: Arbiter, worker: Worker) -> None:
    if config.metrics_directory() is not None:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
