"""Posting: idempotent, gapless, one wallet at a time, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from app.db import Database
from app.errors import NotFound
from app.ledger import store
from app.ledger.chain import GENESIS
from app.ledger.models import Account, Posting, Transaction
from app.ledger.transactions import (
    AlreadyReversed,
    Entry,
    EntryInvalid,
    IdempotencyConflict,
    Side,
)
from app.ledger.writer import (
    Booking,
    CurrencyChanged,
    Posted,
    ensure_wallet,
    lock_wallet,
    lock_wallets,
    post,
    post_many,
)
from sqlalchemy import event as sa_event
from sqlalchemy.orm.exc import StaleDataError

from books import make_event, make_link, make_users


@pytest.fixture
def user_id(db: Database, now) -> int:
    with db.begin() as session:
        return make_users(session, now)[0]


def top_up(amount: int = 100, key: str = "top-up-1", **changes) -> Entry:
    values = {
        "kind": "top_up",
        "amount": amount,
        "counter_account": "funding",
        "idempotency_key": key,
        "actor": "operator",
        "reason": "paid",
    }
    return Entry(**(values | changes))


def post_one(db: Database, user_id: int, entry: Entry, now) -> Posted:
    with db.begin() as session:
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        return post(session, wallet, entry, now=now)


def balance(db: Database, user_id: int) -> tuple[int, int]:
    with db.read() as session:
        account = store.find_account(session, user_id)
        return account.balance, account.version


def test_new_wallet_is_empty_and_at_the_start_of_its_chain(db: Database, user_id, now):
    with db.begin() as session:
        wallet = ensure_wallet(session, user_id, currency="CNY", now=now)
        again = ensure_wallet(session, user_id, currency="CNY", now=now)
        assert again.id == wallet.id
    assert (wallet.balance, wallet.version, wallet.head_hash) == (0, 0, GENESIS)


def test_wallet_of_nobody_is_not_made(db: Database, now):
    with pytest.raises(NotFound, match="user"), db.begin() as session:
        lock_wallet(session, 4711, currency="CNY", now=now)


def test_wallet_in_another_currency_is_refused(db: Database, user_id, now):
    post_one(db, user_id, top_up(), now)
    with pytest.raises(CurrencyChanged, match="CNY"), db.begin() as session:
        lock_wallet(session, user_id, currency="USD", now=now)


def test_new_wallet_beside_a_house_in_another_currency_is_refused(db: Database, now):
    with db.begin() as session:
        first, second = make_users(session, now, 2)
        ensure_wallet(session, first, currency="CNY", now=now)
    with pytest.raises(CurrencyChanged, match="is in CNY"), db.begin() as session:
        ensure_wallet(session, second, currency="USD", now=now)


def test_post_moves_the_wallet_and_writes_both_sides(db: Database, user_id, now):
    posted = post_one(db, user_id, top_up(100), now)
    assert not posted.is_replay
    assert balance(db, user_id) == (100, 1)
    with db.read() as session:
        sides = store.load_sides(session, [posted.transaction.id])[posted.transaction.id]
        account = store.find_account(session, user_id)
        assert account.head_hash == posted.transaction.hash
    assert sides == (Side(f"wallet:{user_id}", 100), Side("funding", -100))


def test_charge_of_zero_still_makes_a_transaction_with_two_postings(db: Database, user_id, now):
    with db.begin() as session:
        link_id = make_link(session, now)
        event_id = make_event(session, key="e1", user_id=user_id, link_id=link_id, now=now)
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        entry = Entry("charge", 0, "revenue", "e1", "finish", event_id=event_id)
        posted = post(session, wallet, entry, now=now)
    with db.read() as session:
        assert len(store.load_sides(session, [posted.transaction.id])[posted.transaction.id]) == 2
    assert balance(db, user_id) == (0, 1)


def test_same_key_and_input_changes_nothing_and_returns_the_first(db: Database, user_id, now):
    first = post_one(db, user_id, top_up(), now)
    again = post_one(db, user_id, top_up(actor="somebody else"), now)
    assert again.is_replay
    assert again.transaction.id == first.transaction.id
    assert balance(db, user_id) == (100, 1)


@pytest.mark.parametrize("changes", [{"amount": 101}, {"reason": "other"}, {"details": {"a": 1}}])
def test_same_key_with_other_input_is_a_conflict(db: Database, user_id, now, changes):
    post_one(db, user_id, top_up(), now)
    with pytest.raises(IdempotencyConflict, match="another key"):
        post_one(db, user_id, top_up(**changes), now)
    assert balance(db, user_id) == (100, 1)


def test_same_key_on_another_wallet_is_a_conflict(db: Database, now):
    with db.begin() as session:
        first, second = make_users(session, now, 2)
    post_one(db, first, top_up(), now)
    with pytest.raises(IdempotencyConflict):
        post_one(db, second, top_up(), now)


def reversal_of(transaction: Transaction, key: str = "undo", **changes) -> Entry:
    values = {
        "kind": "reversal",
        "amount": -transaction.amount,
        "counter_account": "funding",
        "idempotency_key": key,
        "reverses_id": transaction.id,
        "reason": "mistake",
        "actor": "operator",
    }
    return Entry(**(values | changes))


def test_reversal_is_the_exact_opposite_and_happens_once(db: Database, user_id, now):
    first = post_one(db, user_id, top_up(), now).transaction
    assert not post_one(db, user_id, reversal_of(first), now).is_replay
    assert post_one(db, user_id, reversal_of(first), now).is_replay
    with pytest.raises(AlreadyReversed):
        post_one(db, user_id, reversal_of(first, key="undo again"), now)
    assert balance(db, user_id) == (0, 2)


def test_reversal_of_a_reversal_is_refused(db: Database, user_id, now):
    first = post_one(db, user_id, top_up(), now).transaction
    undo = post_one(db, user_id, reversal_of(first), now).transaction
    with pytest.raises(EntryInvalid, match="cannot be reversed"):
        post_one(db, user_id, reversal_of(undo, key="redo"), now)


@pytest.mark.parametrize("changes", [{"amount": -99}, {"counter_account": "revenue"}])
def test_reversal_that_is_not_the_opposite_is_refused(db: Database, user_id, now, changes):
    first = post_one(db, user_id, top_up(), now).transaction
    with pytest.raises(EntryInvalid, match="exact opposite"):
        post_one(db, user_id, reversal_of(first, **changes), now)


def test_reversal_on_another_wallet_is_refused(db: Database, now):
    with db.begin() as session:
        first, second = make_users(session, now, 2)
    transaction = post_one(db, first, top_up(), now).transaction
    with pytest.raises(EntryInvalid, match="not one of"):
        post_one(db, second, reversal_of(transaction), now)


def test_reversal_of_nothing_is_not_found(db: Database, user_id, now):
    with pytest.raises(NotFound, match="no transaction 99"):
        post_one(db, user_id, reversal_of(Transaction(id=99, amount=1)), now)


def test_balance_never_leaves_what_the_ledger_can_hold(db: Database, user_id, now):
    post_one(db, user_id, top_up(2**63 - 1), now)
    with pytest.raises(EntryInvalid, match="more than the ledger"):
        post_one(db, user_id, top_up(1, key="more"), now)


def test_post_without_the_lock_fails_instead_of_losing_a_change(db: Database, user_id, now):
    with db.begin() as session:
        stale = lock_wallet(session, user_id, currency="CNY", now=now)
    post_one(db, user_id, top_up(), now)
    with pytest.raises((StaleDataError, sa.exc.IntegrityError)):
        db.run(lambda session: post(_attach(session, stale), stale, top_up(key="two"), now=now))
    assert balance(db, user_id) == (100, 1)


def _attach(session, wallet: Account):
    session.add(wallet)
    return session


def test_several_posts_to_one_wallet_in_one_transaction_follow_each_other(
    db: Database, user_id, now
):
    with db.begin() as session:
        for number in range(3):
            wallet = lock_wallet(session, user_id, currency="CNY", now=now)
            post(session, wallet, top_up(10, key=f"k{number}"), now=now)
    assert balance(db, user_id) == (30, 3)


def test_post_that_is_rolled_back_leaves_nothing(db: Database, user_id, now):
    def fail() -> None:
        with db.begin() as session:
            wallet = lock_wallet(session, user_id, currency="CNY", now=now)
            post(session, wallet, top_up(), now=now)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Posting)) == 0


def test_lock_costs_one_statement_and_post_three(db: Database, user_id, now):
    post_one(db, user_id, top_up(), now)
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        statements.append(statement)

    with db.begin() as session:
        session.connection()
        sa_event.listen(db.engine, "before_cursor_execute", note)
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        assert len(statements) == 1
        post(session, wallet, top_up(key="two"), now=now)
    sa_event.remove(db.engine, "before_cursor_execute", note)
    assert [s.split()[0] for s in statements] == ["SELECT", "INSERT", "INSERT", "UPDATE"]


def test_post_against_an_account_that_was_removed_leaves_nothing(db: Database, user_id, now):
    post_one(db, user_id, top_up(), now)
    with db.begin() as session:
        if db.dialect == "postgresql":
            session.execute(sa.text("SET LOCAL session_replication_role = replica"))
        else:
            session.execute(sa.text("DROP TRIGGER ledger_accounts_no_update"))
        session.execute(sa.text("UPDATE ledger_accounts SET name = 'x' WHERE name = 'funding'"))
    with pytest.raises(RuntimeError, match="funding is missing"):
        post_one(db, user_id, top_up(key="two"), now)
    assert balance(db, user_id) == (100, 1)


def race(db: Database, count: int, work) -> list:
    """``work(number)`` in that many threads, begun together; what they returned."""
    barrier = threading.Barrier(count)

    def run(number: int):
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_fifty_posts_with_one_key_make_one_transaction(db: Database, user_id, now):
    with db.begin() as session:
        link_id = make_link(session, now)
        event_id = make_event(session, key="e", user_id=user_id, link_id=link_id, now=now, charge=7)
    entry = Entry("charge", -7, "revenue", "e:1", "finish", event_id=event_id)
    results = race(db, 50, lambda _: db.run(lambda s: _post(s, user_id, entry, now)))
    assert [result.is_replay for result in results].count(False) == 1
    assert len({result.transaction.id for result in results}) == 1
    assert balance(db, user_id) == (-7, 1)


def test_fifty_posts_with_fifty_keys_all_count_without_a_gap(db: Database, user_id, now):
    race(db, 50, lambda n: db.run(lambda s: _post(s, user_id, top_up(n + 1, key=f"k{n}"), now)))
    assert balance(db, user_id) == (sum(range(1, 51)), 50)
    with db.read() as session:
        sequences = session.scalars(sa.select(Transaction.sequence).order_by(Transaction.sequence))
        assert list(sequences) == list(range(1, 51))


def test_wallets_locked_in_opposite_orders_do_not_deadlock(db: Database, now):
    with db.begin() as session:
        users = make_users(session, now, 4)

    def work(number: int) -> None:
        order = users if number % 2 else users[::-1]
        with db.begin() as session:
            wallets = lock_wallets(session, order, currency="CNY", now=now)
            for user_id in order:
                post(session, wallets[user_id], top_up(1, key=f"{number}-{user_id}"), now=now)

    race(db, 8, work)
    with db.read() as session:
        assert {a.balance for a in session.scalars(sa.select(Account)) if a.user_id} == {8}


def test_first_sight_of_a_wallet_by_many_makes_one(db: Database, user_id, now):
    def see(_number: int) -> int:
        with db.begin() as session:
            return lock_wallet(session, user_id, currency="CNY", now=now).id

    assert len(set(race(db, 20, see))) == 1


def _post(session, user_id: int, entry: Entry, now) -> Posted:
    wallet = lock_wallet(session, user_id, currency="CNY", now=now)
    return post(session, wallet, entry, now=now)


def make_bookings(session, now, wallets, keys: str) -> list[Booking]:
    link_id = make_link(session, now)
    return [
        Booking(
            wallet,
            Entry(
                "charge",
                -10,
                "revenue",
                key,
                "finish",
                event_id=make_event(
                    session, key=key, user_id=wallet.user_id, link_id=link_id, now=now, charge=10
                ),
            ),
            now,
        )
        for key, wallet in zip(keys, wallets, strict=True)
    ]


def test_many_charges_chain_by_wallet_in_their_order(db: Database, now):
    with db.begin() as session:
        one, two = make_users(session, now, 2)
        wallets = lock_wallets(session, [one, two], currency="CNY", now=now)
        mixed = [wallets[user] for user in (two, one, two, two)]
        posted = post_many(session, make_bookings(session, now, mixed, "abcd"))
    assert [row.idempotency_key for row in posted] == ["a", "b", "c", "d"]
    assert [(row.sequence, row.balance_after) for row in posted] == [
        (1, -10),
        (1, -10),
        (2, -20),
        (3, -30),
    ]
    assert posted[2].previous_hash == posted[0].hash
    assert (balance(db, one), balance(db, two)) == ((-10, 1), (-30, 3))


def test_many_charges_with_a_key_that_is_taken_are_refused_together(db: Database, user_id, now):
    post_one(db, user_id, top_up(key="b"), now)

    def post_three(session) -> None:
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        post_many(session, make_bookings(session, now, [wallet] * 3, "abc"))

    with pytest.raises(IdempotencyConflict, match="'b'"):
        db.run(post_three)
    assert balance(db, user_id) == (100, 1)
