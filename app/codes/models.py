"""Redemption codes, the batches they were made in, and who guesses too much."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Nano, RowId, UtcDateTime


class CodeBatch(Base):
    """Codes of one amount, made together."""

    __tablename__ = "code_batches"
    __table_args__ = (
        sa.CheckConstraint("amount > 0", name="amount"),
        sa.CheckConstraint("count > 0", name="count"),
        sa.CheckConstraint("per_user_max > 0", name="per_user_max"),
        sa.CheckConstraint("status IN ('active', 'paused', 'cancelled')", name="status"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(120), unique=True)
    amount: Mapped[int] = mapped_column(Nano)
    """What each code is worth."""
    currency: Mapped[str] = mapped_column(sa.String(12))
    count: Mapped[int]
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None: never."""
    per_user_max: Mapped[int | None]
    """How many codes of the batch one user may redeem; None: any number."""
    credit_priority: Mapped[int | None] = mapped_column(sa.SmallInteger)
    """Of the granted credit that each code gives; None: it gives paid credit."""
    credit_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When that credit is over, whenever it was redeemed."""
    credit_days: Mapped[int | None] = mapped_column(sa.SmallInteger)
    """Or: after so many whole days after the day it is redeemed on."""
    note: Mapped[str | None] = mapped_column(sa.Text)
    status: Mapped[str] = mapped_column(sa.String(10))
    """``active``, ``paused`` or, for good, ``cancelled``."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(sa.String(200))
    printable_until: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    """Until then its codes can be shown again; None when their text is gone."""


class RedemptionCode(Base):
    """One code: a digest of what the bearer types, and who redeemed it."""

    __tablename__ = "redemption_codes"
    __table_args__ = (
        sa.UniqueConstraint("batch_id", "serial"),
        sa.Index(None, "redeemed_by", "batch_id"),
        sa.Index(None, "batch_id", "redeemed_at"),
        sa.CheckConstraint(
            "(redeemed_at IS NULL) = (redeemed_by IS NULL) "
            "AND (redeemed_at IS NULL) = (transaction_id IS NULL)",
            name="redeemed",
        ),
        sa.CheckConstraint("redeemed_at IS NULL OR sealed_code IS NULL", name="sealed_code"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    batch_id: Mapped[int] = mapped_column(sa.ForeignKey("code_batches.id"))
    serial: Mapped[int]
    """From 1 on within the batch: what people call the code by without naming it."""
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """``Keys.code_digest``."""
    sealed_code: Mapped[str | None] = mapped_column(sa.Text)
    """The code itself under ``Keys.seal``, until it is printed, redeemed or too old."""
    redeemed_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    redeemed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    transaction_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("ledger_transactions.id"), unique=True
    )


class CodeAttempts(Base):
    """How many codes that do not exist a user has tried since the window began.

    The row is also the lock that puts one user's attempts in a line.
    """

    __tablename__ = "code_attempts"
    __table_args__ = (sa.CheckConstraint("failures >= 0", name="failures"),)

    user_id: Mapped[int] = mapped_column(
        sa.ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    failures: Mapped[int]
    window_began_at: Mapped[datetime] = mapped_column(UtcDateTime)
