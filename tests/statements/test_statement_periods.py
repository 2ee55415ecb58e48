"""A statement of a period is what a plain look at all of the wallet's transactions says."""

import random
from collections import defaultdict
from datetime import timedelta

import pytest
import sqlalchemy as sa
from app.audit.journal import Actor
from app.funding import changes
from app.funding.changes import Change, Reversal
from app.ledger.models import Account, Transaction
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post
from app.statements.period import load_period

from books import NANO, make_event, make_link, make_users

ACTOR = Actor("alice", "cli")
HOUR = timedelta(hours=1)
DAYS = 40
LIMIT = 7


@pytest.fixture
def user_id(db, now):
    """Forty days of movements, some of which were written long after their time; and another's."""
    rng = random.Random(3)
    with db.begin() as session:
        user_id, other_id, _ = make_users(session, now, 3)
        link_id = make_link(session, now)
        lock_wallet(session, user_id, currency="CNY", now=now)

    def charge(number, owner, at):
        with db.begin() as session:
            event = make_event(
                session, key=f"e{number}", user_id=owner, link_id=link_id, now=at, charge=number
            )
            wallet = lock_wallet(session, owner, currency="CNY", now=at)
            entry = Entry("charge", -number, "revenue", f"f{number}", "fastgpt", event_id=event)
            post(session, wallet, entry, now=at)

    for number in range(60):
        at = now + number * 16 * HOUR - (rng.choice([0, 0, 0, 300]) * HOUR)
        owner = other_id if number % 7 == 3 else user_id
        if number % 5 == 0:
            paid = Change(owner, (number + 1) * NANO, "CNY", "paid", f"p{number}")
            changes.top_up(db, paid, actor=ACTOR, now=at)
        else:
            charge(number, owner, at)
    with db.read() as session:
        paid_id = session.scalar(sa.select(sa.func.min(Transaction.id)))
    changes.reverse(
        db, Reversal(paid_id, "nonsense", "undo"), actor=ACTOR, now=now + 30 * 24 * HOUR
    )
    return user_id


def test_a_period_says_what_all_transactions_say(db, user_id, now):
    rng = random.Random(4)
    with db.read() as session:
        wallet = session.scalars(sa.select(Account).where(Account.user_id == user_id)).one()
        rows = session.scalars(
            sa.select(Transaction).where(Transaction.wallet_id == wallet.id)
        ).all()
        edges = [now - 30 * HOUR, now, *(row.posted_at for row in rows), now + 90 * 24 * HOUR]
        for _ in range(60):
            since, until = sorted(rng.choices(edges, k=2))
            before = rng.choice([None, 20])
            found = load_period(
                session,
                user_id,
                since=since,
                until=until,
                before=before,
                limit=LIMIT,
                now=rng.choice(edges),  # it only says where to begin to add up
            )
            inside = [row for row in rows if since <= row.posted_at < until]
            assert found.opening == sum(row.amount for row in rows if row.posted_at < since)
            assert found.closing == sum(row.amount for row in rows if row.posted_at < until)
            assert told(found) == sums(inside)
            page = sorted(
                (row for row in inside if before is None or row.sequence < before),
                key=lambda row: -row.sequence,
            )
            shown = [entry.transaction for entry in found.entries]
            assert shown == [row.id for row in page[:LIMIT]]
            assert found.next_before == (page[LIMIT - 1].sequence if len(page) > LIMIT else None)


def sums(rows):
    added = defaultdict(lambda: [0, 0])
    for row in rows:
        added[row.kind][0] += 1
        added[row.kind][1] += row.amount
    return {kind: tuple(pair) for kind, pair in added.items()}


def told(found):
    return {one.kind: (one.count, one.amount) for one in found.sums}


def test_who_has_no_wallet_has_an_empty_statement(db, now):
    with db.begin() as session:
        (user_id, *_) = make_users(session, now, 1)
    with db.read() as session:
        nothing = load_period(
            session, user_id, since=now, until=now + HOUR, before=None, limit=1, now=now
        )
    assert (nothing.opening, nothing.closing, nothing.entries) == (0, 0, ())


def test_only_what_the_period_has_is_looked_up(db, user_id, now):
    """Whatever else is in the chain: the plans lead through indexes that begin with the period."""
    asked = []

    def note(_connection, _cursor, statement, parameters, *_):
        asked.append((statement, parameters))

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        with db.read() as session:
            load_period(
                session,
                user_id,
                since=now,
                until=now + HOUR,
                before=None,
                limit=LIMIT,
                now=now + HOUR,
            )
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)
    moved = [one for one in asked if "moved" in one[0]]
    assert len(moved) == 2  # the period once, and what came after it
    if db.dialect != "sqlite":
        return  # a planner that knows how few rows there are reads them all
    with db.read() as session:
        for statement, parameters in moved:
            plan = session.connection().exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", parameters
            )
            steps = [
                row[-1] for row in plan if "ledger_transactions" in row[-1] or "usage" in row[-1]
            ]
            assert all("SEARCH" in step for step in steps)
            assert any("ix_usage_events_user_id_received_at" in step for step in steps)
            assert any("ix_ledger_transactions_wallet_id_posted_at" in step for step in steps)
