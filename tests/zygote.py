"""``shareauth`` in a process of its own, without waiting for its imports each time.

Starting Python and importing the application takes longer than what most tests do with it. A parent
imports it once; each command is a fork of that parent, with its own arguments, environment,
directory and standard streams. What is different from a start by hand: the command line that ``ps``
shows, and that the jobs process beside a service is a fork, too. ``tests/test_serve.py`` and
``tests/test_worker.py`` are about those and start the real thing.
"""

import atexit
import contextlib
import io
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

SERVING = ("serve", "worker")
"""They share metrics with other processes, which prometheus_client decides as it is imported."""
METRICS = "PROMETHEUS_MULTIPROC_DIR"
SIZE = struct.Struct("!I")
MODULES = (
    "alembic.command",
    "alembic.runtime.migration",
    "app.cli",
    "app.cli.launch",
    "app.cli.worker",
    "app.visitor.installing",
    "app.admin.installing",
    "gunicorn.workers.gthread",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)


class Forked:
    """As much of ``subprocess.Popen`` as tests use. It is its parent's child, not ours."""

    def __init__(self, connection: socket.socket, args: Sequence[str]) -> None:
        self.args = args
        self.returncode: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        self._connection = connection
        self.pid = int(_received(connection)[0]["pid"])

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(_received(self._connection)[0]["returncode"])
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> str:
        """What it still says until it ends."""
        self.stdin.close()
        with self.stdout:
            said = self.stdout.read()
        self.wait(timeout)
        return said

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Parent:
    """A process that has imported the application and starts commands by forking."""

    def __init__(self, folder: Path, *, is_serving: bool) -> None:
        self.path = _place(folder, is_serving=is_serving)
        environ = {k: v for k, v in os.environ.items() if not k.startswith("SHAREAUTH_")}
        environ.pop(METRICS, None)
        if is_serving:
            (folder / "metrics").mkdir()
            environ[METRICS] = str(folder / "metrics")
        command = [sys.executable, "-P", __file__, "parent", str(self.path)]
        self._process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE)

    def start(
        self, words: Sequence[str], environ: Mapping[str, str], cwd: str, streams: Sequence[int]
    ) -> Forked:
        connection = _connected(self.path)
        return _ordered(connection, words, environ, cwd, streams)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)


