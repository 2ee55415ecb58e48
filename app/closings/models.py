"""Closed months, and the statements that were frozen with them; both are append-only."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, Nano, RowId, UtcDateTime


class Closing(Base):
    """One closed month: a link in the chain of closings."""

    __tablename__ = "closings"
    __table_args__ = (
        sa.CheckConstraint(
            "statements >= 0 AND departments >= 0 AND departments <= statements", name="statements"
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    month: Mapped[int] = mapped_column(sa.Integer, unique=True)
    """By the operator's clock: 202611."""
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    zone: Mapped[str] = mapped_column(sa.String(64))
    currency: Mapped[str] = mapped_column(sa.String(12))
    event_id: Mapped[int] = mapped_column(sa.BigInteger)
    transaction_id: Mapped[int] = mapped_column(sa.BigInteger)
    """Up to where the books went when it was closed, together with ``event_id``."""
    after_event: Mapped[int | None] = mapped_column(sa.BigInteger)
    after_transaction: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The same of the closing before; None for the first."""
    opening: Mapped[int] = mapped_column(Nano)
    closing: Mapped[int] = mapped_column(Nano)
    """Of all wallets together."""
    sums: Mapped[list[dict[str, object]]] = mapped_column(Json)
    """As in the content: a row for each kind, what came late apart."""
    statements: Mapped[int] = mapped_column(sa.BigInteger)
    departments: Mapped[int] = mapped_column(sa.BigInteger)
    """How many of the statements are of departments."""
    content: Mapped[str] = mapped_column(sa.Text)
    """Canonical JSON, which ``hash`` is of; see content.py."""
    previous_hash: Mapped[str] = mapped_column(sa.String(64))
    hash: Mapped[str] = mapped_column(sa.String(64))
    closed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_by: Mapped[str] = mapped_column(sa.String(200))
    reason: Mapped[str | None] = mapped_column(sa.Text)


class ClosingRun(Base):
    """The month that is being closed, and how far that is; there is at most one."""

    __tablename__ = "closing_runs"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    month: Mapped[int] = mapped_column(sa.Integer)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    zone: Mapped[str] = mapped_column(sa.String(64))
    currency: Mapped[str] = mapped_column(sa.String(12))
    event_id: Mapped[int] = mapped_column(sa.BigInteger)
    transaction_id: Mapped[int] = mapped_column(sa.BigInteger)
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    begun_by: Mapped[str] = mapped_column(sa.String(200))
    reason: Mapped[str | None] = mapped_column(sa.Text)
    wallets: Mapped[int] = mapped_column(sa.BigInteger)
    """How many there are to look at."""
    wallets_done: Mapped[int] = mapped_column(sa.BigInteger)
    last_wallet: Mapped[int] = mapped_column(sa.BigInteger)
    last_department: Mapped[str | None] = mapped_column(sa.String(200))
    statements: Mapped[int] = mapped_column(sa.BigInteger)
    departments: Mapped[int] = mapped_column(sa.BigInteger)
    next_ordinal: Mapped[int] = mapped_column(sa.BigInteger)
    fold: Mapped[str] = mapped_column(sa.String(64))
    """The digest over the hashes of the statements so far; see ``content.fold``."""


class FrozenStatement(Base):
    """What a month made of one wallet, or of a department's wallets together.

    Nothing in ``content`` names a person: whom the user's number stands for is looked up when the
    statement is shown.
    """

    __tablename__ = "statements"
    __table_args__ = (
        sa.UniqueConstraint("year", "ordinal"),
        sa.Index(None, "month", "user_id", unique=True),
        sa.Index(None, "month", "kind", "ordinal"),
        sa.Index(None, "user_id", "month"),
        sa.Index(None, "month", "department", "ordinal"),
        sa.CheckConstraint(
            "(kind = 'wallet' AND user_id IS NOT NULL) "
            "OR (kind = 'department' AND user_id IS NULL AND department IS NOT NULL)",
            name="kind",
        ),
        sa.CheckConstraint("ordinal > 0", name="ordinal"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    year: Mapped[int] = mapped_column(sa.Integer)
    ordinal: Mapped[int] = mapped_column(sa.BigInteger)
    month: Mapped[int] = mapped_column(sa.Integer)
    kind: Mapped[str] = mapped_column(sa.String(10))
    """``wallet`` or ``department``."""
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    department: Mapped[str | None] = mapped_column(sa.String(200))
    """Of a wallet's: the department its user was in when the month was closed."""
    currency: Mapped[str] = mapped_column(sa.String(12))
    opening: Mapped[int] = mapped_column(Nano)
    charged: Mapped[int] = mapped_column(Nano)
    closing: Mapped[int] = mapped_column(Nano)
    hash: Mapped[str] = mapped_column(sa.String(64))
    content: Mapped[str] = mapped_column(sa.Text)
    """The bytes that were hashed: canonical JSON, ASCII only."""


class StatementMail(Base):
    """One letter with a statement: written down before it is sent, so that none goes twice.

    It has no address: that is a person's, and may be erased.
    """

    __tablename__ = "statement_mails"
    __table_args__ = (
        sa.UniqueConstraint("statement_id", "copy"),
        sa.CheckConstraint("state IN ('sending', 'sent', 'failed')", name="state"),
        sa.CheckConstraint("copy > 0", name="copy"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    statement_id: Mapped[int] = mapped_column(sa.ForeignKey("statements.id"))
    copy: Mapped[int] = mapped_column(sa.Integer)
    """1 for the first; more when somebody had it sent again."""
    state: Mapped[str] = mapped_column(sa.String(10))
    """``sending`` for ever: the worker died meanwhile, and nobody knows whether it went."""
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_by: Mapped[str] = mapped_column(sa.String(200))
    error: Mapped[str | None] = mapped_column(sa.Text)
