"""Share links, and the keys in their hook URLs."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, Nano, RowId, UtcDateTime


class Link(Base):
    """One FastGPT share link as this service knows it."""

    __tablename__ = "links"
    __table_args__ = (
        sa.CheckConstraint("status IN ('active', 'disabled')", name="status"),
        sa.CheckConstraint("price_multiplier >= 0", name="price_multiplier"),
        sa.CheckConstraint("counting IN ('auto', 'inclusive', 'exclusive')", name="counting"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(120), unique=True)
    status: Mapped[str] = mapped_column(sa.String(10))
    """``active`` or ``disabled``; a disabled link refuses init and start, never finish."""
    share_url: Mapped[str | None] = mapped_column(sa.Text)
    """FastGPT's own address of the link, ``…/chat/share?shareId=…``: visitor URLs start with it."""
    locale: Mapped[str | None] = mapped_column(sa.String(10))
    messages: Mapped[dict[str, Any]] = mapped_column(Json)
    """The operator's own sentences: ``{code: {locale: text}}``."""
    issuers: Mapped[list[str] | None] = mapped_column(Json)
    """Names of the issuers whose tokens open this link; None for every active one."""
    allows_guests: Mapped[bool]
    guest_plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plans.id"))
    price_multiplier: Mapped[int] = mapped_column(Nano)
    limits: Mapped[dict[str, Any]] = mapped_column(Json)
    """``limits.LinkLimits``: all visitors of the link together."""
    visitor_limits: Mapped[dict[str, Any]] = mapped_column(Json)
    """``limits.VisitorLimits``: overrides of the plan's limits on this link."""
    guest_limits: Mapped[dict[str, Any]] = mapped_column(Json)
    """``limits.GuestLimits``: all guests of the link together."""
    counting: Mapped[str] = mapped_column(sa.String(10))
    """How parents count: ``auto``, ``inclusive`` or ``exclusive`` (see metering/README.md)."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LinkKey(Base):
    """A secret path segment that authenticates FastGPT's calls for one link."""

    __tablename__ = "link_keys"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    link_id: Mapped[int] = mapped_column(sa.ForeignKey("links.id"), index=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    sealed: Mapped[str] = mapped_column(sa.Text)
    """The key itself, encrypted, so that the root URL can be shown again."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Set when the key is rotated: it works until then beside its successor."""
