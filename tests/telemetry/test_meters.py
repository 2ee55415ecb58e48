"""Files that cannot be written cost numbers, never an answer."""

import os
import subprocess
import sys
import textwrap

import pytest
from app.telemetry import meters

COUNT_WITHOUT_FILES = """
    import os, resource
    from app.telemetry import metrics

    metrics.USED_POINTS.inc()
    metrics.HOOK_REQUESTS.labels("init", "ok").inc()
    if os.fork() == 0:
        # As in a new worker: it makes files of its own, and there is no room.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    else:
        os.wait()
    for _ in range(2):
        metrics.USED_POINTS.inc()
        metrics.FINISHES.labels("recorded").inc()
        metrics.HOOK_REQUESTS.labels("init", "ok").inc()
        metrics.HOOK_SECONDS.labels("finish").observe(0.1)
        metrics.SPOOL_RECORDS.set(3)
    print("went on", flush=True)
"""


def test_worker_that_cannot_make_its_files_goes_on(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COUNT_WITHOUT_FILES)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count("went on") == 2


def test_wrong_labels_are_a_mistake_of_ours():
    counter = meters.Counter("test_meters_wrong_labels", "…", ["one"], registry=None)
    with pytest.raises(ValueError, match="Incorrect label"):
        counter.labels("a", "b")


def test_what_can_be_counted_is():
    gauge = meters.Gauge("test_meters_gauge", "…", ["one"], registry=None)
    gauge.labels("a").set(3)
    gauge.labels("a").inc(2)
    assert gauge.labels("a")._value.get() == 5
