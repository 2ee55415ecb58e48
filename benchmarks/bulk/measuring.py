"""How long something takes: by the clock, and of the processors; how much memory a process had."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from app.db import Database
from sqlalchemy.orm import Session

ROUNDS_MIN = 3


@dataclass(frozen=True)
class Times:
    """Milliseconds: of the clock, and what this process and the database's together worked."""

    median: float
    worst: float
    cpu: float

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 2) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Run:
    """A process that ended: seconds of the clock and of the processor, its peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    said: str


def measure(
    db: Database, work: Callable[[Session], object], *, rounds: int, budget_s: float
) -> Times:
    """Some rounds, after one that is not counted; fewer when they take longer than the budget.

    The processor's time is what other programs of the machine change least.
    """
    took, spent = [], []
    began_all = time.monotonic()
    for place in range(rounds + 1):
        with db.read() as session:
            backend = backend_of(session)
            began, cpu = time.perf_counter(), worked(backend)
            work(session)
        took.append((time.perf_counter() - began) * 1000)
        spent.append((worked(backend) - cpu) * 1000)
        if place >= ROUNDS_MIN and time.monotonic() - began_all > budget_s:
            break
    return Times(statistics.median(took[1:]), max(took[1:]), statistics.median(spent[1:]))


def run(command: Sequence[str]) -> Run:
    """Run a program of ours to its end.

    Raises:
        CalledProcessError: it failed.
    """
    began = time.monotonic()
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    wall = time.monotonic() - began
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said)


def worked(backend: int | None) -> float:
    """Seconds of the processor of this process, and of the server's that works for it."""
    return time.process_time() + _worked(backend)


def backend_of(session: Session) -> int | None:
    """The server's process that works for the session, when it is on this machine."""
    if session.get_bind().dialect.name != "postgresql":
        return None
    pid: Any = session.scalar(sa.select(sa.func.pg_backend_pid()))
    is_here = "postgres" in _comm(pid)
    return pid if is_here else None


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8")
    except OSError:
        return ""


def _worked(pid: int | None) -> float:
    """Seconds of the processor; of no process none."""
    if pid is None:
        return 0.0
    # In nanoseconds, where ticks would be hundredths of a second.
    return int(Path(f"/proc/{pid}/schedstat").read_text("utf-8").split()[0]) / 1e9
