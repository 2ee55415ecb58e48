"""The plans and issuers of one moment, and contexts made of rows with their help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from app.config import Locale
from app.errors import ServiceError, Unavailable
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.links.models import Link
from app.money import from_nano
from app.plans.commands import DEFAULT_PLAN, GUEST_PLAN
from app.plans.models import Plan
from app.tokens.issuers import RESERVED
from app.tokens.known import KnownIssuer, KnownIssuers
from app.turns.link_context import LinkContext, PlanContext, UserContext
from app.users.models import User
from app.users.profile import LOCALES


@dataclass(frozen=True, slots=True)
class Household:
    """Few and used by every call: loaded together."""

    issuers: KnownIssuers
    plans: Mapping[int, PlanContext]
    plans_by_name: Mapping[str, PlanContext]

    @classmethod
    def of(cls, issuers: KnownIssuers, plan_rows: Sequence[Plan]) -> Self:
        """The household of these rows.

        Raises:
            ServiceError: what every installation has is missing.
        """
        plans = [plan_context(row) for row in plan_rows]
        by_name = {plan.name: plan for plan in plans}
        if not {DEFAULT_PLAN, GUEST_PLAN} <= set(by_name) or not set(issuers.by_name) >= RESERVED:
            raise ServiceError("built-in plans or issuers are missing: start the service anew")
        return cls(issuers, {plan.id: plan for plan in plans}, by_name)

    def issuer(self, issuer_id: int) -> KnownIssuer:
        """The issuer of that id.

        Raises:
            Unavailable: it is newer than what is remembered; the news is on its way.
        """
        found = self.issuers.by_id.get(issuer_id)
        if found is None:
            raise Unavailable(f"issuer {issuer_id} is not known here yet")
        return found

    def plan_of(self, user: User | None, issuer: KnownIssuer) -> PlanContext:
        """The user's own plan, else the issuer's, else ``default``."""
        named = None if issuer.spec is None else issuer.spec.default_plan
        fallback = self.plans_by_name.get(named or "", self.plans_by_name[DEFAULT_PLAN])
        own = None if user is None or user.plan_id is None else user.plan_id
        return fallback if own is None else self.plans.get(own, fallback)

    def plan_id(self, name: str | None) -> int | None:
        """The id of the plan a claim names; a name no plan has counts as not said."""
        plan = self.plans_by_name.get(name or "")
        return None if plan is None else plan.id


def plan_of(household: Household, user: User) -> PlanContext:
    """The plan whose limits a user has."""
    return household.plan_of(user, household.issuer(user.issuer_id))


def plan_context(row: Plan) -> PlanContext:
    return PlanContext(
        id=row.id,
        name=row.name,
        limits=VisitorLimits.model_validate(row.limits),
        credit_limit=row.credit_limit,
        price_multiplier=from_nano(row.price_multiplier),
        monthly_credit=row.monthly_credit,
        monthly_priority=row.monthly_priority,
    )


def link_context(row: Link, household: Household, *, revision: int) -> LinkContext:
    guest_plan = household.plans_by_name[GUEST_PLAN]
    if row.guest_plan_id is not None:
        guest_plan = household.plans.get(row.guest_plan_id, guest_plan)
    return LinkContext(
        id=row.id,
        name=row.name,
        status=row.status,
        locale=_locale(row.locale),
        messages=row.messages,
        issuers=None if row.issuers is None else frozenset(row.issuers),
        allows_guests=row.allows_guests,
        guest_plan=guest_plan,
        price_multiplier=from_nano(row.price_multiplier),
        limits=LinkLimits.model_validate(row.limits),
        visitor_limits=VisitorLimits.model_validate(row.visitor_limits),
        guest_limits=GuestLimits.model_validate(row.guest_limits),
        counting=row.counting,
        share_url=row.share_url,
        revision=revision,
    )


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user as remembered, before the link they come through has its say about a guest's plan."""

    context: UserContext
    has_own_plan: bool


def known_user(
    row: User | None, *, issuer: KnownIssuer, subject: str, uid: str, household: Household
) -> KnownUser:
    """Also of somebody who has no row: then with ``id`` None, active, and without overrides."""
    plan = household.plan_of(row, issuer)
    if row is None:
        nobody = UserContext(
            id=None,
            uid=uid,
            issuer_name=issuer.name,
            subject=subject,
            name=None,
            locale=None,
            status="active",
            plan=plan,
            limits=VisitorLimits(),
            tokens_valid_after=None,
            is_channel=issuer.kind == "channel",
        )
        return KnownUser(nobody, has_own_plan=False)
    context = UserContext(
        id=row.id,
        uid=row.uid,
        issuer_name=issuer.name,
        subject=row.subject,
        name=row.name,
        locale=_locale(row.locale),
        status=row.status,
        plan=plan,
        limits=VisitorLimits.model_validate(row.limits),
        tokens_valid_after=row.tokens_valid_after,
        attributes=row.attributes,
        is_channel=issuer.kind == "channel",
    )
    return KnownUser(context, has_own_plan=row.plan_id is not None)


def _locale(stored: str | None) -> Locale | None:
    return LOCALES.get(stored or "")
