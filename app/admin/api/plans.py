"""``/plans``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources import plans
from app.admin.resources.plans import PlanOut, PlanPage
from app.plans.commands import PlanChange, PlanSpec

section = Section("plans", "Plans")


@section.get("/plans", permission="plans:read")
def list_plans(desk: Desk, query: PageQuery) -> PlanPage:
    """List plans, by name."""
    return plans.index(desk, query)


@section.post("/plans", permission="plans:write", status=201, versioned=True)
def create_plan(desk: Desk, body: PlanSpec) -> PlanOut:
    """Create a plan."""
    return plans.create(desk, body)


@section.get("/plans/<name>", permission="plans:read", versioned=True)
def get_plan(desk: Desk, name: str) -> PlanOut:
    """Show one plan."""
    return plans.show(desk, name)


@section.patch("/plans/<name>", permission="plans:write", versioned=True)
def update_plan(desk: Desk, name: str, body: PlanChange) -> PlanOut:
    """Change a plan.

    Only what is given changes. It holds from the next question on.
    """
    return plans.update(desk, name, body)
