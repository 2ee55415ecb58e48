"""A statement says what was used and charged, newest first, a page at a time."""

from decimal import Decimal

import pytest
from app.audit.journal import Actor
from app.db import Database
from app.funding import changes
from app.funding.changes import Change, Reversal
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post
from app.statements.statement import Statement, load_statement

from books import NANO, make_event, make_link, make_users

ACTOR = Actor("alice", "cli")


@pytest.fixture
def user_id(db: Database, now) -> int:
    """A user who paid 10, asked twice and got the second answer back."""
    with db.begin() as session:
        user_id, link_id = make_users(session, now)[0], make_link(session, now)
    changes.top_up(db, Change(user_id, 10 * NANO, "CNY", "paid", "k"), actor=ACTOR, now=now)
    with db.begin() as session:
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        for key, charge, lines in (
            ("e1", 2 * NANO, (("GPT-5", NANO), ("", 5), ("bge-m3", 0), ("GPT-5", 0))),
            ("e2", 0, ()),
        ):
            event_id = make_event(
                session,
                key=key,
                user_id=user_id,
                link_id=link_id,
                now=now,
                charge=charge,
                lines=lines,
            )
            entry = Entry("charge", -charge, "revenue", key, "finish", event_id=event_id)
            post(session, wallet, entry, now=now)
    changes.reverse(db, Reversal(2, "nonsense", "undo"), actor=ACTOR, now=now)
    return user_id


def test_entries_come_newest_first_with_running_balances(db: Database, user_id):
    statement = load_statement(db, user_id=user_id)
    assert [entry.kind for entry in statement.entries] == [
        "reversal",
        "charge",
        "charge",
        "top_up",
    ]
    assert [entry.balance_after for entry in statement.entries] == [
        10 * NANO,
        8 * NANO,
        8 * NANO,
        10 * NANO,
    ]
    assert (statement.balance, statement.version, statement.currency) == (10 * NANO, 4, "CNY")
    assert statement.next_before is None


def test_charge_says_points_models_link_reference_and_arithmetic(db: Database, user_id):
    charge = load_statement(db, user_id=user_id).as_json()["entries"][2]
    assert charge["amount"] == "-2"
    assert charge["points"] == "1.000000005"
    assert charge["models"] == ["GPT-5", "bge-m3"]
    assert (charge["link"], charge["reference"]) == ("demo", "e1")
    assert charge["arithmetic"] == {"steps": []}
    assert charge["reversed_by"] == 4


def test_every_entry_has_every_key_and_amounts_that_add_up_to_the_balance(db: Database, user_id):
    page = load_statement(db, user_id=user_id).as_json()
    assert len({tuple(entry) for entry in page["entries"]}) == 1
    assert sum(Decimal(entry["amount"]) for entry in page["entries"]) == Decimal(page["balance"])
    top_up = page["entries"][-1]
    assert (top_up["points"], top_up["models"], top_up["reason"]) == ("0", [], "paid")
    assert page["entries"][0]["reverses"] == 2


def test_pages_join_without_gap_or_overlap(db: Database, user_id):
    whole = load_statement(db, user_id=user_id).entries
    pages, before = [], None
    while True:
        page = load_statement(db, user_id=user_id, before=before, limit=3)
        pages += page.entries
        if (before := page.next_before) is None:
            break
    assert pages == list(whole)


def test_user_without_a_wallet_has_an_empty_statement(db: Database):
    assert load_statement(db, user_id=4711) == Statement()
    assert Statement().as_json()["balance"] == "0"
