"""What an operator hands to a visitor: a token of ours, and the share page opened with it.

Also the visitor that operators try links as: a user of their own on a plan that costs nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.audit.journal import Actor
from app.errors import Conflict, Invalid
from app.keys import Keys
from app.limits import UNLIMITED, VisitorLimits
from app.links.addresses import visitor_url
from app.links.models import Link
from app.plans import commands as plan_commands
from app.plans import store as plan_store
from app.plans.commands import PlanSpec
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.commands import YEARS_TEN_S, MintSpec
from app.tokens.issuers import LOCAL
from app.tokens.models import Token
from app.users import commands as user_commands
from app.users import store as user_store
from app.users.commands import UserChange, UserSpec
from app.users.models import User
from app.users.subject import storable

TESTER = "link-test"
"""Subject and plan of the visitor that links are tried as."""
TESTER_NAME = "Link test"
_UNLIMITED = VisitorLimits.model_validate(dict.fromkeys(VisitorLimits.model_fields, UNLIMITED))


class UrlSpec(BaseModel):
    """How long a visitor URL works, and what for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ttl_s: Annotated[int, Field(ge=1, le=YEARS_TEN_S)] | None = 86400
    """Seconds until it opens nothing any more; None: never. Whoever opened the link in time goes on
    for as long as sessions last."""
    is_one_time: bool = False
    """It opens one session, and no other when that has ended."""
    is_for_any_link: bool = False
    """It opens every link that takes our own tokens."""
    label: Annotated[str, Field(max_length=120)] | None = None
    """A note for operators."""


@dataclass(frozen=True, slots=True)
class VisitorUrl:
    """The token and the URL are shown now or never."""

    token: Token
    text: str
    url: str
    user: User


def takes_our_tokens(link: Link) -> bool:
    """Whether a token that is minted here opens the link."""
    return link.issuers is None or LOCAL in link.issuers


def mint(
    session: Session,
    link: Link,
    user: User,
    spec: UrlSpec,
    *,
    keys: Keys,
    actor: Actor,
    now: datetime,
) -> VisitorUrl:
    """A new token of this user and the link's share page opened with it."""
    made = token_commands.mint(
        session,
        MintSpec(
            user_id=user.id,
            link_id=None if spec.is_for_any_link else link.id,
            ttl_s=spec.ttl_s,
            is_one_time=spec.is_one_time,
            label=spec.label,
        ),
        keys=keys,
        actor=actor,
        now=now,
    )
    return VisitorUrl(made.token, made.text, visitor_url(link.share_url, made.text), user)


def find_local(session: Session, subject: str) -> User | None:
    """The user of our own issuer with this subject."""
    issuer = token_store.get_issuer(session, LOCAL)
    return user_store.find(session, issuer.id, storable(subject))


def add_local(  # noqa: PLR0913 - what may be said of a new user
    session: Session,
    subject: str,
    *,
    name: str | None = None,
    plan_id: int | None = None,
    limits: VisitorLimits | None = None,
    keys: Keys,
    actor: Actor,
    now: datetime,
) -> User:
    """A new user of our own issuer.

    Raises:
        Invalid: the subject is empty (``subject_missing``).
        Conflict: there is one of this subject (``user_exists``).
    """
    if not subject:
        raise Invalid("a user needs a subject", code="subject_missing")
    spec = UserSpec(
        issuer_id=token_store.get_issuer(session, LOCAL).id,
        subject=subject,
        name=name,
        plan_id=plan_id,
        limits=limits or VisitorLimits(),
    )
    return user_commands.create(session, spec, uid=keys.uid(LOCAL, subject), actor=actor, now=now)


def ensure_tester(session: Session, *, keys: Keys, actor: Actor, now: datetime) -> User:
    """The visitor that links are tried as, made at the first try with a plan that is free.

    No limit of plans or links but those that all visitors share holds for them.

    Raises:
        Conflict: the plan of that name is not free any more (``tester_not_free``).
    """
    plan = plan_store.find_by_name(session, TESTER)
    if plan is None:
        spec = PlanSpec(name=TESTER, credit_limit=None, price_multiplier=Decimal(0))
        plan = plan_commands.create(session, spec, actor=actor, now=now)
    if plan.price_multiplier != 0:
        raise Conflict(
            f"plan {TESTER!r} must have the multiplier 0: tests of links are free",
            code="tester_not_free",
        )
    found = find_local(session, TESTER)
    if found is None:
        return add_local(
            session,
            TESTER,
            name=TESTER_NAME,
            plan_id=plan.id,
            limits=_UNLIMITED,
            keys=keys,
            actor=actor,
            now=now,
        )
    if (found.plan_id, found.limits) != (plan.id, _UNLIMITED.stored()):
        # Somebody has made or changed this user by hand: a test must neither cost nor be limited.
        change = UserChange(plan_id=plan.id, limits=_UNLIMITED)
        user_commands.update(session, found, change, actor=actor, now=now)
    return found
