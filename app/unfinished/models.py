"""Questions that were admitted and whose finish did not come in time: each may be revenue lost."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Nano, RowId, UtcDateTime


class UnfinishedTurn(Base):
    """One admitted question whose ticket expired before a finish came."""

    __tablename__ = "unfinished_turns"
    __table_args__ = (
        sa.Index(None, "link_id", "asked_at"),
        sa.Index(None, "user_id", "asked_at"),
        sa.CheckConstraint("hold >= 0 AND points_hold >= 0", name="never_a_credit"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    ticket: Mapped[str] = mapped_column(sa.String(64), unique=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    link_id: Mapped[int] = mapped_column(sa.ForeignKey("links.id"))
    plan_id: Mapped[int | None] = mapped_column(RowId)
    """The plan it was asked under, which may be gone since."""
    is_guest: Mapped[bool]
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    expired_at: Mapped[datetime] = mapped_column(UtcDateTime)
    hold: Mapped[int] = mapped_column(Nano)
    """What it was expected to cost, or all that was left of the balance; likewise the points."""
    points_hold: Mapped[int] = mapped_column(Nano)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_late_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its finish came after all; it was charged like any other."""
    finished_by: Mapped[str | None] = mapped_column(sa.String(80), unique=True)
    """The idempotency key of that finish's usage event."""
