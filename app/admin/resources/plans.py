"""Plans, as the API and the pages show and change them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.admin import versions
from app.admin.desk import Desk
from app.admin.inputs import Amount
from app.admin.paging import Page, PageQuery
from app.limits import VisitorLimits
from app.money import from_nano
from app.plans import commands, store
from app.plans.commands import PlanChange, PlanSpec
from app.plans.models import Plan


class PlanOut(BaseModel):
    """What a kind of visitor may do, and how far they may owe."""

    id: int
    name: str
    limits: VisitorLimits
    credit_limit: Amount | None = Field(
        description="How far below zero a wallet may go; null is without end."
    )
    price_multiplier: Amount
    monthly_credit: Amount = Field(
        description="Granted to each user every month; what is left expires at its end."
    )
    monthly_priority: int = Field(description="Among grants: the lowest is spent first.")
    created_at: datetime

    @classmethod
    def of(cls, plan: Plan) -> Self:
        credit = plan.credit_limit
        return cls(
            id=plan.id,
            name=plan.name,
            limits=VisitorLimits.model_validate(plan.limits),
            credit_limit=None if credit is None else from_nano(credit),
            price_multiplier=from_nano(plan.price_multiplier),
            monthly_credit=from_nano(plan.monthly_credit),
            monthly_priority=plan.monthly_priority,
            created_at=plan.created_at,
        )


class PlanPage(Page[PlanOut]):
    """Plans."""


def index(desk: Desk, query: PageQuery) -> PlanPage:
    """There are few: all of them are one page, whatever its limit."""
    del query
    with desk.db.read() as session:
        return PlanPage(items=[PlanOut.of(plan) for plan in store.list_all(session)])


def show(desk: Desk, name: str) -> PlanOut:
    with desk.db.read() as session:
        plan = store.get_by_name(session, name)
        versions.show(commands.describe(plan))
        return PlanOut.of(plan)


def create(desk: Desk, spec: PlanSpec) -> PlanOut:
    with desk.change() as session:
        plan = commands.create(session, spec, actor=desk.actor, now=desk.now)
        return _shown(session, plan)


def update(desk: Desk, name: str, change: PlanChange) -> PlanOut:
    with desk.change() as session:
        plan = store.get_by_name(session, name)
        versions.check(commands.describe(plan))
        commands.update(session, plan, change, actor=desk.actor, now=desk.now)
        return _shown(session, plan)


def _shown(session: Session, plan: Plan) -> PlanOut:
    session.flush()
    versions.show(commands.describe(plan))
    return PlanOut.of(plan)
