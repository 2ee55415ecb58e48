"""Alerts, the rules that give them, where they go, and what became of each message."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime

_SEVERITIES = "('info', 'warning', 'critical')"


class AlertRule(Base):
    """A changed rule; a condition without a row goes by ``conditions.DEFAULTS``."""

    __tablename__ = "alert_rules"
    __table_args__ = (
        sa.UniqueConstraint("condition", "subject"),
        sa.CheckConstraint(f"severity IN {_SEVERITIES}", name="severity"),
        sa.CheckConstraint("repeat_after_s >= 0", name="repeat_after"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    condition: Mapped[str] = mapped_column(sa.String(30))
    subject: Mapped[str] = mapped_column(sa.String(80))
    """Empty for all, else ``user:7`` or ``link:3``."""
    is_enabled: Mapped[bool]
    severity: Mapped[str] = mapped_column(sa.String(10))
    repeat_after_s: Mapped[int] = mapped_column(sa.BigInteger)
    thresholds: Mapped[dict[str, Any]] = mapped_column(Json)
    """Of the condition's own model in ``conditions``."""


class Alert(Base):
    """One stretch of time in which a condition was met by a subject."""

    __tablename__ = "alerts"
    __table_args__ = (sa.CheckConstraint(f"severity IN {_SEVERITIES}", name="severity"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    condition: Mapped[str] = mapped_column(sa.String(30))
    subject: Mapped[str] = mapped_column(sa.String(200))
    """``user:7``, ``link:3/month``, ``machine:web-1`` and the like; see docs/alerts.md."""
    subject_name: Mapped[str] = mapped_column(sa.Text)
    severity: Mapped[str] = mapped_column(sa.String(10))
    level: Mapped[int]
    """How bad: the percentage reached of a budget, else 1. It is told when it rises."""
    facts: Mapped[dict[str, Any]] = mapped_column(Json)
    """The numbers of the message, amounts as text."""
    open_key: Mapped[str | None] = mapped_column(sa.String(240), unique=True)
    """Condition and subject while it is open: there is one open alert of each."""
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the last message of it was written."""
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Destination(Base):
    """Where alerts go."""

    __tablename__ = "alert_destinations"
    __table_args__ = (
        sa.CheckConstraint(
            "kind IN ('webhook', 'email', 'wecom', 'feishu', 'dingtalk')", name="kind"
        ),
        sa.CheckConstraint(f"min_severity IN {_SEVERITIES}", name="min_severity"),
        sa.CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    is_enabled: Mapped[bool]
    shown: Mapped[str] = mapped_column(sa.Text)
    """What may be shown of the address: the host of a URL, the addresses of an e-mail."""
    sealed: Mapped[str] = mapped_column(sa.Text)
    """``addressing.Address`` as JSON, encrypted: the whole URL, for it holds a bot's key, and the
    secrets."""
    locale: Mapped[str] = mapped_column(sa.String(10))
    min_severity: Mapped[str] = mapped_column(sa.String(10))
    conditions: Mapped[list[str] | None] = mapped_column(Json)
    """Only these; None: all."""
    quiet_from: Mapped[str | None] = mapped_column(sa.String(5))
    """``22:00``, by the clock of ``time_zone``."""
    quiet_until: Mapped[str | None] = mapped_column(sa.String(5))
    time_zone: Mapped[str] = mapped_column(sa.String(60))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Delivery(Base):
    """One message to one destination. Written with what it speaks of, sent afterwards."""

    __tablename__ = "alert_deliveries"
    __table_args__ = (
        sa.Index(None, "status", "due_at"),
        sa.Index(None, "destination_id", "attempted_at"),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'dead', 'skipped', 'folded')", name="status"
        ),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    message_id: Mapped[str] = mapped_column(sa.String(40), unique=True)
    """The same at every attempt: ``webhook-id``."""
    destination_id: Mapped[int] = mapped_column(sa.ForeignKey("alert_destinations.id"))
    alert_id: Mapped[int | None] = mapped_column(sa.ForeignKey("alerts.id"), index=True)
    """None: a test, or a digest of several."""
    event: Mapped[str] = mapped_column(sa.String(20))
    """``opened``, ``escalated``, ``repeated``, ``resolved``, ``digest`` or ``test``."""
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    """What webhooks are sent; the texts of the others are made of it."""
    status: Mapped[str] = mapped_column(sa.String(10))
    """``pending``, ``delivered``, ``dead`` (tried for a day), ``skipped`` (over before it was sent)
    or ``folded`` (into a digest)."""
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    attempted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease: Mapped[str | None] = mapped_column(sa.String(40))
    """Who is sending it, until ``leased_until``: nobody else does meanwhile."""
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(sa.Text)
    """Why the last attempt failed."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
