"""Plans: what a kind of visitor may do and how far they may owe."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, Nano, RowId, UtcDateTime


class Plan(Base):
    __tablename__ = "plans"
    __table_args__ = (
        sa.CheckConstraint("price_multiplier >= 0", name="price_multiplier"),
        sa.CheckConstraint("credit_limit >= 0", name="credit_limit"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    limits: Mapped[dict[str, Any]] = mapped_column(Json)
    """``limits.VisitorLimits``."""
    credit_limit: Mapped[int | None] = mapped_column(Nano)
    """How far below zero the wallet may go: 0 is prepaid, None is without end."""
    price_multiplier: Mapped[int] = mapped_column(Nano)
    """Nano-units: 1e9 is times one; 0 makes the plan free."""
    monthly_credit: Mapped[int] = mapped_column(Nano, server_default="0")
    """What is granted to each of its users every month, and expires at the month's end."""
    monthly_priority: Mapped[int] = mapped_column(sa.SmallInteger, server_default="50")
    """Of the monthly credit among other grants: the lower is spent first."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
