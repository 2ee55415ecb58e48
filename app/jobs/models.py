"""Work that takes longer than anybody waits: asked for here, done by a worker process."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime


class BackgroundJob(Base):
    """One piece of work, how far it is, and what came of it."""

    __tablename__ = "jobs"
    __table_args__ = (
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"
        ),
        sa.CheckConstraint(
            "(state = 'running') = (runner IS NOT NULL) "
            "AND (state = 'running') = (leased_until IS NOT NULL)",
            name="runner",
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name="finished_at",
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(40))
    """Names the handler."""
    parameters: Mapped[dict[str, Any]] = mapped_column(Json)
    operator_id: Mapped[int | None] = mapped_column(RowId)
    asked_by: Mapped[str] = mapped_column(sa.String(200))
    state: Mapped[str] = mapped_column(sa.String(10), index=True)
    """``queued``, ``running``, ``done``, ``failed`` or ``cancelled``."""
    done: Mapped[int] = mapped_column(sa.BigInteger)
    total: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Of what ``done`` counts; None while nobody knows."""
    message: Mapped[str | None] = mapped_column(sa.Text)
    """What it is at, or why it failed."""
    saved: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """From where its handler goes on after an interruption."""
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    error_code: Mapped[str | None] = mapped_column(sa.String(80))
    attempts: Mapped[int]
    """How often it was begun since it last got ahead, unless a stopping worker gave it back."""
    runner: Mapped[str | None] = mapped_column(sa.String(64))
    """Who runs it: a random name for each attempt. Whoever has another one may not write."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Not begun before then."""
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """A runner that has not been heard of by then is taken for dead."""
    cancel_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
