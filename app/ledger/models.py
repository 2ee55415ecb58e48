"""Accounts, transactions and postings. Transactions and postings are append-only."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, Nano, RowId, UtcDateTime


class Account(Base):
    """A place where amounts stand: a user's wallet, or one of the house's own accounts.

    ``balance``, ``version`` and ``head_hash`` are kept for wallets only and can be re-derived from
    the postings; house accounts are never locked, their balance is the sum of their postings.
    """

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        sa.CheckConstraint(
            "kind IN ('wallet', 'house') AND (kind = 'wallet') = (user_id IS NOT NULL)",
            name="kind",
        ),
        sa.CheckConstraint(
            "version >= 0 AND (kind = 'wallet' OR (version = 0 AND balance = 0))", name="version"
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    """``wallet:<user id>``, or one of ``transactions.HOUSE_ACCOUNTS``."""
    kind: Mapped[str] = mapped_column(sa.String(12))
    """``wallet`` or ``house``."""
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"), unique=True)
    currency: Mapped[str] = mapped_column(sa.String(12))
    balance: Mapped[int] = mapped_column(Nano)
    version: Mapped[int] = mapped_column(sa.BigInteger)
    """How many transactions the wallet's chain has; grows by one with each."""
    head_hash: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # A change made without holding the wallet's lock finds another version and fails.
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}  # noqa: RUF012 - SQLAlchemy's own form


class Transaction(Base):
    """One balanced change of one wallet: a link in that wallet's hash chain."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        sa.UniqueConstraint("wallet_id", "sequence"),
        sa.CheckConstraint("sequence > 0", name="sequence"),
        sa.CheckConstraint(
            "(kind IN ('charge', 'expiry') AND amount <= 0) "
            "OR (kind IN ('top_up', 'redemption', 'refund', 'grant') AND amount > 0) "
            "OR kind IN ('adjustment', 'reversal')",
            name="kind",
        ),
        sa.CheckConstraint("(kind = 'charge') = (event_id IS NOT NULL)", name="event"),
        sa.CheckConstraint("(kind = 'reversal') = (reverses_id IS NOT NULL)", name="reverses"),
        # Few beside millions of charges, and looked for; a charge pays nothing for it.
        sa.Index(
            None,
            "kind",
            "posted_at",
            sqlite_where=sa.text("kind <> 'charge'"),
            postgresql_where=sa.text("kind <> 'charge'"),
        ),
        # The same of one wallet; its charges are found by their answers.
        sa.Index(
            None,
            "wallet_id",
            "posted_at",
            sqlite_where=sa.text("kind <> 'charge'"),
            postgresql_where=sa.text("kind <> 'charge'"),
        ),
        # What stands on the house's accounts, without looking a row up.
        sa.Index(
            None,
            "kind",
            "amount",
            sqlite_where=sa.text("kind <> 'charge'"),
            postgresql_where=sa.text("kind <> 'charge'"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    wallet_id: Mapped[int] = mapped_column(sa.ForeignKey("ledger_accounts.id"))
    sequence: Mapped[int] = mapped_column(sa.BigInteger)
    kind: Mapped[str] = mapped_column(sa.String(12))
    """One of ``transactions.Kind``."""
    idempotency_key: Mapped[str] = mapped_column(sa.String(120), unique=True)
    input_hash: Mapped[str] = mapped_column(sa.String(64))
    """Digest of what was asked for: the same key with another one is a conflict."""
    posted_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    amount: Mapped[int] = mapped_column(Nano)
    """The change of the wallet's balance."""
    balance_after: Mapped[int] = mapped_column(Nano)
    event_id: Mapped[int | None] = mapped_column(sa.ForeignKey("usage_events.id"), unique=True)
    reverses_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("ledger_transactions.id"), unique=True
    )
    reason: Mapped[str | None] = mapped_column(sa.Text)
    actor: Mapped[str] = mapped_column(sa.String(200))
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    previous_hash: Mapped[str] = mapped_column(sa.String(64))
    hash: Mapped[str] = mapped_column(sa.String(64))


class Posting(Base):
    """One side of a transaction; all postings of a transaction sum to zero."""

    __tablename__ = "ledger_postings"
    __table_args__ = (sa.CheckConstraint("position >= 0", name="position"),)

    transaction_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ledger_transactions.id"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("ledger_accounts.id"))
    amount: Mapped[int] = mapped_column(Nano)
