"""Who is let in while the database is away: by the operator's word, and for how long."""

from decimal import Decimal

import pytest
from app import schema
from app.db import Database, DatabaseAway
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.turns.endurance import Endurance

from admission_builders import make_ask, make_guest

NOWHERE = "postgresql+psycopg://postgres@127.0.0.1:1/nowhere"
POLICIES = ("serve", "refuse", "admit")


@pytest.fixture
def away():
    """A database that is away and known to be."""
    db = Database(NOWHERE)
    with pytest.raises(DatabaseAway), db.read():
        pass
    yield db
    db.close()


def endurance(db, on_outage="serve", *, lasts_s=3600.0):
    return Endurance(db=db, on_outage=on_outage, lasts_s=lasts_s)


@pytest.mark.parametrize("policy", POLICIES)
def test_nobody_is_asked_while_there_is_no_outage(policy):
    endurance(Database(NOWHERE), policy, lasts_s=0).check()


@pytest.mark.parametrize("policy", ["serve", "admit"])
def test_visitors_are_let_in_until_the_outage_lasts_too_long(away, policy):
    endurance(away, policy).check()
    with pytest.raises(DatabaseAway):
        endurance(away, policy, lasts_s=0).check()


def test_operator_may_let_nobody_in(away):
    with pytest.raises(DatabaseAway):
        endurance(away, "refuse").check()


@pytest.mark.parametrize("policy", POLICIES)
def test_end_of_the_outage_is_found_out_by_asking(db, policy):
    db.outage.noticed()
    endurance(db, policy, lasts_s=0).check()
    assert not db.outage.is_on


def test_answer_without_tables_is_no_welcome(tmp_path):
    empty = Database(f"sqlite:///{tmp_path}/empty.sqlite3")
    empty.outage.noticed()
    with pytest.raises(Exception, match="config_revision"):
        endurance(empty, "refuse").check()
    schema.upgrade(empty)
    endurance(empty, "refuse").check()
    empty.close()


@pytest.mark.parametrize("policy", ["serve", "refuse"])
def test_books_are_needed_unless_the_operator_says_otherwise(away, policy):
    assert endurance(away, policy).unbooked(make_ask()) is None


def test_unbooked_question_is_asked_of_rates_and_open_questions_alone(away):
    quotas = {"points_per_day": Decimal(1), "questions_per_day": 1}
    ask = make_guest(
        credit_limit=0,
        visitor=VisitorLimits(questions_per_minute=2, points_per_month=Decimal(1), **quotas),
        link=LinkLimits(open_questions=3, points_total=Decimal(1)),
        guests=GuestLimits(open_questions=4, burst=2, **quotas),
    )
    unbooked = endurance(away, "admit").unbooked(ask)
    assert unbooked.is_free
    assert unbooked.visitor == VisitorLimits(questions_per_minute=2)
    assert unbooked.link == LinkLimits(open_questions=3)
    assert unbooked.guests == GuestLimits(open_questions=4, burst=2)
    assert (unbooked.ticket, unbooked.user_id) == (ask.ticket, ask.user_id)
    assert endurance(away, "admit").unbooked(make_ask()).guests is None
