"""Periodic jobs: when they are due, who runs them, and what they do."""

import hashlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from app import handover, housekeeping, worker
from app.alarms.machine import Streak, Streaks
from app.alerts import destination_commands
from app.alerts import store as alert_store
from app.alerts.destination_commands import DestinationSpec
from app.audit.journal import Actor
from app.background.handlers import enqueue
from app.background.rerate import KIND, Parameters
from app.codes import commands as code_commands
from app.codes import store as code_store
from app.codes.commands import BatchSpec
from app.config import Settings
from app.db import Database
from app.findings import store as findings_store
from app.funding import changes
from app.funding.changes import Change
from app.jobs import commands as job_commands
from app.jobs import store as job_store
from app.ledger.models import Account
from app.links import commands
from app.links.commands import LinkSpec
from app.metering.lines import store as lines_store
from app.metering.models import QuarantinedFinish
from app.rerating.preview import DIGEST_LENGTH
from app.sightings import store as sighting_store
from app.sightings.store import Wanted
from app.sightings.tally import Tally
from app.spool.census import Status
from app.spool.record import Record
from app.spool.spool import Spool
from app.telemetry import metrics
from app.turns.unfinished import Noted
from app.worker import Job, Rota, daily_at, every

from books import make_users
from sighting_builders import refused

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


class Lead:
    """A leadership that the test gives and takes."""

    def __init__(self):
        self.held = True

    def is_held(self):
        return self.held

    def close(self):
        self.held = False


@pytest.fixture
def runtime():
    return SimpleNamespace(settings=Settings())


@pytest.mark.parametrize(
    ("zone", "after", "due"),
    [
        (SHANGHAI, "2026-11-23T03:29", "2026-11-23T03:30"),
        (SHANGHAI, "2026-11-23T03:30", "2026-11-24T03:30"),
        (SHANGHAI, "2026-12-31T12:00", "2027-01-01T03:30"),
        # The clock goes back at three: the night has 25 hours, and one half past three.
        (BERLIN, "2026-10-24T12:00", "2026-10-25T03:30"),
    ],
)
def test_daily_job_is_due_once_a_day_by_the_operators_clock(zone, after, due):
    found = daily_at(time(3, 30))(datetime.fromisoformat(after).replace(tzinfo=zone))
    assert found.replace(tzinfo=None).isoformat(timespec="minutes") == due
    assert found.tzinfo == zone


def test_jobs_run_when_due_and_not_before(runtime, now):
    ran = []
    rota = Rota(runtime, Lead(), [Job("x", every(HOUR), lambda _, at: ran.append(at))])
    for minutes in (0, 4, 5, 6, 64, 65, 66, 124, 125, 126):
        rota.tick(now + timedelta(minutes=minutes))
    assert ran == [now + timedelta(minutes=minutes) for minutes in (5, 65, 125)]


def test_hourly_jobs_of_who_is_started_anew_twice_an_hour_run(runtime, now):
    ran = []
    jobs = [
        Job("hourly", every(HOUR), lambda _, at: ran.append(at)),
        Job("daily", daily_at(time(3, 30)), lambda *_: ran.append("daily")),
    ]
    for start in (now, now + HOUR / 2):
        rota = Rota(runtime, Lead(), jobs)
        for minutes in range(30):
            rota.tick(start + timedelta(minutes=minutes))
    assert ran == [now + timedelta(minutes=5), now + timedelta(minutes=35)]


def test_clock_that_is_set_back_keeps_no_job_waiting(runtime, now):
    ran = []
    hourly = Job("hourly", every(HOUR), lambda *_: ran.append("hourly"))
    daily = Job("daily", daily_at(time(3, 30)), lambda *_: ran.append("daily"))
    rota = Rota(runtime, Lead(), [hourly, daily])
    rota.tick(now + timedelta(days=3))
    rota.tick(now)
    assert ran == []
    rota.tick(now + HOUR)
    assert ran == ["hourly"]
    rota.tick(now + timedelta(days=1))
    assert ran == ["hourly", "hourly", "daily"]


def test_who_does_not_lead_runs_nothing_and_a_new_leader_waits_its_turn(runtime, now):
    ran, lead = [], Lead()
    rota = Rota(runtime, lead, [Job("x", every(HOUR), lambda _, at: ran.append(at))])
    rota.tick(now)
    lead.held = False
    rota.tick(now + HOUR)
    lead.held = True
    rota.tick(now + 2 * HOUR)
    assert ran == []
    rota.tick(now + 3 * HOUR)
    assert ran == [now + 3 * HOUR]


