"""Where the processes of one service keep their metrics for one another."""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from app import config
from app.config import METRICS_VARIABLE

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own in it, checked below
ROOM_BYTES_MIN = 8 * 1024 * 1024
"""A worker takes some 30 KB of it."""


@contextlib.contextmanager
def prepared(data_dir: Path) -> Iterator[None]:
    """Make an empty directory for them, which every process started meanwhile knows.

    It is in memory where the system has such a place. The files are mapped: on a disk that is full
    the kernel kills the process that counts something, a finish in its hands, instead of telling it
    that there is no room.
    """
    given = config.metrics_directory()
    in_memory = None if given else _in_memory(data_dir)
    directory = given or in_memory or data_dir / "metrics"
    directory.mkdir(mode=0o700, exist_ok=True)
    for left_over in directory.glob("*.db"):
        left_over.unlink()
    os.environ[METRICS_VARIABLE] = str(directory)
    owner = os.getpid()
    try:
        yield
    finally:
        # The workers, forks of this process, leave by here, too.
        if in_memory is not None and os.getpid() == owner:
            shutil.rmtree(in_memory, ignore_errors=True)


def _in_memory(data_dir: Path) -> Path | None:
    """A directory of this data directory's own; None where there is no room or no such place."""
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    path = SHARED_MEMORY / f"shareauth-{os.getuid()}-{digest}"
    try:
        if shutil.disk_usage(SHARED_MEMORY).free < ROOM_BYTES_MIN:
            return None
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError:
        return None
    # Anybody may have made something of that name.
    is_private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
    return path if is_private and found.st_uid == os.getuid() else None
