"""Publish prices. A version is never changed: a new one takes over at its time."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app import revision
from app.audit import journal
from app.audit.journal import Actor
from app.errors import Conflict, Invalid
from app.moments import Moment
from app.pricing import store
from app.pricing.book import PriceBook
from app.pricing.models import PriceVersion


class PriceSpec(BaseModel):
    """A price book and when it takes effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    book: PriceBook
    effective_at: Moment | None = None
    """None: at once."""
    note: str | None = Field(default=None, max_length=1000, pattern=r"^[^\x00]*$")


def check(
    session: Session, spec: PriceSpec, *, currency: str, now: datetime
) -> PriceVersion | None:
    """The version that these prices would take over from, if they may be published.

    ``currency`` is the one the wallets are kept in.

    Raises:
        Invalid: another currency (``currency_mismatch``), or a time in the past (``too_late``).
        Conflict: the same book would be in force then anyway (``prices_unchanged``).
    """
    effective_at = spec.effective_at or now
    if spec.book.currency != currency:
        raise Invalid(
            f"the book is in {spec.book.currency}, the wallets are in {currency}: "
            "prices are in the currency of billing.currency",
            code="currency_mismatch",
        )
    if effective_at < now and store.has_any(session):
        raise Invalid(
            "prices cannot change in the past: answers were charged by the version then in force",
            code="too_late",
        )
    before = store.find_in_force(session, effective_at)
    if before is not None and before.digest == spec.book.digest():
        raise Conflict(
            f"version {before.id} with the same prices is in force then", code="prices_unchanged"
        )
    return before


def publish(
    session: Session, spec: PriceSpec, *, currency: str, actor: Actor, now: datetime
) -> PriceVersion:
    """The new version. Only the very first one may take effect in the past.

    Raises:
        Invalid, Conflict: as ``check``.
    """
    before = check(session, spec, currency=currency, now=now)
    digest = spec.book.digest()
    effective_at = spec.effective_at or now
    version = PriceVersion(
        effective_at=effective_at,
        document=spec.book.document(),
        digest=digest,
        note=spec.note,
        created_at=now,
        created_by=actor.name,
    )
    session.add(version)
    session.flush()
    journal.record(
        session,
        actor=actor,
        action="prices.publish",
        subject=("price_version", version.id),
        now=now,
        change=(
            None if before is None else {"version": before.id, "digest": before.digest},
            {"effective_at": effective_at.isoformat(), "digest": digest, "book": version.document},
        ),
        reason=spec.note,
    )
    revision.bump(session)
    return version
