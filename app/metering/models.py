"""What each answered question used: events and their lines (append-only), and daily rollups."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, Nano, RowId, UtcDateTime


class UsageEvent(Base):
    """One finish. Append-only: the database refuses UPDATE and DELETE."""

    __tablename__ = "usage_events"
    __table_args__ = (
        sa.Index(None, "user_id", "received_at"),
        sa.Index(None, "link_id", "received_at"),
        sa.Index(None, "plan_id", "received_at", "id"),
        sa.Index(None, "segment_id", "received_at", "id"),
        sa.Index(None, "received_at", "id"),
        sa.Index(
            "ix_usage_events_with_warnings",
            "received_at",
            "id",
            sqlite_where=sa.text("warnings <> '{}'"),
            postgresql_where=sa.text("warnings <> '{}'"),
        ),
        sa.CheckConstraint("points >= 0 AND charge >= 0", name="never_a_credit"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    reference: Mapped[str] = mapped_column(sa.String(20), unique=True)
    """The short id in the reply and the log."""
    idempotency_key: Mapped[str] = mapped_column(sa.String(80), unique=True)
    """Fingerprint and ordinal: ``<hex>:1``; see turns/fingerprint.py."""
    fingerprint: Mapped[str] = mapped_column(sa.String(64), index=True)
    link_id: Mapped[int] = mapped_column(sa.ForeignKey("links.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plans.id"))
    price_version_id: Mapped[int | None] = mapped_column(sa.ForeignKey("price_versions.id"))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    app_name: Mapped[str | None] = mapped_column(sa.Text)
    chat_id: Mapped[str | None] = mapped_column(sa.Text, index=True)
    generation: Mapped[str] = mapped_column(sa.String(4))
    """The FastGPT generation the body looks like: ``G0`` to ``G5``."""
    billed_by: Mapped[str] = mapped_column(sa.String(10))
    """What proved the subject: ``token``, ``session`` or ``signature`` (expired)."""
    points: Mapped[int] = mapped_column(Nano)
    price_sum: Mapped[int | None] = mapped_column(Nano)
    """2023 bodies only: the raw sum in 1e-5 CNY from which ``points`` was converted."""
    charge: Mapped[int] = mapped_column(Nano)
    input_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    node_count: Mapped[int]
    running_time_ms: Mapped[int | None] = mapped_column(sa.BigInteger)
    body_bytes: Mapped[int]
    warnings: Mapped[dict[str, Any]] = mapped_column(Json)
    """``{warning code: how often}``; empty when all was understood."""
    arithmetic: Mapped[dict[str, Any]] = mapped_column(Json)
    """How the charge came about, step by step; see pricing/rating.py."""
    segment_id: Mapped[int | None] = mapped_column(RowId)
    """What the user was when the answer was billed: a ``UsageSegment``; None where nobody looked.

    No foreign key: a finish must not fail over what a process remembers.
    """


class UsageSegment(Base):
    """Attributes that users had together, such as a department; few.

    Never changed, but that values go which only people had who were erased since.
    """

    __tablename__ = "usage_segments"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """SHA-256 of the attributes as JSON; of its number where their values are gone."""
    attributes: Mapped[dict[str, str]] = mapped_column(Json)
    """Only those that reports follow and the user had; values are texts."""


class UsageLine(Base):
    """What one node of the answer used. Append-only.

    On PostgreSQL each month is a partition of its own; see lines/store.py.
    """

    __tablename__ = "usage_lines"
    __table_args__ = (
        sa.CheckConstraint("points >= 0 AND charge >= 0", name="never_a_credit"),
        {"postgresql_partition_by": "LIST (received_month)"},
    )

    event_id: Mapped[int] = mapped_column(sa.ForeignKey("usage_events.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    received_month: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The month (UTC) of the event's ``received_at``: 202611. Who asks by event names it too."""
    model: Mapped[str] = mapped_column(sa.Text)
    """The display name FastGPT sent; empty when it named none."""
    node_kind: Mapped[str] = mapped_column(sa.String(60))
    input_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    embedding_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    rerank_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    points: Mapped[int] = mapped_column(Nano)
    charge: Mapped[int] = mapped_column(Nano)
    is_covered: Mapped[bool]
    """No points here, though it was not free: another line has its cost. Prices go by it."""


class UsageArchive(Base):
    """What became of the lines of a month: archived, removed, put back. Append-only.

    The newest row of a month's part says where its lines are. The part's facts are repeated in
    each row, so that one row is enough to find and to judge the file.
    """

    __tablename__ = "usage_archives"
    __table_args__ = (
        sa.Index(None, "received_month"),
        sa.CheckConstraint("action IN ('created', 'removed', 'restored')", name="action"),
        sa.CheckConstraint("part > 0 AND after_event < last_event", name="part"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    received_month: Mapped[int] = mapped_column(sa.Integer)
    part: Mapped[int] = mapped_column(sa.Integer)
    """1, or more where lines came after the month was removed: from a spool, of an old finish."""
    action: Mapped[str] = mapped_column(sa.String(10))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(sa.String(200))
    after_event: Mapped[int] = mapped_column(sa.BigInteger)
    """The part has the lines of the month's events with ids above this, up to ``last_event``."""
    last_event: Mapped[int] = mapped_column(sa.BigInteger)
    line_count: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    """Of the Parquet file."""
    manifest: Mapped[dict[str, Any]] = mapped_column(Json)
    """As it lies beside the file; see archives/manifest.py."""


class UsageDay(Base):
    """Sums of a user's events on a link in one day of the operator's time zone."""

    __tablename__ = "usage_days"
    __table_args__ = (
        sa.Index(None, "link_id", "day"),
        sa.CheckConstraint(
            "questions >= 0 AND points >= 0 AND charge >= 0 "
            "AND input_tokens >= 0 AND output_tokens >= 0",
            name="never_a_credit",
        ),
    )

    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    link_id: Mapped[int] = mapped_column(sa.ForeignKey("links.id"), primary_key=True)
    is_guest: Mapped[bool]
    questions: Mapped[int] = mapped_column(sa.BigInteger)
    points: Mapped[int] = mapped_column(Nano)
    charge: Mapped[int] = mapped_column(Nano)
    input_tokens: Mapped[int] = mapped_column(sa.BigInteger)
    output_tokens: Mapped[int] = mapped_column(sa.BigInteger)


class QuarantinedFinish(Base):
    """A finish that could not become an event: kept whole (sealed) until somebody looks."""

    __tablename__ = "quarantined_finishes"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    reference: Mapped[str] = mapped_column(sa.String(20), unique=True)
    link_id: Mapped[int] = mapped_column(sa.ForeignKey("links.id"))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    reason: Mapped[str] = mapped_column(sa.String(60))
    digest: Mapped[str] = mapped_column(sa.String(64))
    body_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sealed_body: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    """Compressed and encrypted; None when it was larger than the service takes."""
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolution: Mapped[str | None] = mapped_column(sa.Text)
