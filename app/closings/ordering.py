"""An order to close a month, as the settings say."""

from datetime import datetime, timedelta

from app.audit.journal import Actor
from app.closings.closing import Order
from app.config import Settings


def order_of(
    settings: Settings, month: int, *, actor: Actor, now: datetime, reason: str | None = None
) -> Order:
    return Order(
        month=month,
        zone=settings.zone,
        currency=settings.billing.currency,
        department_attribute=settings.statements.department_attribute or None,
        grace=timedelta(minutes=settings.statements.grace_minutes),
        actor=actor,
        now=now,
        reason=reason,
    )
