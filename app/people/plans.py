"""Which plan a user has: their own, else the issuer's, else ``default``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy.orm import Session

from app.plans import store as plan_store
from app.plans.commands import DEFAULT_PLAN, GUEST_PLAN
from app.plans.models import Plan
from app.tokens import store as token_store
from app.tokens.issuers import IssuerSpec
from app.tokens.models import Issuer
from app.users.models import User


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans and issuers of one moment: few, loaded together for a page of many users."""

    by_id: Mapping[int, Plan]
    by_name: Mapping[str, Plan]
    issuers: Mapping[int, Issuer]
    defaults: Mapping[int, Plan]
    """By issuer."""

    @classmethod
    def load(cls, session: Session, configured: Sequence[IssuerSpec]) -> Self:
        """``configured`` are the issuers of the settings, whose word is newer than their rows'."""
        plans = plan_store.list_all(session)
        by_name = {plan.name: plan for plan in plans}
        issuers = {row.id: row for row in token_store.list_issuers(session)}
        stated = {spec.name: spec.default_plan for spec in configured}
        return cls(
            by_id={plan.id: plan for plan in plans},
            by_name=by_name,
            issuers=issuers,
            defaults={
                row.id: by_name.get(
                    stated.get(row.name, row.spec.get("default_plan")) or "",
                    by_name[DEFAULT_PLAN],
                )
                for row in issuers.values()
            },
        )

    def of(self, user: User) -> Plan:
        return self.defaults[user.issuer_id] if user.plan_id is None else self.by_id[user.plan_id]

    def on_link(self, user: User, guest_plan_id: int | None) -> Plan:
        """The plan on a link: guests without one of their own have the link's guest plan."""
        if user.plan_id is None and self.issuers[user.issuer_id].kind == "guest":
            return self.by_id.get(guest_plan_id or 0, self.by_name[GUEST_PLAN])
        return self.of(user)

    def issuers_giving(self, plan: Plan) -> frozenset[int]:
        """The issuers whose users have this plan unless they have one of their own."""
        return frozenset(key for key, default in self.defaults.items() if default.id == plan.id)
