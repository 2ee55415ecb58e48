"""The bundled server: private, found by its data directory, replaced when left behind."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from app import embedded
from app.admission.keys import KeyNames

from valkey_fixtures import wait_until

NAMES = KeyNames("shop")


@pytest.fixture
def data_dir(valkey_folder: Path, request) -> Path:
    return valkey_folder / f"data{abs(hash(request.node.name)) % 10**6}"


@pytest.fixture
def start(data_dir):
    started = []

    def start_one(folder: Path = data_dir) -> embedded.EmbeddedValkey:
        started.append(embedded.start(folder, namespace="shop"))
        return started[-1]

    yield start_one
    for server in started:
        server.stop()


def connect(server: embedded.EmbeddedValkey) -> redis.Redis:
    path = server.url.removeprefix("unix://")
    return redis.Redis(unix_socket_path=path, decode_responses=True)


def test_other_processes_find_it_by_the_data_directory(start, data_dir):
    server = start()
    assert embedded.url(data_dir) == server.url
    assert connect(server).ping()


def test_only_this_user_may_connect_and_no_port_is_open(start):
    server = start()
    path = Path(server.url.removeprefix("unix://"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert connect(server).config_get("port")["port"] == "0"


def test_nothing_is_evicted_and_memory_has_an_end(start):
    config = connect(start()).config_get("maxmemory*")
    assert config["maxmemory-policy"] == "noeviction"
    assert int(config["maxmemory"]) == 512 * 1024 * 1024


def test_it_does_not_hear_the_terminals_interrupt(start):
    server = start()
    assert os.getsid(server.pid) == server.pid != os.getsid(0)


def test_clean_stop_keeps_open_questions_and_forgets_what_the_books_know(start, data_dir):
    server = start()
    client = connect(server)
    client.set(NAMES.balance(7), "1", ex=600)
    client.set("{shop}:rate:u:7", "1", ex=600)
    server.stop()
    assert not server.is_running
    client = connect(start())
    assert client.keys() == ["{shop}:rate:u:7"]
    assert not (data_dir / "valkey" / "dump.rdb").exists()


def test_damaged_dump_does_not_keep_it_from_starting(start, data_dir):
    (data_dir / "valkey").mkdir(parents=True)
    (data_dir / "valkey" / "dump.rdb").write_bytes(b"REDIS0011 and then nothing of use")
    assert connect(start()).ping()


def test_second_service_on_the_same_directory_is_refused(start, monkeypatch):
    first = start()
    monkeypatch.setattr(embedded, "LOCK_TIMEOUT_S", 0.1)
    with pytest.raises(embedded.EmbeddedError, match="another service already runs"):
        start()
    assert connect(first).ping()


LEAVE_BEHIND = """
import ctypes, os, sys
from pathlib import Path
from app import embedded
embedded._ends_with_parent = lambda: None
print(embedded.start(Path(sys.argv[1]), namespace="shop").pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("is_frozen", [False, True])
def test_server_of_a_killed_service_is_replaced(start, data_dir, is_frozen):
    left = subprocess.run(
        [sys.executable, "-c", LEAVE_BEHIND, str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    pid = int(left.stdout)
    os.kill(pid, signal.SIGSTOP if is_frozen else 0)
    server = start()
    assert connect(server).info("server")["process_id"] == server.pid != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of it")
def test_server_ends_when_its_service_is_killed(data_dir):
    program = LEAVE_BEHIND.replace("embedded._ends_with_parent = lambda: None", "")
    left = subprocess.run(
        [sys.executable, "-c", program, str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    wait_until(lambda: not _is_alive(int(left.stdout)))


def _is_alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith(b"Z")


def test_frozen_server_is_killed_when_it_does_not_stop(start):
    server = start()
    os.kill(server.pid, signal.SIGSTOP)
    server.stop(timeout_s=0.1)
    assert not server.is_running
    server.stop()


def test_long_data_directory_gets_a_short_private_socket(start, data_dir):
    long = data_dir / ("d" * 120)
    server = start(long)
    folder = Path(server.url.removeprefix("unix://")).parent
    try:
        assert len(str(folder)) < 60
        assert embedded.url(long) == server.url
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert connect(server).ping()
    finally:
        server.stop()
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()


def test_socket_folder_that_somebody_else_could_write_to_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o777)
    (tmp_path / "theirs").chmod(0o777)
    with pytest.raises(embedded.EmbeddedError, match="mode 0700"):
        embedded._make_private(tmp_path / "theirs")
    (tmp_path / "linked").symlink_to(tmp_path)
    with pytest.raises(embedded.EmbeddedError, match="mode 0700"):
        embedded._make_private(tmp_path / "linked")


def test_server_that_cannot_start_says_why(start, data_dir, monkeypatch):
    monkeypatch.setattr(embedded, "MEMORY_MAX", "nonsense")
    with pytest.raises(embedded.EmbeddedError, match="maxmemory"):
        start()
    monkeypatch.undo()
    assert connect(start()).ping()


def test_server_that_crashed_is_started_again(start):
    server = start()
    crashed = server.pid
    server.ensure()
    assert server.pid == crashed
    os.kill(crashed, signal.SIGKILL)
    wait_until(lambda: not server.is_running)
    server.ensure()
    wait_until(connect(server).ping)
    assert connect(server).info("server")["process_id"] == server.pid != crashed


def test_stopped_server_stays_stopped(start):
    server = start()
    server.stop()
    server.ensure()
    assert not server.is_running
