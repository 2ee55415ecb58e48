"""Grants as rows, to be found by time, user and plan. Derived from the ledger's transactions."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Nano, RowId, UtcDateTime


class Grant(Base):
    """A grant of the ledger, and what was left of it when its wallet was last looked at.

    All but ``remaining`` and how it was closed repeats its transaction; ``remaining`` is as of
    the wallet's ``GrantCheckpoint``.
    """

    __tablename__ = "grants"
    __table_args__ = (
        sa.UniqueConstraint("wallet_id", "sequence"),
        sa.UniqueConstraint("user_id", "plan_id", "month"),
        sa.CheckConstraint("remaining >= 0 AND remaining <= amount", name="remaining"),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_as IS NULL) AND (closed_at IS NULL OR remaining = 0)",
            name="closed",
        ),
        sa.Index(
            "ix_grants_open_until",
            "expires_at",
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
    )

    transaction_id: Mapped[int] = mapped_column(
        RowId, sa.ForeignKey("ledger_transactions.id"), primary_key=True, autoincrement=False
    )
    wallet_id: Mapped[int] = mapped_column(sa.ForeignKey("ledger_accounts.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    sequence: Mapped[int] = mapped_column(sa.BigInteger)
    amount: Mapped[int] = mapped_column(Nano)
    priority: Mapped[int] = mapped_column(sa.SmallInteger)
    source: Mapped[str] = mapped_column(sa.String(10))
    """``operator``, ``plan`` or ``code``."""
    plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plans.id"))
    month: Mapped[str | None] = mapped_column(sa.String(7))
    """Of the plan's monthly credit: such as ``2026-11``, by the operator's clock."""
    reason: Mapped[str] = mapped_column(sa.Text)
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    remaining: Mapped[int] = mapped_column(Nano)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    """What its expiry is posted for: the last moment of the grant, or that of the revocation."""
    closed_as: Mapped[str | None] = mapped_column(sa.String(10))
    """``expired`` or ``revoked``."""
    lapsed: Mapped[int] = mapped_column(Nano)
    """What was left when it was closed: the amount of its expiry."""


class GrantCheckpoint(Base):
    """Up to where a wallet with grants was replayed; there is none for wallets without."""

    __tablename__ = "grant_checkpoints"

    wallet_id: Mapped[int] = mapped_column(
        RowId, sa.ForeignKey("ledger_accounts.id"), primary_key=True, autoincrement=False
    )
    sequence: Mapped[int] = mapped_column(sa.BigInteger)
    balance: Mapped[int] = mapped_column(Nano)
    first: Mapped[int] = mapped_column(sa.BigInteger)
    """The sequence of the first grant: nothing before it draws from any."""
