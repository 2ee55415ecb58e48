"""Where finished files go, what is to be sent there, and every attempt at it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime


class FileDestination(Base):
    """Where files go."""

    __tablename__ = "delivery_destinations"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('directory', 's3', 'webhook', 'mail')", name="kind"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    is_enabled: Mapped[bool]
    locale: Mapped[str] = mapped_column(sa.String(10))
    """Of what is written to people."""
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    """What of the address may be shown: a bucket, a path, the host of a URL, recipients."""
    sealed: Mapped[str] = mapped_column(sa.Text)
    """``address.Address`` as JSON, encrypted: whole URLs and every secret."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Delivery(Base):
    """Some files with their manifest on the way to one destination."""

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.UniqueConstraint("destination_id", "key"),
        sa.Index(None, "status", "due_at"),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'dead', 'given_up')", name="status"),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    destination_id: Mapped[int] = mapped_column(sa.ForeignKey("delivery_destinations.id"))
    key: Mapped[str] = mapped_column(sa.String(120))
    """Once for each destination: the same files are the same delivery, whoever asks again."""
    subject: Mapped[str] = mapped_column(sa.Text)
    summary: Mapped[str] = mapped_column(sa.Text)
    """For the body of mail."""
    summary_html: Mapped[str] = mapped_column(sa.Text)
    manifest: Mapped[dict[str, Any]] = mapped_column(Json)
    files: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    """``orders.DeliveredFile`` each: path on the machine, name, media type, SHA-256, size."""
    home: Mapped[str] = mapped_column(sa.String(40))
    """Whose outbox the files are in: only a worker with that directory can send them."""
    asked_by: Mapped[str] = mapped_column(sa.String(200))
    status: Mapped[str] = mapped_column(sa.String(10))
    """``pending``, ``delivered``, ``dead`` (tried for a day) or ``given_up`` (by somebody)."""
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    lease: Mapped[str | None] = mapped_column(sa.String(40))
    """Who is sending it, until ``leased_until``: nobody else does meanwhile."""
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(sa.Text)
    """Why the last attempt failed."""
    place: Mapped[str | None] = mapped_column(sa.Text)
    """Where it lies, once delivered."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DeliveryAttempt(Base):
    """One attempt to send a delivery. Written when it begins."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (
        sa.CheckConstraint("outcome IN ('delivered', 'failed', 'interrupted')", name="outcome"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(sa.ForeignKey("deliveries.id"), index=True)
    lease: Mapped[str] = mapped_column(sa.String(40))
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(sa.String(12))
    """None while it is under way; ``interrupted``: its worker was never heard of again."""
    error: Mapped[str | None] = mapped_column(sa.Text)
