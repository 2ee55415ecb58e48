"""Findings are kept once each, until a run that would have found them does not."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from app.findings import store

HOUR = timedelta(hours=1)


@pytest.fixture
def session(db):
    with db.begin() as opened:
        yield opened


def finding(code="hash_wrong", message="m", **ids):
    return SimpleNamespace(code=code, message=message, ids=ids)


def record(session, now, *findings, resolves=()):
    store.record(session, findings, resolves=resolves, now=now)


def test_last_run_of_each_scope_is_remembered(session, now):
    store.note_run(session, "recent", findings=2, now=now)
    store.note_run(session, "books", findings=0, now=now)
    store.note_run(session, "recent", findings=0, now=now + HOUR)
    runs = [(run.scope, run.at, run.findings) for run in store.list_runs(session)]
    assert runs == [("books", now, 0), ("recent", now + HOUR, 0)]


def test_same_finding_is_kept_once_with_what_it_last_said(session, now):
    record(session, now, finding("spool_waits", "3 wait", count=3))
    record(session, now + HOUR, finding("spool_waits", "5 wait", count=5))
    (kept,) = store.list_page(session)
    assert (kept.first_seen_at, kept.last_seen_at) == (now, now + HOUR)
    assert (kept.times, kept.message, kept.ids) == (2, "5 wait", {"count": 5})


def test_where_it_is_makes_another_finding(session, now):
    record(session, now, finding(transaction=1), finding(transaction=2), finding(transaction=1))
    assert [kept.ids for kept in store.list_page(session)] == [
        {"transaction": 2},
        {"transaction": 1},
    ]


def test_only_a_run_that_would_have_found_it_resolves_it(session, now):
    record(session, now, finding(transaction=1), finding("gate_stale", user=1))
    record(session, now + HOUR)
    assert len(store.list_page(session)) == 2
    record(session, now + 2 * HOUR, resolves=("hash_wrong",))
    assert [kept.code for kept in store.list_page(session)] == ["gate_stale"]
    record(session, now + 3 * HOUR, finding(transaction=1))
    (kept,) = store.list_page(session, code="hash_wrong")
    assert (kept.first_seen_at, kept.times, kept.resolved_at) == (now + 3 * HOUR, 1, None)


def test_open_findings_are_counted_by_code_and_resolved_ones_forgotten(session, now):
    record(session, now, finding(transaction=1), finding(transaction=2), finding("gate_stale"))
    counted = store.count_open(session)
    assert [(one.code, one.count, one.since) for one in counted] == [
        ("gate_stale", 1, now),
        ("hash_wrong", 2, now),
    ]
    record(session, now + HOUR, finding(transaction=2), resolves=("hash_wrong",))
    assert store.prune(session, resolved_before=now + HOUR) == 0
    assert store.prune(session, resolved_before=now + 2 * HOUR) == 1
    assert len(store.list_page(session, with_resolved=True)) == 2
