"""The whole books: right whatever happens, and every corrupted row is found and named."""

import tempfile
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app.audit.journal import Actor
from app.db import Database
from app.funding import changes
from app.funding.changes import BalanceWouldBeNegative, Change, Reversal
from app.ledger import verify as ledger_verify
from app.ledger.models import Account
from app.ledger.transactions import AlreadyReversed, Entry, EntryInvalid
from app.ledger.writer import lock_wallet, post
from app.metering.models import UsageDay
from app.statements import verification
from app.upserts import upsert_adding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from books import NANO, make_event, make_link, make_users
from moments import NOW

ZONE = ZoneInfo("Asia/Shanghai")
ACTOR = Actor("alice", "cli")


def answer(db: Database, *, key: str, user_id: int, link_id: int, now, charge: int) -> None:
    """One finish, as the service books it."""
    with db.begin() as session:
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        lines = (("GPT-5", charge), ("", 3))
        event_id = make_event(
            session,
            key=key,
            user_id=user_id,
            link_id=link_id,
            now=now,
            charge=charge,
            lines=lines,
        )
        upsert_adding(
            UsageDay,
            session,
            [
                {
                    "user_id": user_id,
                    "day": now.astimezone(ZONE).date(),
                    "link_id": link_id,
                    "is_guest": False,
                    "questions": 1,
                    "points": charge + 3,
                    "charge": charge,
                    "input_tokens": 10,
                    "output_tokens": 5,
                }
            ],
            key=["user_id", "day", "link_id"],
            add=["questions", "points", "charge", "input_tokens", "output_tokens"],
        )
        entry = Entry("charge", -charge, "revenue", key, "finish", event_id=event_id)
        post(session, wallet, entry, now=now)


@pytest.fixture
def books(db: Database, now) -> Database:
    """Two users on two links, paid, charged, refunded and reversed, over two days."""
    with db.begin() as session:
        first, second = make_users(session, now, 2)
        links = [make_link(session, now, name) for name in ("a", "b")]
    for user_id in (first, second):
        paid = Change(user_id, 10 * NANO, "CNY", "paid", f"paid-{user_id}")
        changes.top_up(db, paid, actor=ACTOR, now=now)
    for number in range(6):
        answer(
            db,
            key=f"e{number}",
            user_id=(first, second)[number % 2],
            link_id=links[number % 3 == 0],
            now=now + timedelta(hours=7 * number),
            charge=number * 100,
        )
    changes.refund(db, Change(first, 5, "CNY", "sorry", "r1"), actor=ACTOR, now=now)
    changes.reverse(db, Reversal(2, "bounced", "undo", allow_negative=True), actor=ACTOR, now=now)
    return db


def codes(db: Database, **options) -> list[str]:
    return [finding.code for finding in verification.verify(db, zone=ZONE, **options).findings]


def corrupt(db: Database, statement: str) -> None:
    """Change rows as somebody could who owns the database."""
    with db.begin() as session:
        connection = session.connection()
        if db.dialect == "sqlite":
            names = connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            ).all()
            for name, _ in names:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        connection.exec_driver_sql(statement)
        if db.dialect == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = DEFAULT")


def test_right_books_have_no_findings_and_add_up(books: Database):
    found = verification.verify(books, zone=ZONE)
    assert found.ok, found.findings
    assert (found.wallets, found.transactions, found.events) == (2, 10, 6)
    accounts = {name: found.sums[name] for name in ("wallets", *ledger_verify.HOUSE_ACCOUNTS)}
    assert sum(accounts.values()) == 0
    assert accounts["revenue"] == 1500 - 5
    assert found.sums["charged"] == 1500
    assert found.as_json()["ok"] is True
    assert found.as_json()["findings"] == []


def test_empty_books_are_right(db: Database):
    found = verification.verify(db, zone=ZONE)
    assert (found.ok, found.wallets, found.transactions, found.events) == (True, 0, 0, 0)


def test_heads_change_with_every_transaction(books: Database, now):
    before = verification.verify(books, zone=ZONE).heads
    assert verification.verify(books, zone=ZONE).heads == before
    changes.top_up(books, Change(1, 1, "CNY", "x", "more"), actor=ACTOR, now=now)
    assert verification.verify(books, zone=ZONE).heads != before


