"""A whole installation of its own: the service, its database, its Valkey, its disk, its clock."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import psutil
import urllib3
from app import config, embedded
from app.cli import simulation_stage
from app.cli.session import Desk
from app.cli.simulation_stage import Stage
from app.spool import segments

from faults import disk, processes
from faults.clock import Clock
from faults.postgres import PostgresServer
from faults.proxy import Proxy
from faults.servers import BundledValkey, OwnValkey
from free_ports import free_port

CLI = [sys.executable, "-P", "-m", "app"]
VISITORS = 6
TICKET_TTL_S = 3
RESTART_PAUSE_S = 0.5
WORKERS = 2
SETTINGS = {
    "ADMIN__ENABLED": "false",  # what is broken here has no pages
    "VISITOR__ENABLED": "false",
    "SERVICE__WORKERS": WORKERS,
    "SERVICE__GRACEFUL_TIMEOUT_S": 10,
    "SERVICE__SECRET_KEY": "for tests only, for tests only, for tests",
    # Patience as short as it may be: the more finishes take the way through the spool.
    "SPOOL__AFTER_S": 1,
    "ADMISSION__TICKET_TTL_S": TICKET_TTL_S,
    # A copy that comes after the clock was set is still one.
    "METERING__REPLAY_WINDOW_S": 86_400,
    "DEMO__ENABLED": "false",
}


class Cluster:
    """Runs from ``start`` to ``close``; whatever ends its service, it is started again.

    ``folder`` keeps the log and all that is left when something is wrong.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        # Short, for sockets lie in it; others may pass through, for PostgreSQL is not run by root.
        self._place = Path(mkdtemp(prefix="sa-f-"))
        self._place.chmod(0o711)
        self.data_dir = self._place / "data"
        self.data_dir.mkdir(mode=0o700)
        self.clock = Clock(folder / "clock")
        self.disk = disk.make(self.data_dir, self.service_processes)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = folder / "service.log"
        self.pool = urllib3.PoolManager(maxsize=64, retries=False, timeout=60)
        self.postgres: PostgresServer | None = None
        self.database_proxy: Proxy | None = None
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith("SHAREAUTH_")}
        self._environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        self._environ |= _variables(SETTINGS)
        self._environ |= _variables(
            {"SERVICE__PORT": self.port, "SERVICE__DATA_DIR": self.data_dir}
        )
        try:
            self._prepare_stores()
        except BaseException:
            processes.send(processes.marked(str(self._place)), signal.SIGKILL)
            self._remove()
            raise
        self._service = _Supervised(self._environ | self.clock.environ, self.log_path)

    def _prepare_stores(self) -> None:
        if self.database == "sqlite":
            self.valkey = BundledValkey(embedded.url(self.data_dir), self.service_processes)
            return
        (self._place / "postgres").mkdir()
        (self._place / "valkey").mkdir()
        self.postgres = PostgresServer(self._place / "postgres")
        self.database_proxy = Proxy(self.postgres.port)
        self.valkey = OwnValkey(self._place / "valkey")
        self._environ |= _variables(
            {
                "DATABASE__URL": self.postgres.url(self.database_proxy.port),
                "REDIS__URL": self.valkey.url,
            }
        )

    def start(self) -> None:
        self._service.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        processes.wait_for(self._is_ready, "the service is ready")

    def wait_until_it_answers(self, at_most_s: float) -> float:
        """Whatever it answers; how many seconds that took."""
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            processes.wait_for(self._answers, "the service answers", at_most_s)
        return time.monotonic() - began

    @contextlib.contextmanager
    def desk(self) -> Iterator[Desk]:
        """The stores from outside, past the proxies; only while they are well."""
        environ = dict(self._environ)
        if self.postgres is not None:
            environ |= _variables({"DATABASE__URL": self.postgres.url()})
        desk = Desk(config.load(environ))
        try:
            yield desk
        finally:
            desk.close()

    def build_stage(self, desk: Desk) -> Stage:
        return simulation_stage.build(desk, VISITORS)

    def cli(self, *words: str) -> dict:
        """What a command says in JSON, whatever its exit code; made as an operator would."""
        done = subprocess.run(
            [*CLI, *words, "--json"],
            env=self._environ | self.clock.environ,
            capture_output=True,
            text=True,
            timeout=processes.PATIENCE_S,
            check=False,
        )
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise RuntimeError(f"{words}: {done.stdout} {done.stderr}") from None

    @property
    def parent_pid(self) -> int:
        return self._service.pid

    def service_processes(self) -> list[psutil.Process]:
        """The parent and all below it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.parent_pid)
            return [parent, *processes.children(self.parent_pid, of_all=True)]
        return []

    def workers(self) -> list[psutil.Process]:
        """Those that answer HTTP: forked, so their command line is the parent's."""
        others = ("worker --parent", "valkey-server")
        mine = processes.children(self.parent_pid)
        return [one for one in mine if not any(o in processes.command(one) for o in others)]

    def jobs(self) -> list[psutil.Process]:
        mine = processes.children(self.parent_pid)
        return [one for one in mine if "worker --parent" in processes.command(one)]

    def tell(self, number: signal.Signals) -> None:
        """Signal the parent. When that ends it, it was meant to."""
        self._service.tell(number)

    @property
    def unexpected_ends(self) -> list[int]:
        """Exit codes of a service that was running and that nobody had ended."""
        return self._service.unexpected_ends

    def spool_is_empty(self) -> bool:
        found = segments.list_segments(self.data_dir / "spool")
        return not any(segments.size_of(segment.path) for segment in found)

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def stop_service(self) -> tuple[int, list[psutil.Process]]:
        """In order; its exit code, and what it has left running."""
        code = self._service.stop()
        return code, processes.marked(str(self.data_dir))

    def close(self, *, keep: bool = False) -> None:
        """End whatever still runs; ``keep`` copies what lies in the data directory first."""
        self._service.kill()
        processes.send(processes.marked(str(self.data_dir)), signal.SIGKILL)
        self.pool.clear()
        self.valkey.close()
        if self.database_proxy is not None:
            self.database_proxy.close()
        if self.postgres is not None:
            self.postgres.kill()
        if keep:
            shutil.copytree(self.data_dir, self.folder / "data", ignore=_no_sockets)
        self._remove()

    def _remove(self) -> None:
        processes.wait_for(self._has_ended, "every process ends")
        self.disk.remove()
        shutil.rmtree(self._place)

    def _has_ended(self) -> bool:
        return not processes.marked(str(self._place))

    def _answers(self) -> bool:
        try:
            return self.pool.request("GET", f"{self.url}/healthz", timeout=2).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _is_ready(self) -> bool:
        try:
            answer = self.pool.request("GET", f"{self.url}/readyz", timeout=10)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200 and set(answer.json()["checks"].values()) == {"ok"}


