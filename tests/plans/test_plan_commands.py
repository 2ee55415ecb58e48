"""Plans."""

import threading
from decimal import Decimal

import pytest
from app import revision
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.errors import Conflict
from app.limits import VisitorLimits
from app.plans import commands, store
from pydantic import ValidationError

BY = {"actor": Actor("tests", "cli")}


def test_created_plan_is_audited_and_announced(db, now):
    spec = commands.PlanSpec(
        name="gold",
        limits=VisitorLimits(points_per_day=Decimal("1.5")),
        credit_limit=Decimal(20),
        price_multiplier=Decimal("0.8"),
    )
    with db.begin() as session:
        before = revision.current(session)
        plan = commands.create(session, spec, now=now, **BY)
        assert revision.current(session) == before + 1
    assert commands.describe(plan) == {
        "name": "gold",
        "limits": {"points_per_day": "1.5"},
        "credit_limit": "20",
        "price_multiplier": "0.8",
        "monthly_credit": "0",
        "monthly_priority": 50,
    }
    with db.read() as session:
        (entry,) = session.query(AuditEntry)
        assert (entry.action, entry.after) == ("plans.create", commands.describe(plan))


def test_name_is_taken_once(db, now):
    with db.begin() as session:
        commands.create(session, commands.PlanSpec(name="gold"), now=now, **BY)
        with pytest.raises(Conflict):
            commands.create(session, commands.PlanSpec(name="gold"), now=now, **BY)


def test_only_what_is_given_changes(db, now):
    with db.begin() as session:
        spec = commands.PlanSpec(name="gold", limits=VisitorLimits(questions_per_day=5))
        plan = commands.create(session, spec, now=now, **BY)
        commands.update(session, plan, commands.PlanChange(credit_limit=None), now=now, **BY)
        assert (plan.credit_limit, plan.limits) == (None, {"questions_per_day": 5})
        change = commands.PlanChange(limits=None, price_multiplier=Decimal(2))
        commands.update(session, plan, change, now=now, **BY)
        assert (plan.limits, plan.price_multiplier) == ({}, 2 * 10**9)
    with db.read() as session:
        entry = session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
        assert entry.before["price_multiplier"] == "1"
        assert entry.after["price_multiplier"] == "2"


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": " a"}, {"name": "a\0"}, {"credit_limit": -1},
     {"price_multiplier": -1}, {"price_multiplier": "NaN"}, {"credit_limit": "0.0000000001"},
     {"colour": "red"}],
)  # fmt: skip
def test_plans_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        commands.PlanSpec.model_validate({"name": "gold"} | wrong)


def test_built_in_plans_are_made_once_by_many_and_left_as_the_operator_changed_them(db, now):
    start = threading.Barrier(6)

    def ensure():
        start.wait()
        with db.begin() as session:
            commands.ensure_builtin(session, now=now, **BY)

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.begin() as session:
        assert [plan.name for plan in store.list_all(session)] == ["default", "guest"]
        assert session.query(AuditEntry).count() == 2
        guest = store.get_by_name(session, "guest")
        assert guest.price_multiplier == 0
        change = commands.PlanChange(price_multiplier=Decimal(1))
        commands.update(session, guest, change, now=now, **BY)
        commands.ensure_builtin(session, now=now, **BY)
        assert store.get_by_name(session, "guest").price_multiplier == 10**9


def test_unknown_plan_is_said_to_be_unknown(db):
    with db.read() as session, pytest.raises(store.PlanNotFound, match="gold"):
        store.get_by_name(session, "gold")
