"""Processes of an installation: found by their parents, stopped, continued and killed by pid."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable

import psutil

PATIENCE_S = 90
"""Generous: a slow machine is no failure."""


def wait_for(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Return as soon as it holds.

    Raises:
        TimeoutError: it did not come about.
    """
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience_s:g} s: {what}")
        time.sleep(0.05)


def children(pid: int, *, of_all: bool = False) -> list[psutil.Process]:
    """Those that run now, the oldest first; ``of_all``: theirs, too."""
    try:
        found = psutil.Process(pid).children(recursive=of_all)
    except psutil.NoSuchProcess:
        return []
    return sorted(found, key=lambda process: process.pid)


def command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """To each that still runs; psutil makes sure that no pid has passed to somebody else."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def freeze(processes: list[psutil.Process]) -> Callable[[], None]:
    """Stop them all; call the result to let them go on."""
    send(processes, signal.SIGSTOP)
    return lambda: send(processes, signal.SIGCONT)


def marked(mark: str) -> list[psutil.Process]:
    """Whatever has the mark in its command line or environment, but for this process."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            is_marked = mark in command(process) or mark in str(process.environ())
            is_gone = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if is_marked and not is_gone:
            found.append(process)
    return found
