"""Re-rating in the background: booked once, however often the worker dies on the way."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from app.audit.journal import Actor
from app.background import rerate
from app.background.handlers import enqueue
from app.background.runner import Runner
from app.jobs import commands, store
from app.jobs.leases import LEASE
from app.statements import verification

from rerating_builders import SINCE, UNTIL, Shop
from turn_builders import RULES

ACTOR = Actor("alice", "cli")
ANSWERS = 4


class Killed(BaseException):
    """As a process ends: nothing is tidied up."""


class Works:
    """A shop with answers of two users, each charged twice too high, in pages of one answer."""

    def __init__(self, db, now):
        self.db, self.now = db, now
        self.shop = Shop(db, now)
        self.shop.publish(per_point="2")
        self.shop.publish(per_point="1")
        for number in range(ANSWERS):
            self.shop.answer(1, user=number % 2, points=2)
        self.told = []
        self.on_told = lambda: None
        billing = SimpleNamespace(currency="CNY")
        self.runtime = SimpleNamespace(
            db=db, gate=self, settings=SimpleNamespace(zone=RULES.zone, billing=billing)
        )

    def set_balance(self, user_id, balance, version):
        self.told.append((user_id, balance, version))
        self.on_told()

    def ask(self, **more):
        values = {
            "since": SINCE,
            "until": UNTIL,
            "price": 2,
            "reason": "wrong price",
            "expect": self.shop.preview(2).digest,
            "allow_negative": True,
        }
        parameters = rerate.Parameters(**values | more)
        with self.db.begin() as session:
            return enqueue(session, rerate.KIND, parameters, actor=ACTOR, now=self.now).id

    def run(self, after=timedelta(0)):
        return Runner(self.runtime, clock=lambda: self.now + after).run_next()

    def job(self, job_id):
        with self.db.read() as session:
            return store.get(session, job_id)


@pytest.fixture
def works(db, now, monkeypatch):
    monkeypatch.setattr("app.rerating.store.PAGE_ROWS", 1)
    return Works(db, now)


def test_the_job_books_what_was_looked_at_and_says_so(works):
    job_id = works.ask()
    assert works.run() is True
    done = works.job(job_id)
    assert (done.state, done.done, done.total) == ("done", ANSWERS, ANSWERS)
    assert done.result["adjustments"] == ANSWERS
    assert done.result["amount"] == "8"
    assert done.result["run"] == done.parameters["expect"]
    assert [works.shop.balance(user) for user in (0, 1)] == [-4, -4]
    assert len(works.told) == ANSWERS
    assert verification.verify(works.db, zone=RULES.zone).ok


def test_a_killed_run_is_finished_by_the_next_worker_and_its_sums_are_whole(works):
    def kill():
        if len(works.told) == 2:
            raise Killed

    works.on_told = kill
    job_id = works.ask()
    with pytest.raises(Killed):
        works.run()
    # Came into the books since, for the time that is priced again: nobody looked at it.
    works.shop.answer(1, user=0, points=2)
    assert works.job(job_id).done == 2
    works.on_told = lambda: None
    assert works.run(LEASE + timedelta(seconds=1)) is True
    done = works.job(job_id)
    assert (done.state, done.error_code, done.result["adjustments"]) == ("done", None, ANSWERS)
    assert done.result["amount"] == "8"
    assert [len(works.shop.adjustments(user)) for user in (0, 1)] == [2, 2]


def test_a_cancelled_run_keeps_what_is_booked_and_nothing_after(works):
    job_id = works.ask()

    def cancel():
        with works.db.begin() as session:
            commands.cancel(session, job_id, actor=ACTOR, now=works.now)

    works.on_told = cancel
    works.run()
    stopped = works.job(job_id)
    assert (stopped.state, stopped.done) == ("cancelled", 1)
    assert sum(len(works.shop.adjustments(user)) for user in (0, 1)) == 1


def test_what_is_not_what_was_looked_at_is_not_booked(works):
    job_id = works.ask(expect="0123456789abcdef")
    works.run()
    assert (works.job(job_id).state, works.job(job_id).error_code) == ("failed", "preview_changed")
    assert works.told == []
