"""What the hooks know of a link, a visitor and their plan while they answer one call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from app.config import Locale
from app.errors import Person, ServiceError
from app.limits import GuestLimits, LinkLimits, VisitorLimits

Purpose = Literal["open", "ask", "bill"]
"""``open``: init, ``ask``: start, ``bill``: finish."""

Proof = Literal["token", "session", "signature"]
"""What vouches for the visitor: a token that is valid now; a session, carrying on after the token
expired; or (only to bill) a token that is genuine though it is not valid any more."""


@dataclass(frozen=True, slots=True)
class PlanContext:
    id: int
    name: str
    limits: VisitorLimits
    credit_limit: int | None
    """Nano-units below zero the wallet may go; None is without end."""
    price_multiplier: Decimal
    monthly_credit: int = 0
    """Nano-units that each of its users is granted every month."""
    monthly_priority: int = 50


@dataclass(frozen=True, slots=True)
class LinkContext:
    id: int
    name: str
    status: str
    locale: Locale | None
    messages: Mapping[str, Mapping[str, str]]
    """The link's own sentences: ``{code: {locale: text}}``."""
    issuers: frozenset[str] | None
    """Names of the issuers whose tokens open it; None: every active one but channels."""
    allows_guests: bool
    guest_plan: PlanContext
    price_multiplier: Decimal
    limits: LinkLimits
    visitor_limits: VisitorLimits
    guest_limits: GuestLimits
    counting: str
    share_url: str | None
    revision: int
    """The service's revision this was read at, or an older one."""

    @property
    def is_active(self) -> bool:
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class UserContext:
    id: int | None
    """None for a guest who has asked nothing yet: there is no row of them."""
    uid: str
    issuer_name: str
    subject: str
    """In the form of ``users.subject.storable``."""
    name: str | None
    locale: Locale | None
    status: str
    plan: PlanContext
    limits: VisitorLimits
    tokens_valid_after: datetime | None
    attributes: Mapping[str, object] = field(default_factory=dict, compare=False)
    """As the issuer says them; see ``users.profile``."""
    is_channel: bool = False
    """Whether they come through a chat platform, for whose questions FastGPT sends no finish."""

    @property
    def is_active(self) -> bool:
        return self.status == "active"

    def person(self, *, is_self_proving: bool) -> Person:
        """Who this is; of those whose id is all it takes to be them, without it."""
        subject = None if is_self_proving else self.subject
        return Person(self.id, self.uid, self.issuer_name, subject)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, on which link, and how we know."""

    link: LinkContext
    user: UserContext
    is_guest: bool
    proof: Proof
    revision: int
    """The oldest revision that anything here may have been read at."""

    @property
    def user_id(self) -> int:
        """The row's id; there is one for every purpose but ``open``."""
        if self.user.id is None:
            raise ServiceError("a guest who has asked nothing has no row")
        return self.user.id

    @property
    def person(self) -> Person:
        return self.user.person(is_self_proving=self.is_guest or self.user.is_channel)

    @property
    def limits(self) -> VisitorLimits:
        """The plan's, overridden by the link's, then by the user's own."""
        by_link = self.user.plan.limits.overridden_by(self.link.visitor_limits)
        return by_link.overridden_by(self.user.limits)

    @property
    def is_free(self) -> bool:
        """Whether nothing they ask can cost them money."""
        return self.user.plan.price_multiplier == 0 or self.link.price_multiplier == 0
