"""What an operator may do to plans, and the two plans every installation has."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app import revision
from app.audit import journal
from app.audit.journal import Actor
from app.errors import Conflict
from app.limits import VisitorLimits
from app.money import format_nano, to_nano
from app.plans import store
from app.plans.models import Plan

DEFAULT_PLAN = "default"
GUEST_PLAN = "guest"


def _plain(name: str) -> str:
    if name != name.strip() or not name.isprintable():
        raise ValueError("must be printable and not begin or end with a blank")
    return name


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_plain)]
Multiplier = Annotated[Decimal, Field(ge=0, le=1000, decimal_places=9)]
Credit = Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=9)]
Priority = Annotated[int, Field(ge=0, le=99)]


class PlanSpec(BaseModel):
    """A whole plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    limits: VisitorLimits = VisitorLimits()
    credit_limit: Credit | None = Decimal(0)
    """How far below zero a wallet may go, in its currency: 0 is prepaid, None is without end."""
    price_multiplier: Multiplier = Decimal(1)
    """Charges are multiplied by it; 0 makes the plan free."""
    monthly_credit: Credit = Decimal(0)
    """Granted to each user of the plan every month; what is left expires at the month's end."""
    monthly_priority: Priority = 50
    """Of the monthly credit among other grants: the lower is spent first."""


class PlanChange(BaseModel):
    """What to change; only fields that are given change, also when given as None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: VisitorLimits | None = None
    """Replaces all limits; None lifts them all."""
    credit_limit: Credit | None = None
    price_multiplier: Multiplier | None = None
    monthly_credit: Credit | None = None
    monthly_priority: Priority | None = None


BUILTIN = (
    PlanSpec(
        name=DEFAULT_PLAN,
        limits=VisitorLimits(questions_per_minute=20, burst=10, open_questions=5),
    ),
    PlanSpec(
        # Nobody can be asked to pay for a guest: tight limits instead of a price.
        name=GUEST_PLAN,
        limits=VisitorLimits(
            questions_per_minute=6, burst=3, questions_per_day=30, open_questions=2
        ),
        price_multiplier=Decimal(0),
    ),
)


def create(session: Session, spec: PlanSpec, *, actor: Actor, now: datetime) -> Plan:
    """The new plan.

    Raises:
        Conflict: a plan of that name exists (``plan_exists``).
    """
    if not store.insert_if_new(session, _row(spec, now)):
        raise Conflict(f"there is a plan named {spec.name!r} already", code="plan_exists")
    return _created(session, spec.name, actor=actor, now=now)


def update(
    session: Session, plan: Plan, change: PlanChange, *, actor: Actor, now: datetime
) -> Plan:
    before = describe(plan)
    given = change.model_fields_set
    if "limits" in given:
        plan.limits = (change.limits or VisitorLimits()).stored()
    if "credit_limit" in given:
        plan.credit_limit = None if change.credit_limit is None else to_nano(change.credit_limit)
    if change.price_multiplier is not None:
        plan.price_multiplier = to_nano(change.price_multiplier)
    if change.monthly_credit is not None:
        plan.monthly_credit = to_nano(change.monthly_credit)
    if change.monthly_priority is not None:
        plan.monthly_priority = change.monthly_priority
    session.flush()
    journal.record(
        session,
        actor=actor,
        action="plans.update",
        subject=("plan", plan.id),
        now=now,
        change=(before, describe(plan)),
    )
    revision.bump(session)
    return plan


def ensure_builtin(session: Session, *, actor: Actor, now: datetime) -> None:
    """Create ``default`` and ``guest`` where they are missing; what exists stays as it is.

    Safe to run from several processes at once.
    """
    for spec in BUILTIN:
        if store.find_by_name(session, spec.name) is None and store.insert_if_new(
            session, _row(spec, now)
        ):
            _created(session, spec.name, actor=actor, now=now)


def describe(plan: Plan) -> dict[str, Any]:
    """The plan as JSON, amounts as decimal text."""
    credit = plan.credit_limit
    return {
        "name": plan.name,
        "limits": plan.limits,
        "credit_limit": None if credit is None else format_nano(credit),
        "price_multiplier": format_nano(plan.price_multiplier),
        "monthly_credit": format_nano(plan.monthly_credit),
        "monthly_priority": plan.monthly_priority,
    }


def _created(session: Session, name: str, *, actor: Actor, now: datetime) -> Plan:
    plan = store.get_by_name(session, name)
    journal.record(
        session,
        actor=actor,
        action="plans.create",
        subject=("plan", plan.id),
        now=now,
        change=(None, describe(plan)),
    )
    revision.bump(session)
    return plan


def _row(spec: PlanSpec, now: datetime) -> dict[str, object]:
    credit = spec.credit_limit
    return {
        "name": spec.name,
        "limits": spec.limits.stored(),
        "credit_limit": None if credit is None else to_nano(credit),
        "price_multiplier": to_nano(spec.price_multiplier),
        "monthly_credit": to_nano(spec.monthly_credit),
        "monthly_priority": spec.monthly_priority,
        "created_at": now,
    }