class Nursery:
    """The parents of one test process, made when they are first asked for."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sa-zy-")  # short: sockets lie in it
        self._parents: dict[bool, Parent] = {}

    def start(
        self,
        words: Sequence[object],
        *,
        env: Mapping[str, str],
        cwd: str | os.PathLike[str] | None = None,
        stdout: int | IO[Any] = 1,
        stderr: int | IO[Any] = 2,
    ) -> Forked:
        """``shareauth`` with these words; reads nothing, writes to the given files."""
        texts = [str(word) for word in words]
        parent = self._parent(is_serving=texts[0] in SERVING)
        streams = [one if isinstance(one, int) else one.fileno() for one in (stdout, stderr)]
        with Path(os.devnull).open("rb") as nothing:
            where = str(cwd or Path.cwd())
            return parent.start(texts, env, where, [nothing.fileno(), *streams])

    def start_python(self, program: str, *arguments: object, cwd: Path | None = None) -> Forked:
        """As ``python -c``, with ``stdin`` and, for both of its outputs, ``stdout`` as pipes."""
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        words = ["-c", program, *(str(one) for one in arguments)]
        streams = [theirs_in, theirs_out, theirs_out]
        parent = self._parent(is_serving=False)
        process = parent.start(words, os.environ, str(cwd or Path.cwd()), streams)
        os.close(theirs_in)
        os.close(theirs_out)
        process.stdin = open(ours_in, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - a descriptor
        process.stdout = open(ours_out, encoding="utf-8")  # noqa: PTH123, SIM115 - likewise
        return process

    def install(self, folder: Path) -> None:
        """Make ``shareauth`` there, for a shell's PATH."""
        for is_serving in (True, False):
            self._parent(is_serving=is_serving)
        script = folder / "shareauth"
        here = Path(__file__).resolve()
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -S -P "{here}" as "{self._folder.name}" "$@"\n'
        )
        script.chmod(0o755)

    def _parent(self, *, is_serving: bool) -> Parent:
        if is_serving not in self._parents:
            self._parents[is_serving] = Parent(Path(self._folder.name), is_serving=is_serving)
        return self._parents[is_serving]

    def run(
        self, words: Sequence[object], *, env: Mapping[str, str], timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """The same to its end; what it said as text."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self.start(words, env=env, stdout=out, stderr=err)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(
                process.args, process.returncode, out.read().decode(), err.read().decode()
            )

    def close(self) -> None:
        for parent in self._parents.values():
            parent.close()
        self._parents.clear()
        self._folder.cleanup()


def _place(folder: Path, *, is_serving: bool) -> Path:
    """Where the parent of such commands listens."""
    return folder / ("serving" if is_serving else "commands")


def _connected(path: Path) -> socket.socket:
    """Waits for a parent that is still busy importing."""
    deadline = time.monotonic() + 60
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return connection


def _ordered(
    connection: socket.socket,
    words: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    streams: Sequence[int],
) -> Forked:
    _send(connection, {"words": words, "environ": dict(environ), "cwd": cwd}, streams)
    return Forked(connection, ["shareauth", *words])


def _be_command(folder: Path, words: list[str]) -> int:
    """For a shell: have it done by a fork, and end as it ends."""
    is_serving = bool(words) and words[0] in SERVING
    connection = _connected(_place(folder, is_serving=is_serving))
    process = _ordered(connection, words, os.environ, str(Path.cwd()), range(3))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: process.send_signal(number))
    returncode = process.wait()
    return 128 - returncode if returncode < 0 else returncode


NURSERY = Nursery()
atexit.register(NURSERY.close)


def _send(connection: socket.socket, document: object, descriptors: Sequence[int] = ()) -> None:
    body = json.dumps(document).encode("utf-8", "surrogateescape")
    socket.send_fds(connection, [SIZE.pack(len(body))], descriptors)
    connection.sendall(body)


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, descriptors, _, _ = socket.recv_fds(connection, SIZE.size, 3)
    if len(head) < SIZE.size:
        raise EOFError("the other side is gone")
    left, parts = SIZE.unpack(head)[0], []
    while left:
        parts.append(connection.recv(left))
        left -= len(parts[-1])
    return json.loads(b"".join(parts)), descriptors


# The parent itself, from here on: a process that does nothing but fork.


class Ward:
    """Forks a child for each order; tells who ordered it how it ended."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{path}.new")
        self._listener.listen(64)
        Path(f"{path}.new").rename(path)
        self._children: dict[int, socket.socket] = {}
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, which then leaves us

    def orders(self) -> list[str]:
        """Return in each child, with its words; the parent leaves when pytest is gone."""
        while True:
            ready, _, _ = select.select([self._listener, self._woken, 0], [], [])
            if 0 in ready:
                sys.exit(0)
            if self._woken in ready:
                self._woken.recv(4096)
                self._bury()
            if self._listener in ready:
                words = self._fork()
                if words is not None:
                    return words

    def _bury(self) -> None:
        for pid, connection in list(self._children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with contextlib.suppress(OSError):
                    _send(connection, {"returncode": os.waitstatus_to_exitcode(status)})
                connection.close()
                del self._children[pid]

    def _fork(self) -> list[str] | None:
        connection, _ = self._listener.accept()
        order, streams = _received(connection)
        pid = os.fork()
        if not pid:
            self._settle(order, streams)
            connection.close()
            return list(order["words"])
        for stream in streams:
            os.close(stream)
        self._children[pid] = connection
        _send(connection, {"pid": pid})
        return None

    def _settle(self, order: Mapping[str, Any], streams: Sequence[int]) -> None:
        """In the child: be as if just started."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in (self._listener, self._woken, self._wake, *self._children.values()):
            one.close()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        sys.argv = ["shareauth", *order["words"]]
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["environ"])
        time.tzset()
        sys.stdin, sys.stdout, sys.stderr = (_text_stream(number) for number in range(3))


def _text_stream(number: int) -> io.TextIOWrapper:
    raw = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 - a descriptor
    return io.TextIOWrapper(
        raw,
        encoding="utf-8",
        errors="backslashreplace" if number == 2 else "strict",
        line_buffering=number == 2,
    )


class ForkedJobs:
    """``subprocess.Popen`` for the jobs beside a service: a fork of the service's own parent."""

    def __init__(self, args: Sequence[str], **_: object) -> None:
        reading, writing = os.pipe()
        self.returncode: int | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._become(args[args.index("app") + 1 :], reading)
        os.close(reading)
        self.stdin = open(writing, "wb")  # noqa: PTH123, SIM115 - a descriptor

    def poll(self) -> int | None:
        if self.returncode is None:
            self._wait(os.WNOHANG)
        return self.returncode

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("jobs", timeout or 0)
            time.sleep(0.01)
        return self.returncode or 0

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _wait(self, options: int) -> None:
        try:
            ended, status = os.waitpid(self.pid, options)
        except ChildProcessError:  # the service waits for all its children
            self.returncode = 0
        else:
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)

    def _become(self, words: list[str], reading: int) -> None:
        """In the child: leave everything of the service behind but its code."""
        code = 1
        try:
            os.setpgid(0, 0)
            os.dup2(reading, 0)
            for number in range(1, signal.NSIG):
                with contextlib.suppress(OSError, ValueError):
                    if callable(signal.getsignal(number)):
                        signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            _close_all_but_metrics()
            sys.stdin = _text_stream(0)
            code = _run(words)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _close_all_but_metrics() -> None:
    """Sockets that listen, locks that are held: they are the service's."""
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if int(link.name) > 2 and link.readlink().suffix != ".db":
                os.close(int(link.name))


def _run(words: list[str]) -> int:
    from app.cli import main  # noqa: PLC0415 - pytest's side does without it

    try:
        main(words, prog_name="shareauth")
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    return 0


def _hurry() -> None:
    """Have questions without a finish looked for more often than those who wait for it can bear."""
    from app import worker  # noqa: PLC0415
    from app.timetable import every  # noqa: PLC0415

    soon = every(timedelta(seconds=1))
    worker.JOBS = tuple(
        replace(job, next_time=soon) if job.name == "record_unfinished" else job
        for job in worker.JOBS
    )


def _be_parent(path: str) -> None:
    import gc  # noqa: PLC0415
    import importlib  # noqa: PLC0415

    from app.cli import COMMANDS, launch, main  # noqa: PLC0415

    for module in (*MODULES, *(command.place.split(":")[0] for command in COMMANDS)):
        importlib.import_module(module)
    from sqlalchemy.orm import configure_mappers  # noqa: PLC0415

    configure_mappers()
    if METRICS in os.environ:
        _hurry()
        known = ("PIPE", "TimeoutExpired")
        stand_in = {name: getattr(subprocess, name) for name in known}
        launch.subprocess = SimpleNamespace(Popen=ForkedJobs, **stand_in)
    gc.collect()
    gc.freeze()
    words = Ward(path).orders()
    if words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
    else:
        main(words, prog_name="shareauth")


if __name__ == "__main__":
    if sys.argv[1] == "parent":
        _be_parent(sys.argv[2])
    else:
        sys.exit(_be_command(Path(sys.argv[2]), sys.argv[3:]))
