"""The Valkey of an installation: one of the test's own behind a proxy, or the bundled one."""

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psutil
import redis

from faults import processes
from faults.proxy import Proxy
from free_ports import free_port
from valkey_fixtures import launch


class Valkey(Protocol):
    proxy: Proxy | None

    def kill(self) -> Callable[[], None]:
        """With all it held; call the result to have it back."""
        ...

    def freeze(self) -> Callable[[], None]: ...

    def client(self) -> redis.Redis: ...

    def close(self) -> None: ...


class OwnValkey:
    """A server that somebody else looks after; the service finds it behind the proxy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process = self._launch()
        self.proxy = Proxy(self._port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.proxy.port}"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self._port, socket_timeout=10, protocol=2)

    def kill(self) -> Callable[[], None]:
        self._process.kill()
        self._process.wait()
        return self._start

    def freeze(self) -> Callable[[], None]:
        return processes.freeze([psutil.Process(self._process.pid)])

    def close(self) -> None:
        self.proxy.close()
        self.kill()

    def _start(self) -> None:
        if self._process.poll() is not None:
            self._process = self._launch()

    def _launch(self):
        return launch(self._folder, "--port", str(self._port), "--bind", "127.0.0.1")


class BundledValkey:
    """The one that ``shareauth serve`` starts, and starts again."""

    proxy = None

    def __init__(self, url: str, family: Callable[[], list[psutil.Process]]) -> None:
        self._url = url
        self._family = family

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self._url, socket_timeout=10, protocol=2)

    def kill(self) -> Callable[[], None]:
        processes.send(self._servers(), signal.SIGKILL)
        return lambda: None  # the service sees to it

    def freeze(self) -> Callable[[], None]:
        return processes.freeze(self._servers())

    def close(self) -> None:
        """It ends with its service."""

    def _servers(self) -> list[psutil.Process]:
        found = []
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                if process.name() == "valkey-server":
                    found.append(process)
        return found