def test_job_of_the_machine_runs_whoever_leads(runtime, now):
    ran, lead = [], Lead()
    lead.held = False
    run = lambda _, at: ran.append(at)  # noqa: E731 - as short as the others
    rota = Rota(runtime, lead, [Job("x", every(HOUR), run, runs_everywhere=True)])
    rota.tick(now)
    rota.tick(now + HOUR)
    assert ran == [now + HOUR]
    assert [job.name for job in worker.JOBS if job.runs_everywhere] == [
        "drain_spool",
        "prune_exports",
        "sweep_outbox",
    ]


def test_spool_is_measured_also_when_its_drain_fails(tmp_path, keys, now):
    spool = Spool(tmp_path / "spool", keys=keys, bytes_max=10**6)
    for at in (now - HOUR, now):
        spool.append(Record("r", at, "key", None, b"{}"), lane="known", now=now)
    with spool.drain() as batch:
        batch.reject(batch.entries[1], "link_unknown", now)

    def fail(_now):
        raise OSError("on purpose")

    drain = SimpleNamespace(run=fail)
    with pytest.raises(OSError, match="on purpose"):
        worker.drain_spool(SimpleNamespace(spool=spool, drain=drain), now)
    assert metrics.SPOOL_RECORDS._value.get() == 1
    assert metrics.SPOOL_OLDEST_SECONDS._value.get() == 3600
    assert metrics.SPOOL_ASIDE.labels("rejected")._value.get() == 1
    spool.close()


def _runs(job, outcome):
    return metrics.JOB_RUNS.labels(job, outcome)._value.get()


def test_failing_job_is_counted_and_stops_no_other(runtime, now):
    def fail(_runtime, _at):
        raise ValueError("on purpose")

    ran = []
    jobs = [Job("bad", every(HOUR), fail), Job("good", every(HOUR), lambda _, at: ran.append(at))]
    rota = Rota(runtime, Lead(), jobs)
    before = _runs("bad", "failed"), _runs("good", "done")
    for hours in range(3):
        rota.tick(now + hours * HOUR)
    assert len(ran) == 2
    assert (_runs("bad", "failed"), _runs("good", "done")) == (before[0] + 2, before[1] + 2)


def test_old_quarantined_finishes_are_forgotten_and_young_ones_kept(db, now, keys):
    kept_days = Settings().hooks.quarantine_days
    with db.begin() as session:
        actor = Actor("test", "cli")
        link = commands.create(session, LinkSpec(name="x"), keys=keys, actor=actor, now=now).link
        for reference, days in (("old", kept_days + 1), ("young", kept_days - 1)):
            session.add(
                QuarantinedFinish(
                    reference=reference,
                    link_id=link.id,
                    received_at=now - timedelta(days=days),
                    reason="request_malformed",
                    digest="0" * 64,
                    body_bytes=3,
                    sealed_body=b"x",
                    resolved_at=None,
                    resolution=None,
                )
            )
    housekeeping.prune_quarantine(SimpleNamespace(db=db, settings=Settings()), now)
    with db.read() as session:
        assert [row.reference for row in session.query(QuarantinedFinish)] == ["young"]


def test_refusals_are_kept_for_as_long_as_the_settings_say(db, now):
    hooks = Settings().hooks.model_copy(update={"refusals_days": 2})
    settings = Settings().model_copy(update={"hooks": hooks})
    tally = Tally(on_dropped=lambda *_: None)
    tally.add([refused("old", at=now - timedelta(days=3)), refused("young", at=now - HOUR)])
    with db.begin() as session:
        sighting_store.write(session, calls={}, refusals=tally.refusals, links={})
    housekeeping.prune_refusals(SimpleNamespace(db=db, settings=settings), now)
    with db.read() as session:
        [kept] = sighting_store.list_page(session, Wanted(), limit=9)
        assert kept.code == "young"


def test_ledger_findings_become_a_metric(db, now, monkeypatch):
    runtime = SimpleNamespace(db=db, settings=Settings())
    worker.verify_ledger(runtime, now)
    assert _found("chain_broken", "books") == 0
    broken = SimpleNamespace(code="chain_broken", message="…", ids={})
    found = SimpleNamespace(findings=(broken,) * 3, is_truncated=False)
    monkeypatch.setattr(worker.verification, "verify", lambda *_, **__: found)
    worker.verify_ledger(runtime, now)
    assert _found("chain_broken", "books") == 3
    monkeypatch.undo()
    worker.verify_ledger(runtime, now)
    assert _found("chain_broken", "books") == 0


