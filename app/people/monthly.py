"""What each user's plan gives them this month."""

from collections.abc import Collection, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.admission.periods import periods_at
from app.ledger.credit.monthly import Monthly
from app.people.plans import Plans
from app.tokens.issuers import IssuerSpec
from app.users import store as user_store


def monthly_credit(
    session: Session,
    user_ids: Collection[int],
    *,
    configured: Sequence[IssuerSpec],
    zone: ZoneInfo,
    now: datetime,
    without_asking: bool = False,
) -> dict[int, Monthly]:
    """By user; those whose plan gives nothing are absent, so are guests and who may not ask.

    With ``without_asking`` only who may owe without end: the gate never asks the books about them.
    """
    plans = Plans.load(session, configured)
    periods = periods_at(now, zone)
    found = {}
    for user in user_store.load_by_ids(session, user_ids).values():
        plan = plans.of(user)
        is_guest = plans.issuers[user.issuer_id].kind == "guest"
        if not plan.monthly_credit or is_guest or user.status != "active":
            continue
        if without_asking and plan.credit_limit is not None:
            continue
        found[user.id] = Monthly(
            plan_id=plan.id,
            plan_name=plan.name,
            amount=plan.monthly_credit,
            priority=plan.monthly_priority,
            month=f"{periods.month_begins_on:%Y-%m}",
            ends_at=periods.month.ends_at,
        )
    return found
