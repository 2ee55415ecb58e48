"""Whether this machine has more to run than processors to run it on, at this very moment."""

import os
from pathlib import Path

LOADAVG = Path("/proc/loadavg")


def is_overcommitted() -> bool:
    """Whether some process must be waiting for a processor now, and Redis may be the one.

    Linux says how many threads are runnable; elsewhere the load of the last minute must do.
    """
    processors = os.cpu_count() or 1
    try:
        running = int(LOADAVG.read_text("ascii").split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return _load_of_the_last_minute() > processors
    return running > processors


def _load_of_the_last_minute() -> float:
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0