CORRUPTIONS = {
    "UPDATE ledger_transactions SET actor = 'x' WHERE id = 3": {"hash_wrong"},
    "UPDATE ledger_transactions SET reason = 'x' WHERE id = 1": {"hash_wrong", "input_hash_wrong"},
    "UPDATE ledger_transactions SET idempotency_key = 'x' WHERE id = 3": {"hash_wrong"},
    "UPDATE ledger_transactions SET details = '{\"a\": 1}' WHERE id = 3": {
        "hash_wrong",
        "input_hash_wrong",
    },
    "UPDATE ledger_transactions SET posted_at = '2026-01-01 00:00:00.000000' WHERE id = 3": {
        "hash_wrong"
    },
    "UPDATE ledger_transactions SET previous_hash = hash WHERE id = 3": {
        "hash_wrong",
        "chain_broken",
    },
    "UPDATE ledger_transactions SET hash = previous_hash WHERE id = 3": {
        "hash_wrong",
        "chain_broken",
    },
    "UPDATE ledger_transactions SET balance_after = balance_after + 1 WHERE id = 3": {
        "hash_wrong",
        "balance_wrong",
    },
    "UPDATE ledger_transactions SET amount = amount - 1 WHERE id = 4": {
        "hash_wrong",
        "balance_wrong",
        "postings_differ",
        "input_hash_wrong",
        "charge_differs",
    },
    "UPDATE ledger_transactions SET kind = 'refund' WHERE id = 1": {
        "hash_wrong",
        "rule_broken",
        "input_hash_wrong",
    },
    "UPDATE ledger_postings SET amount = amount + 1 WHERE transaction_id = 3 AND position = 1": {
        "hash_wrong",
        "unbalanced",
    },
    "UPDATE ledger_postings SET account_id = (SELECT id FROM ledger_accounts WHERE "
    "name = 'funding') WHERE transaction_id = 4 AND position = 1": {
        "hash_wrong",
        "rule_broken",
        "input_hash_wrong",
    },
    "UPDATE ledger_postings SET account_id = (SELECT wallet_id FROM ledger_transactions WHERE "
    "id = 1) WHERE transaction_id = 4 AND position = 1": {"hash_wrong", "postings_differ"},
    "DELETE FROM ledger_postings WHERE transaction_id = 3 AND position = 1": {
        "hash_wrong",
        "postings_missing",
    },
    "UPDATE ledger_accounts SET balance = balance + 1 WHERE user_id = 1": {"account_differs"},
    "UPDATE ledger_accounts SET version = version + 1 WHERE user_id = 1": {"account_differs"},
    "UPDATE ledger_accounts SET head_hash = name WHERE user_id = 1": {"account_differs"},
    "UPDATE ledger_accounts SET currency = 'EUR' WHERE user_id = 1": {"hash_wrong"},
    "UPDATE ledger_accounts SET name = 'earnings' WHERE name = 'adjustments'": {
        "house_account_missing"
    },
    "UPDATE usage_events SET charge = charge + 1 WHERE id = 3": {
        "charge_differs",
        "lines_differ",
        "rollup_differs",
    },
    "UPDATE usage_events SET points = points + 1 WHERE id = 3": {"lines_differ", "rollup_differs"},
    "UPDATE usage_events SET user_id = 3 - user_id WHERE id = 3": {
        "charged_to_another",
        "rollup_differs",
    },
    "UPDATE usage_events SET received_at = (SELECT max(received_at) FROM usage_events) "
    "WHERE id = 3": {"charged_at_another_time"},
    "UPDATE usage_lines SET points = points + 1 WHERE event_id = 3 AND position = 0": {
        "lines_differ"
    },
    "UPDATE usage_lines SET charge = charge + 1 WHERE event_id = 3 AND position = 0": {
        "lines_differ"
    },
    "DELETE FROM usage_lines WHERE event_id = 3": {"lines_differ"},
    "UPDATE usage_days SET points = points + 1": {"rollup_differs"},
    "DELETE FROM usage_days WHERE user_id = 1": {"rollup_differs"},
    "INSERT INTO usage_days SELECT user_id, '2020-01-01', link_id, is_guest, 1, 1, 1, 1, 1 "
    "FROM usage_days LIMIT 1": {"rollup_differs"},
}


@pytest.mark.parametrize("statement", CORRUPTIONS)
def test_corrupted_row_is_found_and_named(books: Database, statement):
    corrupt(books, statement)
    found = codes(books)
    # What follows from it (such as a sum that no longer fits) may be reported, too.
    assert CORRUPTIONS[statement] <= set(found), found
    assert len(found) <= 12


def test_removed_transaction_is_a_gap_and_an_event_that_was_not_charged(books: Database):
    with books.begin() as session:
        if books.dialect == "sqlite":
            session.connection().exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    corrupt(books, "DELETE FROM ledger_postings WHERE transaction_id = 4")
    corrupt(books, "DELETE FROM ledger_transactions WHERE id = 4")
    found = set(codes(books))
    assert {"sequence_gap", "event_not_charged"} <= found


def test_corruption_is_reported_where_it_is_and_not_on_what_follows(books: Database):
    corrupt(books, "UPDATE ledger_transactions SET actor = 'x' WHERE id = 1")
    (finding,) = verification.verify(books, zone=ZONE).findings
    assert finding.ids == {"transaction": 1, "wallet": "wallet:1", "sequence": 1}
    assert "backup" in finding.message


def test_findings_end_where_they_are_asked_to(books: Database):
    corrupt(books, "UPDATE ledger_transactions SET actor = 'x'")
    found = verification.verify(books, zone=ZONE, findings_max=3)
    assert (len(found.findings), found.is_truncated, found.ok) == (3, True, False)


