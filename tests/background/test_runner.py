"""The runner: does jobs in its thread, stops between steps, and survives what they do."""

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from app.audit.journal import Actor
from app.background.handlers import HANDLERS, Handler, enqueue
from app.background.runner import Runner
from app.db import DatabaseAway
from app.errors import Conflict
from app.jobs import commands, leases, store
from app.jobs.leases import LEASE, LeaseLost, Progress
from pydantic import BaseModel

ACTOR = Actor("alice", "cli")


class To(BaseModel):
    to: int = 3


class Hall:
    """Jobs of the kind ``count``, whose handler counts and tells each step."""

    def __init__(self, db, now, monkeypatch):
        self.db, self.now = db, now
        self.steps = []
        self.on_step = lambda number, task: None
        self.runtime = SimpleNamespace(db=db)
        self.handlers = {"count": Handler(To, self.count)}
        monkeypatch.setitem(HANDLERS, "count", self.handlers["count"])

    def count(self, _runtime, task):
        begun_at = (task.saved or {"at": 0})["at"]
        for number in range(begun_at + 1, task.parameters["to"] + 1):
            self.on_step(number, task)
            task.report(Progress(number, task.parameters["to"], saved={"at": number}))
            self.steps.append(number)
        return {"counted": task.parameters["to"]}

    def ask(self):
        with self.db.begin() as session:
            return enqueue(session, "count", To(), actor=ACTOR, now=self.now).id

    def runner(self, after=timedelta(0)):
        return Runner(self.runtime, clock=lambda: self.now + after, handlers=self.handlers)

    def job(self, job_id):
        with self.db.read() as session:
            return store.get(session, job_id)


@pytest.fixture
def hall(db, now, monkeypatch):
    return Hall(db, now, monkeypatch)


def test_a_stop_lets_the_step_at_hand_end_and_begins_no_other(hall):
    done, begun = hall.ask(), threading.Event()
    left = hall.ask()
    runner = hall.runner()

    def wait_for_stop(_number, _task):
        if hall.steps == [1, 2, 3]:
            begun.set()
            assert runner._stopping.wait(20)

    hall.on_step = wait_for_stop
    runner.start()
    assert begun.wait(20)
    runner.stop()
    assert not runner._thread.is_alive()
    assert (hall.job(done).state, hall.job(done).result) == ("done", {"counted": 3})
    assert (hall.job(left).state, hall.job(left).runner, hall.steps) == ("queued", None, [1, 2, 3])


def test_a_job_of_a_killed_runner_goes_on_where_it_was(hall):
    class Killed(BaseException):
        """As a process ends: nothing is tidied up."""

    def kill(number, _task):
        if number == 3:
            raise Killed

    hall.on_step = kill
    job_id = hall.ask()
    with pytest.raises(Killed):
        hall.runner().run_next()
    hall.on_step = lambda number, task: None
    assert hall.runner().run_next() is False
    assert hall.runner(LEASE + timedelta(seconds=1)).run_next() is True
    assert hall.steps == [1, 2, 3]
    assert (hall.job(job_id).state, hall.job(job_id).result) == ("done", {"counted": 3})


def test_a_runner_that_was_taken_for_dead_does_no_further_step(hall):
    job_id = hall.ask()

    def overtake(number, _task):
        if number == 2:
            hall.on_step = lambda number, task: None
            assert hall.runner(LEASE + timedelta(seconds=1)).run_next() is True

    hall.on_step = overtake
    assert hall.runner().run_next() is True
    assert hall.steps == [1, 2, 3]
    assert (hall.job(job_id).state, hall.job(job_id).attempts) == ("done", 1)


def test_a_stopping_worker_leaves_the_rest_to_the_next_start(hall):
    job_id = hall.ask()
    first = hall.runner()
    hall.on_step = lambda number, task: first.stop() if number == 2 else None
    assert first.run_next() is True
    assert (hall.job(job_id).state, hall.steps) == ("queued", [1])
    hall.on_step = lambda number, task: None
    assert hall.runner().run_next() is True
    assert (hall.job(job_id).state, hall.steps) == ("done", [1, 2, 3])


def test_a_cancelled_job_stops_at_its_next_step(hall):
    job_id = hall.ask()

    def cancel(number, _task):
        if number == 2:
            with hall.db.begin() as session:
                commands.cancel(session, job_id, actor=ACTOR, now=hall.now)

    hall.on_step = cancel
    assert hall.runner().run_next() is True
    stopped = hall.job(job_id)
    assert (stopped.state, stopped.done, hall.steps) == ("cancelled", 1, [1])


def test_signs_of_life_bring_word_of_a_cancel_and_of_another_runner(hall):
    def cancelled(_number, task):
        with hall.db.begin() as session:
            commands.cancel(session, job_id, actor=ACTOR, now=hall.now)
        task.live()
        task.check()

    job_id = hall.ask()
    hall.on_step = cancelled
    hall.runner().run_next()
    assert (hall.job(job_id).state, hall.steps) == ("cancelled", [])

    def overtaken(_number, task):
        hall.db.run(lambda session: leases.take(session, hall.now + 2 * LEASE, {"count"}))
        task.live()
        with pytest.raises(LeaseLost):
            task.check()
        task.check()

    job_id = hall.ask()
    hall.on_step = overtaken
    hall.runner().run_next()
    assert (hall.job(job_id).state, hall.steps) == ("running", [])


@pytest.mark.parametrize(
    ("fault", "state", "code"),
    [
        (Conflict("no", code="changed"), "failed", "changed"),
        (ValueError("a secret"), "failed", "internal_error"),
        (DatabaseAway("away"), "queued", None),
    ],
)
def test_what_a_handler_raises_is_said_and_the_runner_goes_on(hall, fault, state, code):
    def fail(_number, _task):
        raise fault

    job_id = hall.ask()
    hall.on_step = fail
    assert hall.runner().run_next() is True
    failed = hall.job(job_id)
    assert (failed.state, failed.error_code) == (state, code)
    assert "secret" not in (failed.message or "")
    hall.on_step = lambda number, task: None
    other = hall.ask()
    assert hall.runner().run_next() is True
    assert hall.job(other).state == "done"


def test_a_kind_that_this_worker_does_not_know_is_left_to_another(hall):
    job_id = hall.ask()
    assert Runner(hall.runtime, clock=lambda: hall.now, handlers={}).run_next() is False
    assert hall.runner().run_next() is True
    assert hall.job(job_id).state == "done"
    with hall.db.begin() as session, pytest.raises(TypeError):
        enqueue(session, "rerate", To(), actor=ACTOR, now=hall.now)
