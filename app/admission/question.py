"""What is asked of the gate and what it answers. All money and points are nano-units."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.admission.periods import Periods
from app.limits import GuestLimits, LinkLimits, VisitorLimits

Mode = Literal["gate", "degraded", "open"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question that wants to be admitted."""

    ticket: str
    """Names this question; asking again with it returns the same admission. At most 64 letters,
    digits, ``-`` and ``_``, unique for ever (a random id)."""
    user_id: int
    link_id: int
    plan_id: int | None
    is_guest: bool
    visitor: VisitorLimits
    """Already overridden: plan, then link, then user."""
    link: LinkLimits
    guests: GuestLimits | None
    """What all guests of the link may do together; looked at only when ``is_guest``."""
    credit_limit: int | None
    """How far the wallet may go below zero; None: without end."""
    is_free: bool
    """Nothing will be charged whatever is used (a multiplier of zero): no look at the balance."""
    revision: int
    """The revision of the memory that all of the above was read from."""
    now: datetime
    expects_finish: bool = True
    """Whether it is worth a report when none comes: some callers never send one."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A question may be asked; its ticket stays open until a finish, or ``expires_at``."""

    ticket: str
    hold: int
    """What is held of the balance."""
    points_hold: int
    """What is held of the points quotas."""
    expires_at: datetime
    mode: Mode
    """Who decided: the gate, this process alone, or nobody (``on_outage = "admit"``)."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One answer that is in the ledger."""

    user_id: int
    link_id: int
    plan_id: int | None
    is_guest: bool
    settle_key: str
    """The event's idempotency key: settling it again changes nothing."""
    points: int
    charge: int
    balance: int
    """The wallet's balance after this answer's own transaction."""
    version: int
    """The wallet's version after this answer's own transaction."""
    now: datetime
    """When the finish was received: the day and month its usage is booked on."""
    has_waited: bool = False
    """Whether it was ``Answered`` before: the finish was kept while the books were away."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question whose answer is there and is not in the ledger yet."""

    user_id: int
    link_id: int
    reference: str
    """Names the answer: saying it again changes nothing."""
    now: datetime
    """When the finish was received."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """What the books say, read in one snapshot of the database.

    Those not named in ``Periods.wanted`` may be None; the wanted ones may not. ``version`` is the
    wallet's and always needed: it tells which finishes the visitor's own sums already include.
    """

    version: int
    balance: int | None = None
    day_questions: int | None = None
    """Finishes of this visitor today, on all links; likewise the points."""
    day_points: int | None = None
    month_points: int | None = None
    link_total_points: int | None = None
    link_month_points: int | None = None
    guests_day_questions: int | None = None
    """Finishes of all guests of this link today; likewise the points."""
    guests_day_points: int | None = None


Load = Callable[[Periods], Seeds]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the gate holds now about a visitor and a link, for people who look.

    None: the gate does not hold it; it will load it from the books when a question needs it.
    """

    revision: int | None
    balance: int | None
    version: int | None
    visitor_open: int
    visitor_hold: int
    visitor_points_hold: int
    day_questions: int | None
    day_points: int | None
    month_points: int | None
    link_open: int
    link_points_hold: int
    link_total_points: int | None
    link_month_points: int | None
    guests_open: int
    guests_day_questions: int | None
    guests_day_points: int | None
