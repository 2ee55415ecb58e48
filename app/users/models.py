"""The people who ask."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime


class User(Base):
    """One visitor: a subject of one issuer."""

    __tablename__ = "users"
    __table_args__ = (
        sa.UniqueConstraint("issuer_id", "subject"),
        sa.Index(None, "subject"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    issuer_id: Mapped[int] = mapped_column(sa.ForeignKey("issuers.id"))
    subject: Mapped[str] = mapped_column(sa.Text)
    """As the issuer names the person, in the storable form of ``users.subject``."""
    uid: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """What FastGPT knows the person by; never changes."""
    name: Mapped[str | None] = mapped_column(sa.String(200))
    locale: Mapped[str | None] = mapped_column(sa.String(10))
    plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plans.id"))
    """None: the default plan."""
    attributes: Mapped[dict[str, Any]] = mapped_column(Json)
    limits: Mapped[dict[str, Any]] = mapped_column(Json)
    """``limits.VisitorLimits`` that override plan and link."""
    status: Mapped[str] = mapped_column(sa.String(10))
    """``active`` or ``suspended``."""
    tokens_valid_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Tokens issued and sessions opened before this are revoked."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the person behind it was made unknown; nothing of the row is changed afterwards."""
