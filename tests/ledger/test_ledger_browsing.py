"""Lists and sums of the ledger for people who look, on both databases."""

from datetime import timedelta

import pytest
from app.audit import store as audit_store
from app.audit.journal import Actor
from app.db import Database
from app.funding import changes
from app.funding.changes import Change
from app.ledger.browsing import store
from app.ledger.browsing.store import TransactionNotFound, Wanted
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post
from app.unfinished import store as unfinished_store
from app.users import store as user_store
from app.users.store import Wanted as WantedUsers

from books import NANO, make_event, make_link, make_users

ACTOR = Actor("alice", "cli")
DAY = timedelta(days=1)


@pytest.fixture
def user_ids(db: Database, now) -> list[int]:
    """The first paid 10 yesterday and asked for 2 today; the second was given 3."""
    with db.begin() as session:
        first, second, third = make_users(session, now, count=3)
        link_id = make_link(session, now)
    yesterday = now - DAY
    paid = Change(first, 10 * NANO, "CNY", "paid", "k1")
    changes.top_up(db, paid, actor=ACTOR, now=yesterday)
    given = Change(second, 3 * NANO, "CNY", "given", "k2")
    changes.adjust(db, given, actor=Actor("bob", "cli"), now=now)
    with db.begin() as session:
        event_id = make_event(
            session, key="e1", user_id=first, link_id=link_id, now=now, charge=2 * NANO
        )
        wallet = lock_wallet(session, first, currency="CNY", now=now)
        entry = Entry("charge", -2 * NANO, "revenue", "finish:e1", "fastgpt", event_id=event_id)
        post(session, wallet, entry, now=now)
    return [first, second, third]


def listed(session, *, before=None, limit=10, **wanted):
    rows = store.list_transactions(session, Wanted(**wanted), before=before, limit=limit)
    return [(row.transaction.kind, row.user_id) for row in rows]


def test_transactions_are_filtered_and_come_page_by_page(db: Database, user_ids, now):
    first, second, _ = user_ids
    charge, given, paid = ("charge", first), ("adjustment", second), ("top_up", first)
    with db.read() as session:
        assert listed(session) == [charge, given, paid]
        newest = store.list_transactions(session, Wanted(), before=None, limit=1)[0].transaction
        place = (newest.posted_at, newest.id)
        assert listed(session, before=place) == [given, paid]
        assert listed(session, kind="top_up") == [paid]
        assert listed(session, kind="charge", since=now) == [charge]
        assert listed(session, until=now) == [paid]
        assert listed(session, actor="bob") == [given]
        assert listed(session, actor="fastgpt") == [charge]
        assert listed(session, idempotency_key="k2") == [given]
        assert store.get_transaction(session, newest.id).user_id == first
        with pytest.raises(TransactionNotFound):
            store.get_transaction(session, 2**70)


def test_balances_are_those_of_all_postings(db: Database, user_ids):
    with db.read() as session:
        assert store.balances(session) == {
            "wallets": 11 * NANO,
            "revenue": 2 * NANO,
            "funding": -10 * NANO,
            "redemptions": 0,
            "promotions": 0,
            "breakage": 0,
            "adjustments": -3 * NANO,
        }
        assert store.count_wallets(session) == 2
        wallets = store.load_wallets(session, user_ids)
        assert [wallets[one].balance // NANO for one in user_ids[:2]] == [8, 3]
        lowest = store.list_wallets(session, order="lowest", after=None, limit=5)
        assert [row.balance // NANO for row in lowest] == [3, 8]
        after = (lowest[0].balance, lowest[0].id)
        for order, left in (("lowest", [8]), ("highest", []), ("oldest", [])):
            found = store.list_wallets(session, order=order, after=after, limit=5)
            assert [row.balance // NANO for row in found] == left, order


@pytest.mark.parametrize(
    ("order", "places"),
    [
        ("newest", [2, 1, 0]),
        ("oldest", [0, 1, 2]),
        ("name", [0, 1, 2]),
        ("lowest", [2, 1, 0]),
        ("highest", [0, 1, 2]),
    ],
)
def test_users_come_in_any_order_page_by_page(db: Database, user_ids, order, places):
    balances = {user_ids[0]: 8 * NANO, user_ids[1]: 3 * NANO, user_ids[2]: 0}
    seen, after = [], None
    with db.read() as session:
        while rows := user_store.search(session, WantedUsers(), order=order, after=after, limit=1):
            seen.append(rows[0].user.id)
            after = (balances[seen[-1]], seen[-1])
    assert seen == [user_ids[place] for place in places]


def test_users_are_searched_and_what_is_about_them_is_listed(db: Database, user_ids):
    first, second, third = user_ids
    with db.read() as session:

        def found(**wanted):
            rows = user_store.search(session, WantedUsers(**wanted))
            return [row.user.id for row in rows]

        assert found() == [third, second, first]
        assert found(text="SON-1") == [second]
        assert found(text="u_2") == [third]
        assert found(text="%") == []
        assert found(subject="person-0", issuer="portal", status="active") == [first]
        assert found(status="erased") == []
        assert found(plan=(1, frozenset())) == []
        issuer_id = user_store.get(session, first).issuer_id
        assert found(plan=(1, frozenset({issuer_id}))) == [third, second, first]
        assert len(user_store.search(session, WantedUsers(), after=(0, second))) == 1
        assert user_store.load_subjects(session, [second]) == {second: "person-1"}
        about = audit_store.list_about(session, [("wallet", str(first)), ("user", str(first))])
        assert [row.action for row in about] == ["wallets.top_up"]
        assert unfinished_store.list_of_user(session, first, before_id=None, limit=5) == []
