"""Grants in the books: given, spent, ended once, and proven, on both databases."""

import random
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from app.db import Database
from app.errors import Invalid
from app.funding.grants import GrantEnded, GrantNotFound, GrantUsedUp
from app.ledger import store as ledger_store
from app.ledger import writer
from app.ledger.credit import writer as credit_writer
from app.ledger.credit.models import Grant, GrantCheckpoint
from app.ledger.grants import Closing, expiry_key
from app.ledger.redemptions import Redemption
from app.ledger.transactions import Entry, EntryInvalid, IdempotencyConflict
from app.reports.rollup import follow

from books import NANO
from grants_builders import Purse
from turn_builders import RULES


@pytest.fixture
def purse(db: Database, now) -> Purse:
    return Purse(db, now)


def kinds(purse: Purse) -> list[tuple[str, float]]:
    return [(entry.kind, entry.amount / NANO) for entry in purse.shop.entries()]


def test_credit_is_given_spent_first_and_what_is_left_expires(purse):
    purse.change("top_up", 10)
    purse.grant(5, until=24)
    purse.ask(2, after=1)
    assert purse.left() == [3, 10]
    (moved,) = purse.expire(25)
    assert (moved.balance, moved.version, moved.lapsed) == (10 * NANO, 4, 3 * NANO)
    assert purse.expire(26) == []
    assert kinds(purse) == [("top_up", 10), ("grant", 5), ("charge", -2), ("expiry", -3)]
    expiry = purse.shop.entries()[-1]
    assert expiry.at == purse.at(24) - timedelta(microseconds=1)  # of that day, whenever posted
    assert purse.left() == [10]
    (row,) = purse.rows()
    assert (row.closed_as, row.lapsed, row.remaining) == ("expired", 3 * NANO, 0)
    assert purse.shop.stage.findings() == []


def test_same_key_gives_once_and_another_gift_with_it_is_refused(purse):
    first = purse.grant(5, until=24, key="gift")
    assert purse.grant(5, until=24, key="gift", after=30) == first  # over by now, and yet the same
    with pytest.raises(IdempotencyConflict):
        purse.grant(6, until=24, key="gift")
    with pytest.raises(Invalid, match="over already"):
        purse.grant(5, until=24, after=24)
    with pytest.raises(EntryInvalid, match="are of monthly credit"):
        purse.grant(5, key="monthly:2026-11:1:1")
    assert len(purse.rows()) == 1


def test_what_is_used_up_is_not_taken_back_until_something_comes_back_to_it(purse):
    given = purse.grant(5)
    asked = purse.ask(6)
    with pytest.raises(GrantUsedUp, match="nothing is left"):
        purse.revoke(given, after=1)
    assert purse.rows()[0].closed_at is None
    purse.reverse(asked, after=2)
    assert purse.revoke(given, after=3).lapsed == 5 * NANO
    assert purse.shop.stage.findings() == []


def test_revoking_takes_what_is_left_and_is_done_once(purse):
    given = purse.grant(5, until=24)
    purse.ask(2)
    revoked = purse.revoke(given, after=1)
    assert (revoked.lapsed, revoked.funded.balance) == (3 * NANO, 0)
    again = purse.revoke(given, after=2)
    assert (again.lapsed, again.funded.is_replay) == (3 * NANO, True)
    assert purse.expire(25) == []
    ended = purse.grant(5, until=24)
    with pytest.raises(GrantEnded):
        purse.revoke(ended, after=24)  # over, though no worker has come by
    assert purse.expire(25)[0].lapsed == 5 * NANO
    assert purse.rows()[-1].closed_as == "expired"
    with pytest.raises(GrantEnded):
        purse.revoke(ended, after=26)
    with pytest.raises(GrantNotFound):
        purse.revoke(purse.change("top_up", 1).transaction_id)
    with pytest.raises(EntryInvalid, match="not reversed"):
        purse.reverse(given)
    assert purse.shop.stage.findings() == []


def test_answers_given_back_and_priced_again_go_where_they_came_from(purse):
    cheap = purse.shop.publish(per_point="1")
    dear = purse.shop.publish(per_point="0.5", effective_at=purse.at(500))
    purse.change("top_up", 10)
    purse.grant(5, until=24)
    first = purse.ask(4)
    purse.ask(4)
    assert purse.left() == [0, 7]
    purse.reverse(first, after=1)
    assert purse.left() == [4, 7]
    purse.shop.apply(dear)
    assert cheap != dear
    assert purse.left() == [4, 9]  # 2 of the other 4 come back: paid credit was drawn last
    assert purse.shop.stage.findings() == []
    purse.expire(25)
    assert purse.left() == [9]
    assert purse.shop.stage.findings() == []


