"""Operators' changes: one ledger transaction and one audit row each, however often they ask."""

import dataclasses

import pytest
import sqlalchemy as sa
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.db import Database, DatabaseAway
from app.errors import NotFound
from app.funding import changes
from app.funding.changes import BalanceWouldBeNegative, Change, Reversal
from app.ledger import store
from app.ledger.transactions import (
    AlreadyReversed,
    Entry,
    EntryInvalid,
    IdempotencyConflict,
    Side,
)
from app.ledger.writer import lock_wallet, post

from books import make_event, make_link, make_users

ACTOR = Actor("alice", "cli")


@pytest.fixture
def user_id(db: Database, now) -> int:
    with db.begin() as session:
        return make_users(session, now)[0]


def change(user_id: int, amount: int = 100, key: str = "k1", **more) -> Change:
    return Change(user_id, amount, "CNY", more.pop("reason", "paid"), key, **more)


def audit_rows(db: Database) -> list[AuditEntry]:
    with db.read() as session:
        return list(session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)))


def sides(db: Database, transaction_id: int) -> tuple[Side, ...]:
    with db.read() as session:
        return store.load_sides(session, [transaction_id])[transaction_id]


@pytest.mark.parametrize(
    ("verb", "counter"), [("top_up", "funding"), ("refund", "revenue"), ("adjust", "adjustments")]
)
def test_each_change_is_posted_against_its_own_account(db: Database, user_id, now, verb, counter):
    done = getattr(changes, verb)(db, change(user_id), actor=ACTOR, now=now)
    assert (done.user_id, done.balance, done.version, done.is_replay) == (user_id, 100, 1, False)
    assert sides(db, done.transaction_id) == (
        Side(f"wallet:{user_id}", 100),
        Side(counter, -100),
    )


def test_change_is_audited_once_with_who_why_and_both_balances(db: Database, user_id, now):
    done = changes.top_up(db, change(user_id, 2_500_000_000), actor=ACTOR, now=now)
    changes.top_up(db, change(user_id, 2_500_000_000), actor=ACTOR, now=now)
    (row,) = audit_rows(db)
    assert (row.action, row.actor, row.reason) == ("wallets.top_up", "alice", "paid")
    assert (row.object_type, row.object_id) == ("wallet", str(user_id))
    assert row.before == {"balance": "0"}
    assert row.after == {"balance": "2.5", "transaction": done.transaction_id}


def test_asking_again_returns_the_first_answer_with_the_balance_of_now(db: Database, user_id, now):
    first = changes.top_up(db, change(user_id), actor=ACTOR, now=now)
    changes.top_up(db, change(user_id, 5, key="k2"), actor=ACTOR, now=now)
    again = changes.top_up(db, change(user_id), actor=ACTOR, now=now)
    assert again == dataclasses.replace(first, balance=105, version=2, is_replay=True)


def test_same_key_for_another_change_is_a_conflict(db: Database, user_id, now):
    changes.top_up(db, change(user_id), actor=ACTOR, now=now)
    with pytest.raises(IdempotencyConflict):
        changes.refund(db, change(user_id), actor=ACTOR, now=now)


@pytest.mark.parametrize("reason", ["", "   "])
def test_change_without_a_reason_is_refused(db: Database, user_id, now, reason):
    with pytest.raises(EntryInvalid, match="reason"):
        changes.top_up(db, change(user_id, reason=reason), actor=ACTOR, now=now)


@pytest.mark.parametrize("verb", ["top_up", "refund"])
@pytest.mark.parametrize("amount", [0, -1])
def test_top_up_and_refund_are_greater_than_zero(db: Database, user_id, now, verb, amount):
    with pytest.raises(EntryInvalid, match="greater than zero"):
        getattr(changes, verb)(db, change(user_id, amount), actor=ACTOR, now=now)


def test_change_of_nobodys_wallet_is_not_found_and_leaves_nothing(db: Database, now):
    with pytest.raises(NotFound, match="user"):
        changes.top_up(db, change(4711), actor=ACTOR, now=now)
    assert audit_rows(db) == []


