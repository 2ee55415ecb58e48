"""docs/operations.md lists every metric, with its labels and nothing that is not there."""

import re

import pytest
from app.telemetry.metrics import METRICS
from house_rules import ROOT

TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")
ROW = re.compile(r"^\| `(shareauth_\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
ROWS = {
    name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(TEXT)
}


def _described(metric):
    (family,) = metric.describe()
    suffix = "_total" if family.type == "counter" else ""
    return f"{family.name}{suffix}", family.type, set(metric._labelnames)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric._name)
def test_metric_is_documented(metric):
    name, kind, labels = _described(metric)
    assert ROWS[name] == (kind, labels)


def test_no_other_metric_is_documented():
    assert set(ROWS) == {_described(metric)[0] for metric in METRICS}


def test_alarms_name_metrics_that_exist():
    named = set(re.findall(r"`?(shareauth_[a-z_]+)", TEXT))
    assert named == set(ROWS)
