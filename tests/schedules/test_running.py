"""Runs of schedules: each period once, caught up after a downtime, made again when asked for."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from app.deliveries import store as delivery_store
from app.errors import Conflict, Invalid, NotFound
from app.jobs import commands as jobs
from app.saved_views import commands as views
from app.saved_views.commands import Owner, ViewSpec
from app.schedules import commands, running, store
from app.schedules.commands import ScheduleChange
from app.schedules.kinds import KINDS
from app.schedules.makers import ClosedMonth
from app.schedules.report import BooksBehind

from books import make_link, make_users
from reports_builders import Answer, Line, count, write
from schedule_builders import MONDAY, Bureau


@pytest.fixture
def bureau(db, keys, tmp_path):
    return Bureau(db, keys, tmp_path)


def write_usage(bureau, at=MONDAY - timedelta(days=1)):
    with bureau.db.begin() as session:
        user = make_users(session, bureau.now)[0]
        link = make_link(session, bureau.now)
    line = Line("GPT-5", "chatNode", 5_000_000_000, 2_000_000_000)
    answers = [Answer(at, user, link, lines=[line]), Answer(MONDAY, user, link, lines=[line])]
    write(bureau.db, answers)
    count(bureau.db, bureau.now)


def test_missed_days_are_made_once_each_with_their_own_periods(bureau):
    id_ = bureau.add(bureau.view())
    assert bureau.tick() == 0
    bureau.now = MONDAY + timedelta(days=3, hours=1)  # the worker was away
    assert [bureau.tick() for _ in range(5)] == [1, 1, 1, 0, 0]
    runs = bureau.runs(id_)
    assert [run.period for run in runs] == ["2026-11-23", "2026-11-24", "2026-11-25"]
    assert {run.asked_by for run in runs} == {"timetable"}
    assert all(run.until - run.since == timedelta(days=1) for run in runs)
    with bureau.db.read() as session:
        schedule = store.get(session, id_)
        assert schedule.next_at == datetime(2026, 11, 26, 22, tzinfo=UTC)


def test_a_report_is_made_of_the_period_and_lies_at_its_destination(bureau):
    write_usage(bureau)
    id_ = bureau.add(bureau.view(), at="06:00")
    run_id = bureau.run_now(id_)
    (delivery_id,) = bureau.make(run_id)
    with bureau.db.read() as session:
        delivery = delivery_store.get_delivery(session, delivery_id)
    assert delivery.status == "delivered", delivery.error
    place = bureau.folder / "reports"
    file = place / "links-mter_2026-11-22.csv"
    rows = list(csv.reader(file.read_text("utf-8").splitlines()))
    assert rows[0][:5] == ["at", "link", "questions", "points", "charge"]
    assert rows[1][0].startswith("2026-11-22T00:00:00+08:00")
    assert rows[-1][0] == "(total)"
    assert rows[-1][2:5] == ["1", "5", "2"]
    manifest = json.loads((place / f"schedule-{id_}-2026-11-22.manifest.json").read_bytes())
    assert manifest["sums"]["charge"] == "2"
    assert manifest["position"]["event_id"] > 0
    assert manifest["files"][0]["sha256"] == delivery.files[0]["sha256"]
    assert manifest["period"]["zone"] == "Asia/Shanghai"
    assert "Charge (CNY): 2" in delivery.summary
    assert "<td" in delivery.summary_html
    # Made again it is the same file, sent again; and the timetable makes the period no second time.
    again = bureau.run_now(id_)
    assert again == run_id
    with pytest.raises(Conflict):
        bureau.run_now(id_)
    assert bureau.make(run_id) == [delivery_id]
    with bureau.db.read() as session:
        delivery = delivery_store.get_delivery(session, delivery_id)
        assert len(delivery_store.list_attempts(session, delivery_id)) == 2
    assert manifest["files"][0]["sha256"] == delivery.files[0]["sha256"]


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_a_report_waits_for_what_is_not_counted_yet(bureau):
    id_ = bureau.add(bureau.view())
    with bureau.db.begin() as session:
        user = make_users(session, bureau.now)[0]
        link = make_link(session, bureau.now)
    write(bureau.db, [Answer(MONDAY - timedelta(days=1), user, link)])
    run_id = bureau.run_now(id_)
    with pytest.raises(BooksBehind):
        bureau.make(run_id)
    count(bureau.db, bureau.now)
    bureau.make(run_id)
    assert bureau.runs(id_)[0].state == "done"


def test_a_run_whose_job_failed_says_why_and_can_be_made_again(bureau):
    view_id = bureau.view()
    id_ = bureau.add(view_id)
    run_id = bureau.run_now(id_)
    with bureau.db.begin() as session:
        views.delete(session, view_id, owner=Owner("ann"))
    with pytest.raises(NotFound):
        bureau.make(run_id)
    with bureau.db.begin() as session:
        job = session.get(jobs.BackgroundJob, bureau.runs(id_)[0].job_id)
        job.state, job.message, job.finished_at = "failed", "there is no saved view", bureau.now
    assert running.settle_abandoned(bureau.db, bureau.enqueue, bureau.now) == 1
    (run,) = bureau.runs(id_)
    assert (run.state, run.error) == ("failed", "there is no saved view")
    assert bureau.run_now(id_) == run_id
    with bureau.db.begin() as session:  # what only had to wait is asked for again
        job = session.get(jobs.BackgroundJob, bureau.runs(id_)[0].job_id)
        job.state, job.error_code, job.finished_at = "failed", "job_gave_up", bureau.now
        session.get(store.ScheduleRun, run_id).due_at = bureau.now
    assert running.settle_abandoned(bureau.db, bureau.enqueue, bureau.now) == 0
    (run,) = bureau.runs(id_)
    assert (run.state, run.job_id > job.id) == ("queued", True)


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_closed_months_are_made_once_after_they_close(bureau):
    since = datetime(2026, 9, 30, 16, tzinfo=UTC)
    closed = ClosedMonth("2026-10", since, datetime(2026, 10, 31, 16, tzinfo=UTC), MONDAY)
    months = []
    bureau.kinds = replace(KINDS, closed_months=None)
    with pytest.raises(Invalid, match="every"):
        bureau.add(bureau.view(), every="closing")
    bureau.kinds = replace(KINDS, closed_months=lambda _session, _since: months)
    id_ = bureau.add(1, every="closing")
    assert bureau.tick() == 0
    with pytest.raises(running.NothingClosed):
        bureau.run_now(id_)
    months.append(closed)
    assert [bureau.tick(), bureau.tick()] == [1, 0]
    assert [run.period for run in bureau.runs(id_)] == ["2026-10"]


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_switched_off_it_is_not_caught_up_and_what_cannot_be_made_is_refused(bureau):
    id_ = bureau.add(bureau.view())

    def change(**said):
        with bureau.db.begin() as session:
            found = store.get(session, id_)
            commands.update(
                session, found, ScheduleChange(**said), kinds=bureau.kinds, by=bureau.by
            )

    change(is_enabled=False)
    bureau.now += timedelta(days=30)
    assert bureau.tick() == 0
    change(is_enabled=True)
    assert bureau.tick() == 0
    for wrong in (
        {"destination_ids": [77]},
        {"parameters": {"view_id": 77}},
        {"parameters": {"view_id": "x", "other": 1}},
    ):
        with pytest.raises((Invalid, NotFound)):
            change(**wrong)
    with pytest.raises(Invalid, match="cannot be scheduled"):
        bureau.add(1, "other", kind="poem")
    for query in ("by=colour", "mood=good", "limit=0"):
        with bureau.db.begin() as session:
            spec = ViewSpec(page="usage", name=query, query=query)
            view = views.create(session, spec, owner=Owner("ann"), now=bureau.now).id
        with pytest.raises(Invalid, match="scheduled"):
            bureau.add(view, "other")


def test_two_workers_that_look_at_once_ask_for_a_run_once(bureau):
    id_ = bureau.add(bureau.view())
    bureau.now = MONDAY + timedelta(days=1)
    with ThreadPoolExecutor(4) as pool:
        asked = [one.result() for one in [pool.submit(bureau.tick) for _ in range(4)]]
    assert sorted(asked) == [0, 0, 0, 1]
    assert len(bureau.runs(id_)) == 1
