"""Books of the first version take grants after the upgrade, and are the same books."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from app import schema
from app.db import Database
from app.ledger import verify as ledger_verify
from app.ledger.chain import GENESIS
from app.ledger.credit import checking
from app.ledger.credit.writer import Gift, close, give
from app.ledger.grants import Terms
from app.ledger.models import Account
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post


@pytest.fixture
def old_books(db: Database, now) -> tuple[Database, int]:
    """A wallet made before there were grants."""
    schema.downgrade(db, "base")
    schema.upgrade(db, "0001")
    with db.begin() as session:
        user_id = insert_user(session, now)
        houses = ("revenue", "funding", "redemptions", "adjustments")
        rows = [(f"wallet:{user_id}", "wallet", user_id)]
        rows += [(house, "house", None) for house in houses]
        for name, kind, owner in rows:
            session.add(
                Account(
                    name=name,
                    kind=kind,
                    user_id=owner,
                    currency="CNY",
                    balance=0,
                    version=0,
                    head_hash=GENESIS,
                    created_at=now,
                )
            )
        session.flush()
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        post(session, wallet, Entry("top_up", 5, "funding", "k", "alice", "paid"), now=now)
    return db, user_id


def insert_user(session, now) -> int:
    """As the first version had users, whatever columns were added since."""
    values = {"now": now.isoformat(sep=" ")}
    session.execute(
        sa.text(
            "INSERT INTO issuers (id, name, kind, origin, spec, status, created_at) "
            "VALUES (77, 'shop', 'jwt', 'database', '{}', 'active', :now)"
        ),
        values,
    )
    session.execute(
        sa.text(
            "INSERT INTO users (id, issuer_id, subject, uid, attributes, limits, status, "
            "created_at) VALUES (88, 77, 'ann', 'u_ann', '{}', '{}', 'active', :now)"
        ),
        values,
    )
    return 88


def test_upgraded_books_take_grants_and_stay_as_append_only(old_books, now):
    db, user_id = old_books
    schema.upgrade(db)
    assert schema.differences(db) == []
    with db.begin() as session:
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        gift = Gift(Terms(now + timedelta(days=1)), 7, "gift", "alice", "welcome")
        give(session, wallet, gift, now=now)
        close(session, wallet, [2], "expired", actor="x", now=now + timedelta(days=2))
    assert wallet.balance == 5
    with db.read() as session:
        assert list(ledger_verify.verify(session)) == []
        assert list(checking.verify(session, since=None)) == []
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), db.begin() as session:
        session.execute(sa.text("UPDATE ledger_transactions SET amount = 0"))
    with pytest.raises(sa.exc.IntegrityError, match="ck_"), db.begin() as session:
        session.execute(
            sa.text(
                "INSERT INTO ledger_transactions (wallet_id, sequence, kind, idempotency_key, "
                "input_hash, posted_at, amount, balance_after, actor, details, previous_hash, "
                "hash) SELECT wallet_id, 99, 'gift', 'other', input_hash, posted_at, 1, 1, actor, "
                "details, previous_hash, hash FROM ledger_transactions WHERE sequence = 1"
            )
        )
    if db.dialect == "sqlite":
        with db.begin() as session:
            assert session.scalar(sa.text("PRAGMA integrity_check")) == "ok"