def test_recent_findings_and_what_stands_around_become_metrics(db, now):
    asked = []
    gate = SimpleNamespace(snapshot=lambda user_id, _: asked.append(user_id))
    spool = SimpleNamespace(
        status=lambda: Status(3, 1, now - HOUR, rejected=0, damaged=0, fullness=0.1)
    )
    runtime = SimpleNamespace(db=db, settings=Settings(), gate=gate, spool=spool)
    with db.begin() as session:
        (user_id,) = make_users(session, now)
    paid = Change(user_id, 5, "CNY", "x", "k")
    changes.top_up(db, paid, actor=Actor("alice", "cli"), now=now)
    with db.begin() as session:
        session.query(Account).filter_by(user_id=user_id).one().balance += 1
    worker.verify_recent(runtime, now)
    assert _found("account_differs", "recent") == 1
    assert _found("hash_wrong", "recent") == 0
    assert _found("spool_waits", "recent") == 1
    assert asked == [user_id]
    # What is older than its window is left to the night.
    spool.status = lambda: Status(0, 0, None, rejected=0, damaged=0, fullness=0.0)
    worker.verify_recent(runtime, now + 2 * HOUR)
    assert _found("account_differs", "recent") == _found("spool_waits", "recent") == 0


def _found(code, scope):
    return metrics.FINDINGS.labels(code, scope)._value.get()


def test_sessions_are_pruned_a_week_after_they_expired(monkeypatch, db, now):
    asked = []
    monkeypatch.setattr(
        housekeeping.token_store,
        "prune_sessions",
        lambda _session, *, expired_before: asked.append(expired_before) or 0,
    )
    housekeeping.prune_sessions(SimpleNamespace(db=db, settings=Settings()), now)
    assert asked == [now - timedelta(days=7)]


def _start_worker(data_dir, *arguments):
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SHAREAUTH_")}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app", "--data-dir", str(data_dir), "worker", *arguments],
        env={**environ, "SHAREAUTH_CONFIG": ""},
        cwd=data_dir,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _ask_for_nothing(data_dir):
    """A re-rating of books without answers; the job's number."""
    db = Database(f"sqlite:///{data_dir / 'shareauth.sqlite3'}")
    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    nothing = hashlib.sha256(b"").hexdigest()[:DIGEST_LENGTH]
    asked = Parameters(since=since, until=until, price="in-force", reason="nothing", expect=nothing)
    with db.begin() as session:
        job_id = enqueue(session, KIND, asked, actor=Actor("alice", "cli"), now=since).id
    db.close()
    return job_id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_stops_on_a_signal(tmp_path, sqlite_template, number):
    (tmp_path / "shareauth.sqlite3").write_bytes(sqlite_template.read_bytes())
    job_id = _ask_for_nothing(tmp_path)
    process = _start_worker(tmp_path)
    assert any("worker_started" in line for line in process.stderr)
    # Work that somebody asked for is done beside the periodic jobs.
    left = next(line for line in process.stderr if "background_job_left" in line)
    assert "done" in left
    assert str(job_id) in left
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "worker_stopped" in told


def test_worker_whose_parent_is_gone_stops_by_itself(tmp_path, sqlite_template):
    (tmp_path / "shareauth.sqlite3").write_bytes(sqlite_template.read_bytes())
    process = _start_worker(tmp_path, "--parent", str(os.getpid() + 1))
    handover.hand_over(Settings(service={"data_dir": tmp_path}), process.stdin.buffer)
    process.stdin = None  # closed by then
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "worker_stopped" in told


@pytest.mark.parametrize("sent", [b"", b"no settings", pickle.dumps({"service": {}})])
def test_worker_with_a_parent_needs_its_settings(tmp_path, sent):
    process = _start_worker(tmp_path, "--parent", str(os.getpid()))
    process.stdin.buffer.write(sent)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "handed over" in told
    assert "Traceback" not in told


def test_unfinished_turns_are_counted_by_what_became_of_them(monkeypatch, now):
    def value(outcome):
        return metrics.UNFINISHED_TURNS.labels(outcome)._value.get()

    outcomes = ("recorded", "finished_late", "forgotten")
    before = [value(outcome) for outcome in outcomes]
    noted = Noted(recorded=3, hold=9, finished_late=2, forgotten=1)
    monkeypatch.setattr(worker, "note_unfinished", lambda **_: noted)
    worker.record_unfinished(SimpleNamespace(db=None, gate=None), now)
    assert [value(outcome) for outcome in outcomes] == [
        b + n for b, n in zip(before, (3, 2, 1), strict=True)
    ]


def test_what_ended_long_ago_and_codes_nobody_printed_are_forgotten(db, now, keys):
    spec = BatchSpec(name="x", amount=1, currency="CNY", count=1)
    with db.begin() as session:
        batch = code_commands.create(session, spec, keys=keys, actor=Actor("a", "cli"), now=now)
        job = job_commands.enqueue(
            session, job_commands.JobSpec("x", {}), actor=Actor("a", "cli"), now=now
        )
        job_commands.cancel(session, job.id, actor=Actor("a", "cli"), now=now)
    for days, left in ((29, (1, 1)), (31, (0, 1)), (91, (0, 0))):
        runtime = SimpleNamespace(db=db, settings=Settings())
        later = now + timedelta(days=days)
        housekeeping.forget_code_texts(runtime, later)
        housekeeping.prune_background_jobs(runtime, later)
        with db.read() as session:
            texts = code_store.list_sealed(session, batch.id)
            assert (len(texts), len(job_store.list_page(session))) == left


