"""What every installation has: the built-in issuers and plans, first prices, configured issuers."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.audit.journal import Actor
from app.config import Settings
from app.db import Database
from app.plans import commands as plan_commands
from app.plans import store as plan_store
from app.pricing import commands as price_commands
from app.pricing import store as price_store
from app.pricing.book import PriceBook
from app.pricing.commands import PriceSpec
from app.tokens import issuer_commands, issuers
from app.tokens import store as token_store
from app.tokens.issuer_commands import BUILTIN_ORIGIN, CONFIG_ORIGIN
from app.tokens.issuers import IssuerSpec

FIRST_PRICES = "A FastGPT point costs one unit of the currency, until you publish your own prices."


def ensure(db: Database, settings: Settings, *, actor: Actor, now: datetime) -> bool:
    """Make what is missing; returns whether anything was. Safe from several processes at once.

    Raises:
        Invalid: an issuer in the settings cannot be used.
        Conflict: it clashes with one in the database.
    """
    currency = settings.billing.currency
    configured = issuers.parse_configured(settings.issuers)
    with db.read() as session:
        if _is_laid(session, configured):
            return False
    with db.begin() as session:
        issuer_commands.ensure_builtin(session, actor=actor, now=now)
        issuer_commands.ensure_config(session, configured, actor=actor, now=now)
        plan_commands.ensure_builtin(session, actor=actor, now=now)
        if not price_store.has_any(session):
            spec = PriceSpec(book=PriceBook(currency=currency), note=FIRST_PRICES)
            price_commands.publish(session, spec, currency=currency, actor=actor, now=now)
    return True


def _is_laid(session: Session, configured: tuple[IssuerSpec, ...]) -> bool:
    wanted = {(spec.name, spec.kind, BUILTIN_ORIGIN) for spec in issuers.BUILTIN}
    wanted |= {(spec.name, spec.kind, CONFIG_ORIGIN) for spec in configured}
    rows = token_store.list_issuers(session)
    if wanted - {(row.name, row.kind, row.origin) for row in rows}:
        return False
    if not price_store.has_any(session):
        return False
    plans = {plan.name for plan in plan_store.list_all(session)}
    return not {spec.name for spec in plan_commands.BUILTIN} - plans
