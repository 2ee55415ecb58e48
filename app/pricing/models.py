"""Price book versions: written once, then immutable (the database refuses UPDATE and DELETE)."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, Nano, RowId, UtcDateTime


class PriceVersion(Base):
    """One version of the price book; the newest with ``effective_at`` in the past applies."""

    __tablename__ = "price_versions"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    effective_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    document: Mapped[dict[str, Any]] = mapped_column(Json)
    """``pricing.book.PriceBook`` as JSON, amounts as text."""
    digest: Mapped[str] = mapped_column(sa.String(64))
    note: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(sa.String(200))


class AllowanceUse(Base):
    """How much of a month's free allowance a user has used; locked with the user's wallet."""

    __tablename__ = "allowance_uses"
    __table_args__ = (sa.CheckConstraint("used >= 0", name="used"),)

    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    month: Mapped[str] = mapped_column(sa.String(7), primary_key=True)
    """``2026-11`` in the operator's time zone."""
    used: Mapped[int] = mapped_column(Nano)