def test_adjustment_below_zero_needs_leave(db: Database, user_id, now):
    changes.top_up(db, change(user_id, 100), actor=ACTOR, now=now)
    with pytest.raises(BalanceWouldBeNegative, match="allow-negative"):
        changes.adjust(db, change(user_id, -101, key="k2"), actor=ACTOR, now=now)
    to_zero = changes.adjust(db, change(user_id, -100, key="k3"), actor=ACTOR, now=now)
    below = changes.adjust(
        db, change(user_id, -1, key="k4", allow_negative=True), actor=ACTOR, now=now
    )
    assert (to_zero.balance, below.balance) == (0, -1)


def test_adjustment_that_raises_a_negative_balance_needs_no_leave(db: Database, user_id, now):
    changes.adjust(db, change(user_id, -10, allow_negative=True), actor=ACTOR, now=now)
    assert changes.adjust(db, change(user_id, 4, key="k2"), actor=ACTOR, now=now).balance == -6


def test_withdrawal_asked_again_is_not_judged_again(db: Database, user_id, now):
    changes.top_up(db, change(user_id, 100), actor=ACTOR, now=now)
    changes.adjust(db, change(user_id, -100, key="k2"), actor=ACTOR, now=now)
    assert changes.adjust(db, change(user_id, -100, key="k2"), actor=ACTOR, now=now).is_replay


def test_reversal_undoes_a_charge_on_the_same_accounts(db: Database, user_id, now):
    with db.begin() as session:
        link_id = make_link(session, now)
        event_id = make_event(session, key="e", user_id=user_id, link_id=link_id, now=now, charge=7)
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        entry = Entry("charge", -7, "revenue", "e", "finish", event_id=event_id)
        charge = post(session, wallet, entry, now=now).transaction
    undo = Reversal(charge.id, "answered nonsense", "undo-1")
    done = changes.reverse(db, undo, actor=ACTOR, now=now)
    assert (done.user_id, done.balance, done.version) == (user_id, 0, 2)
    assert sides(db, done.transaction_id) == (Side(f"wallet:{user_id}", 7), Side("revenue", -7))
    assert changes.reverse(db, undo, actor=ACTOR, now=now).is_replay
    assert [row.action for row in audit_rows(db)] == ["wallets.reverse"]
    with pytest.raises(AlreadyReversed):
        changes.reverse(db, Reversal(charge.id, "again", "undo-2"), actor=ACTOR, now=now)


def test_reversal_of_spent_money_needs_leave(db: Database, user_id, now):
    paid = changes.top_up(db, change(user_id, 100), actor=ACTOR, now=now)
    changes.adjust(db, change(user_id, -60, key="k2"), actor=ACTOR, now=now)
    undo = Reversal(paid.transaction_id, "bounced", "undo")
    with pytest.raises(BalanceWouldBeNegative):
        changes.reverse(db, undo, actor=ACTOR, now=now)
    allowed = dataclasses.replace(undo, allow_negative=True)
    assert changes.reverse(db, allowed, actor=ACTOR, now=now).balance == -60


def test_reversal_of_nothing_is_not_found(db: Database, now):
    with pytest.raises(NotFound, match="no transaction 99"):
        changes.reverse(db, Reversal(99, "x", "k"), actor=ACTOR, now=now)


def test_lost_answer_to_a_commit_is_recognised_by_its_key(db: Database, user_id, now):
    def lose_answer(_session) -> None:
        raise DatabaseAway("the connection broke after the commit")

    sa.event.listen(sa.orm.Session, "after_commit", lose_answer)
    try:
        with pytest.raises(DatabaseAway):
            changes.top_up(db, change(user_id), actor=ACTOR, now=now)
    finally:
        sa.event.remove(sa.orm.Session, "after_commit", lose_answer)
    again = changes.top_up(db, change(user_id), actor=ACTOR, now=now)
    assert again.is_replay
    assert again.balance == 100


def test_a_second_reversal_says_so_whatever_the_balance(db: Database, user_id, now):
    topped = changes.top_up(db, change(user_id), actor=ACTOR, now=now)
    first = Reversal(topped.transaction_id, "wrong person", "r1")
    changes.reverse(db, first, actor=ACTOR, now=now)
    with pytest.raises(AlreadyReversed):
        changes.reverse(db, dataclasses.replace(first, idempotency_key="r2"), actor=ACTOR, now=now)
