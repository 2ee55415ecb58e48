"""What is made and sent regularly, and every time it was."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime


class Schedule(Base):
    """Something that is made at certain times and sent somewhere."""

    __tablename__ = "schedules"
    __table_args__ = (
        sa.CheckConstraint("every IN ('day', 'week', 'month', 'closing')", name="every"),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        sa.CheckConstraint("day BETWEEN 1 AND 28", name="day"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    """Of ``kinds.MAKERS``."""
    parameters: Mapped[dict[str, Any]] = mapped_column(Json)
    """Of the kind's own model."""
    every: Mapped[str] = mapped_column(sa.String(10))
    """``day``, ``week`` or ``month`` by the clock, or ``closing``: after each month is closed."""
    at: Mapped[str] = mapped_column(sa.String(5))
    """``06:00``, by the clock of ``time_zone``."""
    weekday: Mapped[int]
    """Of weeks; Monday is 0."""
    day: Mapped[int]
    """Of months."""
    time_zone: Mapped[str] = mapped_column(sa.String(60))
    destination_ids: Mapped[list[int]] = mapped_column(Json)
    is_enabled: Mapped[bool]
    owner: Mapped[str] = mapped_column(sa.String(200))
    """Who made it: it may use their saved views, and shared ones."""
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    """None while it is off, or waits for a closing."""
    watches_from: Mapped[datetime] = mapped_column(UtcDateTime)
    """Closings before then are none of its business: when it was last switched on."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ScheduleRun(Base):
    """One period of a schedule: once each, however often it is made again."""

    __tablename__ = "schedule_runs"
    __table_args__ = (
        sa.UniqueConstraint("schedule_id", "period"),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name="state"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(sa.ForeignKey("schedules.id"))
    period: Mapped[str] = mapped_column(sa.String(20))
    """Such as 2026-11-25, 2026-W48 or 2026-11."""
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    asked_by: Mapped[str] = mapped_column(sa.String(200))
    state: Mapped[str] = mapped_column(sa.String(10), index=True)
    job_id: Mapped[int | None] = mapped_column(RowId)
    """Of the background job that makes it, or made it last."""
    is_again: Mapped[bool]
    """It was asked for anew: also what was delivered is sent again."""
    error: Mapped[str | None] = mapped_column(sa.Text)
    delivery_ids: Mapped[list[int]] = mapped_column(Json)
    manifest: Mapped[dict[str, Any] | None] = mapped_column(Json)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