def test_since_looks_only_at_what_came_then_and_believes_the_rest(books: Database, now):
    corrupt(books, "UPDATE ledger_transactions SET actor = 'x' WHERE id = 1")
    assert codes(books, since=now) == ["hash_wrong"]
    later = now + timedelta(hours=20)
    found = verification.verify(books, zone=ZONE, since=later)
    assert found.ok, found.findings
    assert 0 < found.transactions < 10
    corrupt(books, "UPDATE ledger_transactions SET actor = 'x' WHERE event_id = 6")
    assert codes(books, since=later) == ["hash_wrong"]


def test_since_looks_at_what_was_written_late_though_it_arrived_earlier(books: Database, now):
    later = now + timedelta(days=2)
    answer(books, key="live", user_id=1, link_id=1, now=later, charge=1)
    answer(books, key="spooled", user_id=2, link_id=1, now=now, charge=1)
    corrupt(books, "UPDATE ledger_transactions SET actor = 'x' WHERE idempotency_key = 'spooled'")
    assert codes(books, since=later) == ["hash_wrong"]
    corrupt(books, "UPDATE usage_lines SET points = points + 1 WHERE event_id = 8")
    assert sorted(codes(books, since=later)) == ["hash_wrong", "lines_differ"]


def test_since_finds_a_charge_of_another_time_than_its_answer(books: Database, now):
    later = now + timedelta(hours=20)
    assert codes(books, since=later) == []
    moved = "UPDATE usage_events SET received_at = (SELECT min(received_at) FROM usage_events)"
    corrupt(books, f"{moved} WHERE id = 6")
    assert codes(books, since=later) == ["charged_at_another_time"]


def test_since_finds_an_event_that_was_never_charged(books: Database, now):
    with books.begin() as session:
        event_id = make_event(session, key="free", user_id=1, link_id=1, now=now)
    for since in (now, now + timedelta(days=9)):
        found = verification.verify(books, zone=ZONE, since=since).findings
        assert ("event_not_charged", {"event": event_id}) in [(f.code, f.ids) for f in found]


def test_since_gives_no_heads_for_they_are_of_all_chains(books: Database, now):
    assert verification.verify(books, zone=ZONE, since=now).heads == ""


def test_other_time_zone_is_named_as_the_likely_cause(books: Database):
    found = verification.verify(books, zone=ZoneInfo("America/New_York"))
    assert {finding.code for finding in found.findings} == {"rollup_differs"}
    assert "time_zone" in found.findings[0].message


def test_walk_over_many_pages_is_the_same_as_over_one(books: Database, monkeypatch):
    whole = verification.verify(books, zone=ZONE)
    for module in ("app.ledger.store", "app.statements.store"):
        monkeypatch.setattr(f"{module}.PAGE_ROWS", 1)
    assert verification.verify(books, zone=ZONE) == whole


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["top_up", "refund", "adjust", "answer", "reverse", "again"]),
        st.integers(0, 2),
        st.integers(-50, 50),
    ),
    max_size=25,
)


@given(operations=OPERATIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_the_books_stay_right(sqlite_template, operations):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "books.sqlite3")
        path.write_bytes(sqlite_template.read_bytes())
        db = Database(f"sqlite:///{path}")
        with db.begin() as session:
            users, link_id = make_users(session, NOW, 3), make_link(session, NOW)
        accepted = [
            _apply(db, number, operation, users, link_id, NOW)
            for number, operation in enumerate(operations)
        ]
        found = verification.verify(db, zone=ZONE)
        assert found.ok, found.findings
        with db.read() as session:
            balances = session.scalars(sa.select(Account.balance).where(Account.kind == "wallet"))
            assert sum(balances) == sum(accepted)
        db.close()


def _apply(db: Database, number: int, operation, users: list[int], link_id: int, now) -> int:
    """Do one operation; the change of the wallets it must have made."""
    verb, who, amount = operation
    user_id, key = users[who], f"k{number}"
    before = _total(db)
    try:
        if verb == "answer":
            answer(db, key=key, user_id=user_id, link_id=link_id, now=now, charge=abs(amount))
            return -abs(amount)
        if verb == "reverse":
            done = changes.reverse(db, Reversal(abs(amount), "x", key), actor=ACTOR, now=now)
            return _total(db) - before if not done.is_replay else 0
        if verb == "again":
            key, verb = "same key", "top_up"
            amount = 7
        change = Change(user_id if key != "same key" else users[0], amount, "CNY", "x", key)
        done = getattr(changes, verb)(db, change, actor=ACTOR, now=now)
    except (EntryInvalid, AlreadyReversed, BalanceWouldBeNegative, changes.NotFound):
        assert _total(db) == before
        return 0
    return 0 if done.is_replay else amount


def _total(db: Database) -> int:
    with db.read() as session:
        return session.scalar(sa.select(sa.func.coalesce(sa.func.sum(Account.balance), 0)))
