"""How many finishes are settled in a second, while somebody opens reports all the time or not.

On a database that load_usage.py has filled, which afterwards has some answers more. Both ways take
turns, so that whatever else the machine does falls on both. See README.md beside this file.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import structlog
from app.db import Database
from app.reports.rollup.follow import advance
from app.turns.group_commit import Committer
from bulk.clock import ZONE
from finish_throughput import RULES, WARM_UP, Measured, Scene, measure
from usage_reports import works

FOLLOW_EVERY_S = 2.0
"""As the service's own job does."""


def _follow(url: str) -> None:
    """Keep the sums up to date, as the service does, whether somebody reads them or not."""
    db = Database(url)
    while True:
        with db.begin() as session:
            done = advance(session, zone=ZONE, now=datetime.now(UTC)).is_done
        if done:
            time.sleep(FOLLOW_EVERY_S)


def _report(url: str, go: Any, opened: Any) -> None:  # noqa: ANN401 - multiprocessing's
    """One report after the other while ``go`` is set."""
    db = Database(url)
    pages = list(works(db, "B1", datetime.now(UTC)).values())
    while True:
        for page in pages:
            go.wait()
            with db.read() as session:
                page(session)
            opened.value += 1


@contextmanager
def _beside(target: Any, *given: Any) -> Iterator[None]:  # noqa: ANN401 - whatever it takes
    process = multiprocessing.get_context("spawn").Process(target=target, args=given, daemon=True)
    process.start()
    yield
    process.terminate()
    process.join()


def main() -> int:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    options = _options()
    db = Database(options.url)
    scene = Scene(db, options.users, f"ingest-{uuid.uuid4().hex[:8]}")
    committer = Committer(db=db, rules=RULES)
    context = multiprocessing.get_context("spawn")
    go, opened = context.Event(), context.Value("l", 0)
    quiet: list[Measured] = []
    busy: list[Measured] = []
    with _beside(_follow, options.url), _beside(_report, options.url, go, opened):
        go.set()
        while not opened.value:
            time.sleep(0.1)
        go.clear()
        measure(scene, committer.settle, options.threads, WARM_UP)
        for number in range(options.rounds):
            for is_busy in (True, False) if number % 2 else (False, True):
                (go.set if is_busy else go.clear)()
                taken = measure(scene, committer.settle, options.threads, options.finishes)
                (busy if is_busy else quiet).append(taken)
        go.clear()
    ratios = [one.wall_s / other.wall_s for one, other in zip(quiet, busy, strict=True)]
    for name, taken_s in (("quiet", quiet), ("while reporting", busy)):
        wall = statistics.median(one.wall_s for one in taken_s)
        cpu = statistics.median(one.cpu_s for one in taken_s)
        each = f"{options.finishes / wall:6.0f} /s {1000 * cpu / options.finishes:6.2f} CPU ms"
        print(f"{name:<16} {each}")
    print(f"ratio {statistics.median(ratios):.2f}; {opened.value} reports were opened")
    db.close()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--finishes", type=int, default=400, help="in each round, each way")
    parser.add_argument("--users", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
