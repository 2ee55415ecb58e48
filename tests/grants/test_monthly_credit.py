"""What plans give every month: once, at the turn without a gap, and who is left out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from app import crediting
from app.admission.periods import periods_at
from app.audit.journal import Actor
from app.db import Database
from app.ledger.credit.monthly import Monthly
from app.people.monthly import monthly_credit
from app.plans import commands as plan_commands
from app.plans.models import Plan
from app.spool.census import Status
from app.turns.books import Books
from app.users.models import User

from books import NANO
from grants_builders import Purse
from turn_builders import RULES

TURN = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
"""December begins, in Shanghai."""

EMPTY = Status(0, 0, None, 0, 0, 0.0)


@pytest.fixture
def purse(db: Database, now) -> Purse:
    return Purse(db, now)


def december(purse: Purse, amount: float) -> Monthly:
    plan_id, ends_at = purse.shop.stage.plan_id, TURN + timedelta(days=31)
    return Monthly(plan_id, "p", int(amount * NANO), 50, "2026-12", ends_at)


def ask_books(purse: Purse, amount: float, at: datetime, *, is_guest: bool = False, plan=None):
    """What the gate is told when it asks the books about the first user."""
    visitor = purse.shop.stage.visitor(0, is_guest=is_guest)
    context = replace(
        visitor.user.plan,
        id=plan or visitor.user.plan.id,
        monthly_credit=int(amount * NANO),
    )
    visitor = replace(visitor, user=replace(visitor.user, plan=context))
    books = Books(db=purse.db, currency="CNY")
    return books.seeds(visitor, periods_at(at, RULES.zone), at).balance / NANO


def test_credit_is_given_when_the_gate_asks_and_once_a_month_and_plan(purse):
    assert ask_books(purse, 5, purse.now, is_guest=True) == 0
    assert ask_books(purse, 0, purse.now) == 0
    assert ask_books(purse, 5, purse.now) == 5
    assert ask_books(purse, 5, purse.at(1)) == 5
    assert ask_books(purse, 9, purse.at(2)) == 5  # the plan gives more: from next month on
    with purse.db.begin() as session:
        other = Plan(name="gold", limits={}, price_multiplier=NANO, created_at=purse.now)
        session.add(other)
        session.flush()
        gold = other.id
    assert ask_books(purse, 7, purse.at(3), plan=gold) == 12  # another plan gives its own
    assert ask_books(purse, 5, purse.at(4)) == 12
    assert purse.shop.stage.findings() == []


def test_at_the_turn_of_the_month_whoever_spent_goes_on_without_a_gap(purse):
    ask_books(purse, 5, purse.now)
    purse.ask(2)
    purse.grant(1, until=24 * 60, user=1)
    purse.monthly = {0: december(purse, 5), 1: december(purse, 5)}
    hours = (TURN - purse.now) / timedelta(hours=1)
    assert purse.expire(hours - 0.1) == []
    (moved,) = purse.expire(hours)
    assert (moved.lapsed, moved.given, moved.balance) == (3 * NANO, 5 * NANO, 5 * NANO)
    old, new = purse.rows()
    assert (old.month, old.closed_as, new.month, new.remaining) == (
        "2026-11",
        "expired",
        "2026-12",
        5 * NANO,
    )
    assert purse.shop.stage.findings() == []


def test_whoever_spent_nothing_is_given_the_next_when_they_come(purse):
    ask_books(purse, 5, purse.now)
    purse.monthly = {0: december(purse, 5)}
    (moved,) = purse.expire((TURN - purse.now) / timedelta(hours=1))
    assert (moved.lapsed, moved.given) == (5 * NANO, 0)
    assert ask_books(purse, 5, TURN + timedelta(days=3)) == 5


def test_many_wallets_are_done_in_parts_and_a_killed_run_is_gone_on_with(purse, monkeypatch):
    monkeypatch.setattr("app.funding.expiring.WALLETS_AT_ONCE", 1)
    for user in (0, 1, 2):
        purse.grant(5, until=24, user=user)
    assert len(purse.expire(25, batches=2)) == 2
    assert len(purse.expire(25, batches=2)) == 1
    assert purse.shop.stage.findings() == []


def worker(purse: Purse, told: dict[int, int]) -> SimpleNamespace:
    """What jobs are run with; ``told`` is what the gate heard, by user."""
    settings = SimpleNamespace(billing=SimpleNamespace(currency="CNY"), issuers=[], zone=RULES.zone)
    return SimpleNamespace(
        db=purse.db,
        settings=settings,
        spool=SimpleNamespace(status=lambda: EMPTY),
        gate=SimpleNamespace(set_balance=lambda user, balance, _: told.update({user: balance})),
    )


def hire(purse: Purse, users: tuple[int, ...], credit_limit: int | None, name: str) -> int:
    """Give users a plan with four a month; its id."""
    actor = Actor("tests", "cli")
    with purse.db.begin() as session:
        plan_commands.ensure_builtin(session, actor=actor, now=purse.now)
        spec = plan_commands.PlanSpec(name=name, monthly_credit=4, credit_limit=credit_limit)
        plan = plan_commands.create(session, spec, actor=actor, now=purse.now)
        for user in users:
            session.get_one(User, purse.id(user)).plan_id = plan.id
        return plan.id


def test_whoever_came_while_no_worker_ran_is_given_the_month_once_and_no_other(purse):
    told = {}
    runtime = worker(purse, told)
    owing = hire(purse, (0, 1), None, "owing")
    hire(purse, (2,), 0, "prepaid")
    hours = (TURN - purse.now) / timedelta(hours=1)
    purse.ask(3, user=1, after=hours - 30)  # in November, which is over when the worker is back
    purse.ask(1, after=hours + 1)
    purse.change("top_up", 1, user=2, after=hours + 1)
    crediting.give_monthly_credit(runtime, purse.at(hours + 200))
    assert told == {purse.id(0): 3 * NANO}
    assert [row.month for row in purse.rows()] == ["2026-12"]
    crediting.give_monthly_credit(runtime, purse.at(hours + 201))
    assert ask_books(purse, 4, purse.at(hours + 202), plan=owing) == 3
    purse.ask(1, user=1, after=hours + 203)
    crediting.give_monthly_credit(runtime, purse.at(hours + 204))
    assert told == {purse.id(0): 3 * NANO, purse.id(1): 0}
    assert purse.shop.stage.findings() == []


def test_jobs_give_expire_and_tell_the_gate(purse, monkeypatch):
    told = {}
    runtime = worker(purse, told)
    spool = runtime.spool
    hire(purse, (0, 1), None, "staff")
    with purse.db.begin() as session:
        session.get_one(User, purse.id(1)).status = "suspended"
        users = [purse.id(user) for user in (0, 1, 2)]
        found = monthly_credit(session, users, configured=[], zone=RULES.zone, now=purse.now)
        assert list(found) == [purse.id(0)]
    purse.ask(1)
    purse.ask(1, user=2)
    crediting.give_monthly_credit(runtime, purse.at(1))
    assert told == {purse.id(0): 3 * NANO}  # it covers what was owed
    crediting.give_monthly_credit(runtime, purse.at(1))
    crediting.note_credit(runtime, purse.at(1))
    spool.status = lambda: replace(EMPTY, records=1)
    crediting.expire_grants(runtime, TURN)
    assert told == {purse.id(0): 3 * NANO}  # what waits in the spool may still be drawn from it
    spool.status = lambda: EMPTY
    crediting.expire_grants(runtime, TURN)
    assert told == {purse.id(0): 4 * NANO}
    assert purse.shop.stage.findings() == []
