"""A re-rating fits its event and what came before it, or is found."""

import subprocess
import sys

import pytest
from app.audit.journal import Actor
from app.db import Database
from app.funding import changes
from app.funding.changes import Reversal
from app.ledger import reratings
from app.ledger.reratings import Price, Rerating
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post
from app.statements import proof, verification

from books import NANO
from rerating_builders import Shop
from statements.test_statements_verification import corrupt
from turn_builders import RULES

ACTOR = Actor("alice", "cli")


@pytest.fixture
def shop(db: Database, now) -> Shop:
    """An answer that cost 4, was priced again at 2, at 3 (undone since) and at 1, all free of 1."""
    shop = Shop(db, now)
    for price in ("2", "1.5", "2", "1"):
        shop.publish(per_point=price, monthly_allowance="0" if price == "2" else "1")
    shop.answer(1, points=2)
    for target in (2, 3):
        shop.apply(target)
    undone = Reversal(shop.entries()[-1].transaction, "a mistake", "undo", allow_negative=True)
    changes.reverse(db, undone, actor=ACTOR, now=now)
    shop.apply(4)
    return shop


def post_rerating(shop: Shop, rerating: Rerating, *, user: int = 0, ordinal: int = 9) -> None:
    """As only a faulty program would."""
    entry = Entry(
        "adjustment",
        rerating.amount,
        "adjustments",
        reratings.key(rerating.reference, ordinal),
        "alice",
        "why",
        details=rerating.details(),
    )
    with shop.db.begin() as session:
        user_id = shop.stage.user_ids[user]
        wallet = lock_wallet(session, user_id, currency="CNY", now=shop.now)
        post(session, wallet, entry, now=shop.now)


def test_reratings_and_their_reversals_are_right(shop):
    assert [entry.kind for entry in shop.entries()] == [
        "charge",
        "adjustment",
        "adjustment",
        "reversal",
        "adjustment",
    ]
    assert shop.balance() == -1
    assert shop.stage.findings() == []


def test_a_proof_of_them_holds(shop, tmp_path):
    written = proof.export(shop.db, tmp_path / "proof", software="test", now=shop.now)
    checker = [sys.executable, str(written.place / proof.CHECKER), str(written.place)]
    assert subprocess.run(checker, capture_output=True, check=True).stdout.startswith(b"ok")


def test_an_event_that_is_gone_is_named(shop):
    corrupt(shop.db, "UPDATE usage_events SET reference = 'gone'")
    assert set(shop.stage.findings()) == {"rerating_without_event"}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE usage_events SET charge = charge + 1", "rerating_differs"),
        ('UPDATE usage_events SET arithmetic = \'{"allowance_taken": "1"}\'', "rerating_differs"),
        ("UPDATE usage_events SET price_version_id = 2", "rerating_differs"),
        ("UPDATE ledger_transactions SET amount = amount + 1 WHERE id = 2", "rule_broken"),
        ("UPDATE ledger_transactions SET details = '{}' WHERE id = 2", "rule_broken"),
        (
            "UPDATE ledger_transactions SET details = '{\"rerating\": {}}' WHERE id = 2",
            "rule_broken",
        ),
    ],
)
def test_what_was_changed_behind_it_is_found(shop, statement, code):
    corrupt(shop.db, statement)
    assert code in shop.stage.findings()


NOW = Price(4, NANO, NANO)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Price(4, NANO + 1, NANO), Price(1, NANO, 0)),
        (Price(4, NANO, 0), Price(1, NANO, 0)),
        (Price(2, NANO, NANO), Price(1, NANO, 0)),
        (NOW, Price(99, NANO, 0)),
        (NOW, Price(1, -1, 0)),
        (NOW, Price(1, 0, -1)),
    ],
)
def test_what_never_was_so_is_found(shop, before, after):
    post_rerating(shop, Rerating("answer-1", "run", "2026-11", before, after), ordinal=4)
    assert shop.stage.findings() == ["rerating_differs"]


def test_on_the_wallet_of_another_it_is_found(shop):
    said = Rerating("answer-1", "run", "2026-11", Price(1, 4 * NANO, 0), Price(2, NANO, NANO))
    post_rerating(shop, said, user=1)
    assert shop.stage.findings() == ["rerating_differs"]


def test_since_looks_at_those_posted_from_then_on(shop):
    corrupt(shop.db, "UPDATE usage_events SET charge = charge + 1")
    later = shop.now.replace(hour=23)
    found = verification.verify(shop.db, zone=RULES.zone, since=later).findings
    assert [one.code for one in found] == []
    found = verification.verify(shop.db, zone=RULES.zone, since=shop.now).findings
    assert "rerating_differs" in [one.code for one in found]
