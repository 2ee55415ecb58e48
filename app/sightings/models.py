"""What FastGPT sent lately and why visitors were refused: for people, never for the books.

No foreign keys: rows are written in batches, a moment after the call was answered, and none may
stop the others because its user or link is not in these books (a backup was put back).
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, RowId, UtcDateTime
from app.sightings.sighting import CALLED_CHARS_MAX, MESSAGE_CHARS_MAX

NO_LINK = 0
"""Stands for a link where a key must not be NULL."""


class Refusal(Base):
    """One hook call that was not answered with yes. Never changed, pruned by age."""

    __tablename__ = "refusals"
    __table_args__ = (
        sa.Index(None, "link_id", "at"),
        sa.Index(None, "uid", "at"),
        sa.Index(None, "code", "at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    reference: Mapped[str] = mapped_column(sa.String(20), unique=True)
    """The short id that the visitor read, and that is in the log."""
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    hook: Mapped[str] = mapped_column(sa.String(10))
    """``init``, ``start``, ``finish`` or ``other``."""
    code: Mapped[str] = mapped_column(sa.String(60))
    """The rule or reason, as in the answer."""
    link_id: Mapped[int | None] = mapped_column(RowId)
    """None: the call reached no link."""
    user_id: Mapped[int | None] = mapped_column(RowId)
    uid: Mapped[str | None] = mapped_column(sa.String(64))
    """Who, where the token told; also of those who have no row in ``users``."""
    issuer: Mapped[str | None] = mapped_column(sa.String(80))
    subject: Mapped[str | None] = mapped_column(sa.Text)
    address: Mapped[str] = mapped_column(sa.String(64))
    """Of the caller, which is FastGPT's server as a rule."""
    called: Mapped[str] = mapped_column(sa.String(CALLED_CHARS_MAX))
    """Method and path, in the form of ``addresses.shown``."""
    message: Mapped[str] = mapped_column(sa.String(MESSAGE_CHARS_MAX))
    """One English sentence for operators."""
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    """What the refusal named: ``limit``, ``wait_s``, ``balance``."""


class LinkCall(Base):
    """All calls of one hook of one link that were answered with one code."""

    __tablename__ = "link_calls"

    link_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    hook: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    """``ok``, or why not."""
    count: Mapped[int] = mapped_column(sa.BigInteger)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reference: Mapped[str] = mapped_column(sa.String(20))
    """Of the last one, and so are the following."""
    address: Mapped[str] = mapped_column(sa.String(64))
    called: Mapped[str | None] = mapped_column(sa.String(CALLED_CHARS_MAX))
    """Of a refused one, as in ``Refusal``."""
    generation: Mapped[str | None] = mapped_column(sa.String(4))
    """Of FastGPT, as an answered ``finish`` showed it."""


class RefusalCount(Base):
    """How often calls were refused for one reason in one quarter of an hour.

    Exact where ``refusals`` is capped. Quarters, because every time zone's hours and days begin
    on one.
    """

    __tablename__ = "refusal_counts"

    quarter: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    """Its beginning."""
    link_id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    """``NO_LINK`` for calls that reached none."""
    hook: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    count: Mapped[int] = mapped_column(sa.BigInteger)
