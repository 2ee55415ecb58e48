"""Every SQL statement on plans."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.plans.models import Plan
from app.upserts import insert_ignoring


class PlanNotFound(NotFound):
    """No plan has this name."""

    code = "plan_not_found"


def find_by_name(session: Session, name: str) -> Plan | None:
    return session.scalar(sa.select(Plan).where(Plan.name == name))


def get_by_name(session: Session, name: str) -> Plan:
    """The plan of that name.

    Raises:
        PlanNotFound: there is none.
    """
    plan = find_by_name(session, name)
    if plan is None:
        raise PlanNotFound(f"there is no plan named {name!r}; `shareauth plans list` shows them")
    return plan


def list_all(session: Session) -> Sequence[Plan]:
    """All plans, by name."""
    return session.scalars(sa.select(Plan).order_by(Plan.name)).all()


def insert_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when a plan of that name exists."""
    return insert_ignoring(Plan, session, [row]) == 1
