"""The clock of an installation's Python processes, which a fault may set."""

import mmap
import struct
from pathlib import Path

AHEAD_S = 4 * 3600.0
"""The clock begins ahead of the true time, so that it can be set back without coming to a moment
before the links, users and tokens of the run were made."""


class Clock:
    """Set by this process, read by all of the installation's through ``sitecustomize``."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(struct.pack("d", AHEAD_S))
        with path.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), 8)
        self.environ = {"PYTHONPATH": str(Path(__file__).parent), "FAULTS_CLOCK": str(path)}

    def set(self, offset_s: float) -> None:
        self._shared[:8] = struct.pack("d", offset_s)

    def set_right(self) -> None:
        self.set(AHEAD_S)
