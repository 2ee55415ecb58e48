"""Ports for servers under test, of a range that nothing else on the machine is likely to take.

The kernel hands out ports from 32768 on to whoever connects; one that was free a moment ago may be
the near end of somebody's connection when a server binds it. These lie below, and each process of
a parallel run has a part of its own.
"""

import itertools
import os
import random
import re
import socket

FIRST, LAST = 10240, 32767
PARTS = 8


def _candidates() -> "itertools.chain[int]":
    worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or "0"
    size = (LAST - FIRST + 1) // PARTS
    first = FIRST + int(worker) % PARTS * size
    ports = list(range(first, first + size))
    random.Random(os.getpid()).shuffle(ports)  # two runs on one machine start elsewhere
    return itertools.chain.from_iterable(itertools.repeat(ports))


_ports = _candidates()


def free_port() -> int:
    """One that nobody listens on, and that this process has not handed out for a long time."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("unreachable: the candidates repeat for ever")