def test_expiry_is_done_once_however_many_try_at_the_same_time(purse):
    for user in (0, 1, 2):
        purse.grant(5, until=24, user=user)
    given = purse.grant(1, until=24)
    moved, trouble = [], []

    def attempt(work) -> None:
        try:
            moved.append(work())
        except GrantEnded as ended:
            trouble.append(ended)

    works = [lambda: purse.expire(25)] * 3 + [lambda: purse.revoke(given, after=23)]
    threads = [threading.Thread(target=attempt, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert purse.expire(26) == []
    assert [purse.shop.stage.balance(user)[0] for user in (0, 1, 2)] == [0, 0, 0]
    assert [kind for kind, _ in kinds(purse)].count("expiry") == 2
    assert purse.shop.stage.findings() == []


def test_what_breaks_half_way_has_done_nothing(purse, monkeypatch):
    purse.grant(5, until=24)
    monkeypatch.setattr(credit_writer, "save", lambda *_: 1 / 0)
    for work in (lambda: purse.grant(1), lambda: purse.expire(25)):
        with pytest.raises(ZeroDivisionError):
            work()
    monkeypatch.undo()
    assert purse.left() == [5, 0]
    assert [moved.lapsed for moved in purse.expire(25)] == [5 * NANO]
    assert purse.shop.stage.findings() == []


def test_verify_finds_rows_and_expiries_that_are_not_what_the_chain_says(purse):
    purse.grant(5, until=24)
    purse.grant(5, until=48)
    purse.ask(1)
    with purse.db.begin() as session:
        wallet = writer.lock_wallet(session, purse.id(), currency="CNY", now=purse.now)
        closing = Closing(1, "expired")
        entry = Entry(
            "expiry",
            -5 * NANO,
            "breakage",
            expiry_key(purse.id(), 1),
            "x",
            "early",
            details=closing.details(),
        )
        writer.post(session, wallet, entry, now=purse.now)
    assert sorted(purse.shop.stage.findings()) == ["expiry_differs"] * 2 + ["grant_differs"]
    with purse.db.begin() as session:
        session.execute(sa.update(Grant).values(remaining=3 * NANO))
        session.execute(sa.update(GrantCheckpoint).values(balance=1))
    assert sorted(purse.shop.stage.findings()) == ["expiry_differs"] * 2 + ["grant_differs"] * 3


def test_reports_count_what_was_granted_and_what_expired(purse):
    purse.change("top_up", 10)
    purse.grant(5, until=24)
    purse.ask(2)
    purse.expire(25)
    with purse.db.begin() as session:
        wallet = writer.lock_wallet(session, purse.id(), currency="CNY", now=purse.now)
        code = Entry(
            "redemption",
            NANO,
            "redemptions",
            "redeem:1",
            "x",
            "card",
            details=Redemption(1, 1).details(),
        )
        writer.post(session, wallet, code, now=purse.now)
    with purse.db.begin() as session:
        while not follow.advance(session, zone=RULES.zone, now=purse.now).is_done:
            pass
        rows = session.execute(sa.text("SELECT kind, amount FROM usage_corrections"))
        sums = {kind: amount / NANO for kind, amount in rows}
        charged = session.scalar(sa.text("SELECT sum(charge) FROM usage_by_user WHERE width = 1"))
        wallet = ledger_store.find_account(session, purse.id())
    assert sums == {"topped_up": 10, "granted": 5, "expired": -3, "redeemed": 1}
    assert wallet.balance / NANO == sum(sums.values()) - int(charged) / NANO


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_in_whatever_order_the_books_can_prove_it(purse, seed):
    # At every step: balance = paid + what is left of grants, both ways to derive it agree
    # (Purse.credit), and each grant's drawn + lapsed + left is its amount.
    dice = random.Random(seed)
    purse.shop.publish(per_point="1")
    dear = purse.shop.publish(per_point="2", effective_at=purse.at(500))
    purse.grant(3, until=12)
    asked: list[int] = []
    for hour in range(12):
        what = dice.choice(["ask", "ask", "ask", "grant", "reverse", "money", "revoke", "expire"])
        if what == "ask":
            asked.append(purse.ask(dice.randint(1, 6), after=hour - dice.choice([0, 0, 3])))
        elif what == "grant":
            until = dice.choice([None, hour + 1, hour + 5])
            purse.grant(dice.randint(1, 9), until, after=hour, priority=dice.randint(0, 3))
        elif what == "reverse" and asked:
            purse.reverse(asked.pop(dice.randrange(len(asked))), after=hour)
        elif what == "money":
            purse.change("adjust", dice.choice([-4, 5]), after=hour)
        elif what == "revoke":
            held = purse.credit().open
            left = {number for number, one in held.items() if one.remaining}
            for row in [row for row in purse.rows() if row.sequence in left][:1]:
                purse.revoke(row.transaction_id, after=hour)
        else:
            purse.expire(hour)
        credit = purse.credit()
        assert credit.paid + credit.granted == credit.balance == purse.shop.stage.balance()[0]
        for row in purse.rows():
            held = credit.open.get(row.sequence)
            assert 0 <= row.lapsed + (held.remaining if held else 0) <= row.amount
    purse.shop.apply(dear)
    purse.expire(100)
    assert all(row.closed_at or row.expires_at is None for row in purse.rows())
    purse.credit()
    assert purse.shop.stage.findings() == []
