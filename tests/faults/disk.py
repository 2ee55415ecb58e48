"""A small disk that can be filled: a tmpfs where that is permitted, else a limit on file sizes."""

import contextlib
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import psutil

SIZE_MB = 96
_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class Disk(Protocol):
    def fill(self) -> Callable[[], None]:
        """Leave no room; call the result to make room again."""
        ...

    def remove(self) -> None:
        """Give back what was taken of the machine. Nothing may use it any more."""
        ...


class Tmpfs:
    """A file system of its own, mounted where the data lies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"

    def fill(self) -> Callable[[], None]:
        try:
            with self._filler.open("wb", buffering=0) as filler:
                for chunk in (bytes(1024 * 1024), bytes(4096)):
                    with contextlib.suppress(BlockingIOError):
                        while filler.write(chunk):
                            pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        self._fill_rest()
        return lambda: self._filler.unlink(missing_ok=True)

    def remove(self) -> None:
        # Lazily: a process that was just killed may take a moment to let go of its files.
        subprocess.run(["umount", "--lazy", self._folder], check=True)

    def _fill_rest(self) -> None:
        """The last pages, which a large write leaves."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))


class SizeLimit:
    """No file of these processes may grow, as when their user's quota is used up.

    What is there already can be overwritten, and empty files can be made, so it is a little
    kinder than a full disk.
    """

    def __init__(self, processes: Callable[[], Sequence[psutil.Process]]) -> None:
        self._processes = processes

    def fill(self) -> Callable[[], None]:
        self._limit((1, resource.RLIM_INFINITY))
        return lambda: self._limit(_UNLIMITED)

    def remove(self) -> None:
        """Nothing was taken."""

    def _limit(self, limits: tuple[int, int]) -> None:
        # Twice: a parent may have made another child with its old limit meanwhile.
        for process in [*self._processes(), *self._processes()]:
            with contextlib.suppress(psutil.Error):
                process.rlimit(psutil.RLIMIT_FSIZE, limits)


class Roomy:
    """Where neither is to be had (macOS): the fault passes without effect."""

    def fill(self) -> Callable[[], None]:
        return lambda: None

    def remove(self) -> None:
        """Nothing was taken."""


def make(folder: Path, processes: Callable[[], Sequence[psutil.Process]]) -> Disk:
    """A disk for the files in ``folder``, which those processes write."""
    if _mount(folder):
        return Tmpfs(folder)
    return SizeLimit(processes) if hasattr(psutil, "RLIMIT_FSIZE") else Roomy()


def _mount(folder: Path) -> bool:
    """Whether that is permitted and was done."""
    how = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0700", "tmpfs", folder]
    if os.getuid() != 0 or sys.platform != "linux":
        return False
    return subprocess.run(how, capture_output=True, check=False).returncode == 0
