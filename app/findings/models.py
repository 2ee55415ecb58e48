"""What the self-audit found, kept until nobody finds it any more, and when it last looked."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime


class FindingRecord(Base):
    """One finding, however often it was found."""

    __tablename__ = "findings"
    __table_args__ = (sa.Index(None, "resolved_at", "code"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """Of the code and of the ids that say where it is; see ``store.digest_of``."""
    code: Mapped[str] = mapped_column(sa.String(60))
    message: Mapped[str] = mapped_column(sa.Text)
    ids: Mapped[dict[str, Any]] = mapped_column(Json)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Anew when it comes back after it was resolved."""
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    times: Mapped[int] = mapped_column(sa.BigInteger)
    """In how many runs it was found since ``first_seen_at``."""
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a run that would have found it did not."""


class AuditRun(Base):
    """The last time the self-audit looked at the books, or at what was written lately."""

    __tablename__ = "finding_runs"

    scope: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    """``books`` for all of them, or ``recent``."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    findings: Mapped[int] = mapped_column(sa.BigInteger)
    """How many it found."""