class _Supervised:
    """``shareauth serve`` as systemd runs it: started again whenever it has ended."""

    def __init__(self, environ: dict[str, str], log_path: Path) -> None:
        self.unexpected_ends: list[int] = []
        self._environ = environ
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.RLock()
        self._stopping = threading.Event()
        self._end_is_meant = False
        self._served = False
        """It has begun to listen: from then on it must not end by itself."""

    @property
    def pid(self) -> int:
        with self._changing:
            return self._process.pid if self._process is not None else -1

    def start(self) -> None:
        self._launch()
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def tell(self, number: signal.Signals) -> None:
        with self._changing:
            self._end_is_meant = self._end_is_meant or number != signal.SIGHUP
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(number)

    def stop(self) -> int:
        self._stopping.set()
        self._thread.join()
        self.tell(signal.SIGTERM)
        return self._process.wait(processes.PATIENCE_S)

    def kill(self) -> None:
        self._stopping.set()
        with self._changing:
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def _supervise(self) -> None:
        while not self._stopping.wait(RESTART_PAUSE_S):
            with self._changing:
                if self._process.poll() is None:
                    continue
                if self._served and not self._end_is_meant:
                    self.unexpected_ends.append(self._process.returncode)
                self._launch()

    def _launch(self) -> None:
        with self._changing:
            self._end_is_meant = self._served = False
            self._process = subprocess.Popen(
                [*CLI, "serve"],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Through a pipe: the log is on another disk than the one that is full.
        threading.Thread(target=self._keep, args=(self._process,), daemon=True).start()

    def _keep(self, process: subprocess.Popen[bytes]) -> None:
        with self._log_path.open("ab", buffering=0) as log, process.stdout as said:
            for line in said:
                log.write(line)
                if b" listens on http" in line and process is self._process:
                    self._served = True


def _variables(settings: dict[str, object]) -> dict[str, str]:
    return {f"SHAREAUTH_{name}": str(value) for name, value in settings.items()}


def _no_sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_socket()]