def test_partitions_are_made_before_they_are_needed(db, now):
    in_a_year = now + timedelta(days=365)
    worker.prepare_partitions(SimpleNamespace(db=db), in_a_year)
    with db.read() as session:
        assert lines_store.examine_partitions(session, in_a_year).are_right


def test_unfinished_turns_are_kept_for_more_than_a_year(monkeypatch, db, now):
    asked = []
    monkeypatch.setattr(
        housekeeping.unfinished_store,
        "prune",
        lambda _session, *, asked_before: asked.append(asked_before) or 0,
    )
    housekeeping.prune_unfinished(SimpleNamespace(db=db, settings=Settings()), now)
    assert asked == [now - timedelta(days=400)]


def test_findings_are_kept_until_a_whole_run_has_not_found_them(db, now, monkeypatch):
    runtime = SimpleNamespace(db=db, settings=Settings())
    broken = SimpleNamespace(code="chain_broken", message="m", ids={"transaction": 1})

    def verify(at, *findings, is_truncated=False):
        found = SimpleNamespace(findings=findings, is_truncated=is_truncated)
        monkeypatch.setattr(worker.verification, "verify", lambda *_, **__: found)
        worker.verify_ledger(runtime, at)
        with db.read() as session:
            return [one.code for one in findings_store.list_page(session)]

    assert verify(now, broken) == ["chain_broken"]
    assert verify(now + HOUR, is_truncated=True) == ["chain_broken"]
    assert verify(now + 2 * HOUR) == []


def test_failures_in_a_row_are_remembered_of_the_jobs_of_this_process(runtime, now):
    lead, streaks, is_broken = Lead(), Streaks(), True

    def work(_runtime, _at):
        if is_broken:
            raise ValueError("on purpose")

    rota = Rota(runtime, lead, [Job("bad", every(HOUR), work)], streaks)
    for hours in range(4):
        rota.tick(now + hours * HOUR)
    assert streaks.failing() == {"bad": Streak(3, "ValueError")}
    lead.held = False  # another process runs it now
    rota.tick(now + 4 * HOUR)
    assert streaks.failing() == {}
    lead.held, is_broken = True, True
    for hours in (5, 6):
        rota.tick(now + hours * HOUR)
    assert list(streaks.failing()) == ["bad"]
    is_broken = False
    rota.tick(now + 7 * HOUR)
    assert streaks.failing() == {}


def test_open_alerts_and_waiting_messages_become_metrics(db, now, keys):
    with db.begin() as session:
        actor = Actor("test", "cli")
        link = commands.create(session, LinkSpec(name="x"), keys=keys, actor=actor, now=now).link
        spec = DestinationSpec(name="ops", kind="webhook", url="https://ops.example")
        destination_commands.add(session, spec, keys=keys, actor=actor, now=now)
        kept = {
            "link_id": link.id,
            "received_at": now,
            "reason": "x",
            "digest": "",
            "body_bytes": 1,
        }
        session.add(QuarantinedFinish(reference="r", **kept))
    runtime = SimpleNamespace(db=db, settings=Settings())
    worker.watch_service(runtime, now)
    worker.watch_service(runtime, now)
    assert metrics.ALERTS_OPEN.labels("quarantine", "warning")._value.get() == 1
    assert metrics.ALERTS_OPEN.labels("budget", "warning")._value.get() == 0
    assert metrics.ALERT_DELIVERIES_WAITING.labels("pending")._value.get() == 1
    long_after = now + timedelta(days=91)
    housekeeping.prune_alerts(runtime, long_after)
    with db.read() as session:
        assert len(alert_store.list_alerts(session)) == 1  # open ones are kept


def test_jobs_of_alerts_watch_this_machine_and_wait_for_no_message(db, now):
    kicked, streaks = [], Streaks()
    courier = SimpleNamespace(kick=lambda: kicked.append(1))
    watch_machine, deliver = worker.alert_jobs(streaks, courier)
    assert (watch_machine.runs_everywhere, deliver.runs_everywhere) == (True, False)
    for _ in range(3):
        streaks.failed("verify_ledger", ValueError())
    waiting = Status(3, 1, now - HOUR, rejected=0, damaged=0, fullness=0.1)
    runtime = SimpleNamespace(db=db, spool=SimpleNamespace(status=lambda: waiting))
    watch_machine.run(runtime, now)
    with db.read() as session:
        found = {one.subject: one.condition for one in alert_store.list_alerts(session)}
    machine = f"machine:{socket.gethostname()}"
    assert found == {machine: "spool_waits", f"{machine}/verify_ledger": "jobs_failing"}
    deliver.run(runtime, now)
    assert kicked == [1]
