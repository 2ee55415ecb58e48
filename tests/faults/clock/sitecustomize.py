"""Loaded by every Python process of an installation under test: shifts its clock.

The service reads the time of day at its surfaces only, which tests/architecture holds it to; these
modules get a ``datetime`` whose ``now`` is off by what the file says, in seconds. ``time.time``,
which libraries read, is shifted as well. Stopwatches (``time.monotonic``) go on, as they do when a
machine's clock is set. Other programs, PostgreSQL and Valkey among them, keep the true time.
"""

import importlib.abc
import importlib.machinery
import mmap
import os
import struct
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

READS_THE_CLOCK = ("app.hooks.routes", "app.worker", "app.cli.session", "app.cli.launch")


def _shared(path):
    with Path(path).open("rb") as offsets:
        return mmap.mmap(offsets.fileno(), 8, access=mmap.ACCESS_READ)


_OFFSET = _shared(os.environ["FAULTS_CLOCK"])
_time, _time_ns = time.time, time.time_ns


def _offset_s():
    return struct.unpack("d", _OFFSET[:8])[0]


class _Datetime(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=_offset_s())


class _Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        module.datetime = _Datetime


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in READS_THE_CLOCK:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


time.time = lambda: _time() + _offset_s()
time.time_ns = lambda: _time_ns() + int(_offset_s() * 1e9)
sys.meta_path.insert(0, _Finder())
