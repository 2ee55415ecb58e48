"""Issuers, the opaque tokens we mint ourselves, revocations, and visitors' sessions."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime


class Issuer(Base):
    """Somebody whose word about a visitor we take."""

    __tablename__ = "issuers"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    """``jwt``, ``opaque`` (our own tokens), ``guest`` (FastGPT's browser ids) or ``channel``."""
    origin: Mapped[str] = mapped_column(sa.String(10))
    """``builtin``, ``config`` (the row only gives it an id) or ``database``."""
    spec: Mapped[dict[str, Any]] = mapped_column(Json)
    """``tokens.issuers.IssuerSpec`` without its shared secrets."""
    sealed_secrets: Mapped[str | None] = mapped_column(sa.Text)
    status: Mapped[str] = mapped_column(sa.String(10))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Token(Base):
    """An opaque token minted here; the token itself is shown once and never stored."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    link_id: Mapped[int | None] = mapped_column(sa.ForeignKey("links.id"))
    """The only link it opens; None for any."""
    is_one_time: Mapped[bool]
    """It opens one session; when that has ended it opens no other."""
    label: Mapped[str | None] = mapped_column(sa.String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RevokedToken(Base):
    """A token of another issuer that must not be taken any more."""

    __tablename__ = "revoked_tokens"

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    revoked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(sa.Text)


class VisitorSession(Base):
    """A link opened with a token that was valid then; it carries the visitor past expiry."""

    __tablename__ = "visitor_sessions"
    __table_args__ = (sa.UniqueConstraint("token_digest", "link_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    token_digest: Mapped[str] = mapped_column(sa.String(64))
    link_id: Mapped[int] = mapped_column(sa.ForeignKey("links.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
