"""Credit for many users: each is given it once, however often the worker dies on the way."""

from types import SimpleNamespace

import pytest
from app.audit.journal import Actor
from app.background import granting
from app.background.handlers import enqueue
from app.background.runner import Runner
from app.jobs import store
from app.jobs.leases import LEASE
from app.plans import commands as plan_commands

from books import NANO
from grants_builders import Purse
from turn_builders import RULES

ACTOR = Actor("alice", "cli")


class Killed(BaseException):
    """As a process ends: nothing is tidied up."""


class Works:
    def __init__(self, db, now):
        self.db, self.now = db, now
        self.purse = Purse(db, now)
        with db.begin() as session:
            plan_commands.ensure_builtin(session, actor=ACTOR, now=now)
        self.on_told = lambda: None
        settings = SimpleNamespace(
            zone=RULES.zone, billing=SimpleNamespace(currency="CNY"), issuers=[]
        )
        self.runtime = SimpleNamespace(db=db, gate=self, settings=settings)

    def set_balance(self, *_):
        self.on_told()

    def ask(self, **more):
        parameters = granting.Parameters(run="spring", reason="spring", **more)
        with self.db.begin() as session:
            return enqueue(session, granting.KIND, parameters, actor=ACTOR, now=self.now).id

    def work(self, job, leases=0):
        now = self.now + leases * (LEASE + LEASE)
        Runner(self.runtime, clock=lambda: now).run_next()
        with self.db.read() as session:
            return store.get(session, job)

    def left(self):
        return [self.purse.shop.stage.balance(user)[0] / NANO for user in (0, 1, 2)]


@pytest.fixture
def works(db, now, monkeypatch):
    monkeypatch.setattr(granting, "USERS_AT_ONCE", 1)
    return Works(db, now)


def test_a_list_is_given_once_though_the_worker_dies(works):
    ids = [works.purse.id(user) for user in (0, 1, 2)]
    job = works.ask(gifts=[(ids[0], 1), (999_999, 5), (ids[1], "2.5")])

    def die():
        raise Killed

    works.on_told = die
    with pytest.raises(Killed):
        works.work(job)
    works.on_told = lambda: None
    done = works.work(job, leases=1)
    assert (done.state, works.left()) == ("done", [1, 2.5, 0])
    assert done.result["given"], done.result["left_out"] == (2, 1)
    again = works.ask(gifts=[(ids[0], 1)])
    works.work(again, leases=2)
    assert works.left() == [1, 2.5, 0]
    assert works.purse.shop.stage.findings() == []


def test_everybody_who_has_a_plan_is_given_it(works):
    job = works.ask(plan="default", amount=3)
    done = works.work(job)
    assert (done.state, done.result["given"], works.left()) == ("done", 3, [3, 3, 3])
