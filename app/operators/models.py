"""Who may work in the admin: operators, their sessions, API tokens, and failed sign-ins."""

import re
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,79}")
"""What an operator's name looks like."""


class Operator(Base):
    """A person with a role. Signs in with a password, through an OIDC provider, or both."""

    __tablename__ = "operators"
    __table_args__ = (
        sa.UniqueConstraint("oidc_issuer", "oidc_subject"),
        sa.CheckConstraint("status IN ('active', 'disabled')", name="status"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    """What they sign in with: lower case."""
    display_name: Mapped[str | None] = mapped_column(sa.String(200))
    email: Mapped[str | None] = mapped_column(sa.String(254))
    role: Mapped[str] = mapped_column(sa.String(20))
    link_ids: Mapped[list[int] | None] = mapped_column(Json)
    """The only links they may see; None: all."""
    locale: Mapped[str | None] = mapped_column(sa.String(10))
    status: Mapped[str] = mapped_column(sa.String(10))
    password_hash: Mapped[str | None] = mapped_column(sa.Text)
    """argon2id; None: this operator has no password."""
    must_change_password: Mapped[bool]
    sealed_totp_secret: Mapped[str | None] = mapped_column(sa.Text)
    totp_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None with a secret: enrolment was begun and not confirmed."""
    totp_last_step: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The time step of the last code that was taken: none is taken twice."""
    recovery_codes: Mapped[list[str]] = mapped_column(Json)
    """Keyed digests of the codes that are left."""
    oidc_issuer: Mapped[str | None] = mapped_column(sa.String(500))
    oidc_subject: Mapped[str | None] = mapped_column(sa.String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_login_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OperatorSession(Base):
    """One browser that is signed in. The cookie holds a secret; the digest is here."""

    __tablename__ = "operator_sessions"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    operator_id: Mapped[int] = mapped_column(sa.ForeignKey("operators.id"), index=True)
    method: Mapped[str] = mapped_column(sa.String(10))
    """``password`` or ``oidc``."""
    is_complete: Mapped[bool]
    """False: the password was right and the second factor is still to come."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    address: Mapped[str | None] = mapped_column(sa.String(64))
    user_agent: Mapped[str | None] = mapped_column(sa.String(300))


class ApiToken(Base):
    """A program's credential for the JSON API: never more than its owner may."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    start: Mapped[str] = mapped_column(sa.String(12))
    """The first characters, to tell tokens apart."""
    name: Mapped[str] = mapped_column(sa.String(120))
    operator_id: Mapped[int] = mapped_column(sa.ForeignKey("operators.id"), index=True)
    scopes: Mapped[list[str]] = mapped_column(Json)
    """Permissions; the token has those of them that its owner has."""
    link_ids: Mapped[list[int] | None] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_address: Mapped[str | None] = mapped_column(sa.String(64))
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginFailure(Base):
    """A sign-in that failed lately: what throttling counts."""

    __tablename__ = "login_failures"
    __table_args__ = (
        sa.Index(None, "name_digest", "at"),
        sa.Index(None, "address", "at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    """What was guessed at: ``password`` or ``code``."""
    name_digest: Mapped[str] = mapped_column(sa.String(64))
    """Of what was typed as the name, which may have been a password."""
    address: Mapped[str] = mapped_column(sa.String(64))
    """An IPv4 address or an IPv6 network."""
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def described(operator: Operator) -> dict[str, Any]:
    """The operator as JSON, without any secret."""
    return {
        "name": operator.name,
        "display_name": operator.display_name,
        "email": operator.email,
        "role": operator.role,
        "link_ids": operator.link_ids,
        "locale": operator.locale,
        "status": operator.status,
        "has_password": operator.password_hash is not None,
        "must_change_password": operator.must_change_password,
        "has_second_factor": operator.totp_confirmed_at is not None,
        "oidc_issuer": operator.oidc_issuer,
        "oidc_subject": operator.oidc_subject,
    }
