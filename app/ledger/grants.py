"""What transactions say of credit that was given and may expire. Pure: no database, no clock.

A grant's terms stand in its own transaction's details, and so in its hash: which credit is spent
first, and how much of it expires when, follows from a wallet's chain alone. A grant is named by
its ``sequence`` in that chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from app.errors import Invalid

DETAIL = "grant"
"""The key of the details that every grant has, and nothing else."""
EXPIRY_DETAIL = "expiry"
"""Likewise of every expiry."""
EXPIRY_PREFIX = "expire:"
"""How the idempotency keys of expiries begin, and those of nothing else."""
MONTHLY_PREFIX = "monthly:"
"""How the idempotency keys of a plan's monthly credit begin, and those of nothing else."""

PRIORITY_MAX = 99
PRIORITY = 50
"""Where nobody says another; the lower is spent first."""

Source = Literal["operator", "plan", "code"]
Because = Literal["expired", "revoked"]
SOURCES: tuple[Source, ...] = get_args(Source)
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Terms:
    """How granted credit may be spent: the lowest ``priority`` first, up to ``expires_at``.

    ``plan_id`` and ``month`` (such as ``2026-11``) are of the plan that gives it every month, and
    None for what an operator or a redeemed code gives.
    """

    expires_at: datetime | None
    priority: int = PRIORITY
    source: Source = "operator"
    plan_id: int | None = None
    month: str | None = None

    def details(self) -> dict[str, Any]:
        """As they stand in the transaction."""
        until = self.expires_at
        return {
            DETAIL: {
                "source": self.source,
                "priority": self.priority,
                "expires_at": None if until is None else until.astimezone(UTC).strftime(_TIME),
                "plan": self.plan_id,
                "month": self.month,
            }
        }

    def holds(self, moment: datetime) -> bool:
        """Whether the credit may be spent then."""
        return self.expires_at is None or moment < self.expires_at


@dataclass(frozen=True, slots=True)
class Closing:
    """What takes away what is left of the grant with that ``sequence``, and why."""

    grant: int
    because: Because

    def details(self) -> dict[str, Any]:
        """As it stands in the transaction."""
        return {EXPIRY_DETAIL: {"grant": self.grant, "because": self.because}}


def monthly_key(month: str, plan_id: int, user_id: int) -> str:
    """The idempotency key of a plan's credit of that month: it is given once."""
    return f"{MONTHLY_PREFIX}{month}:{plan_id}:{user_id}"


def expiry_key(user_id: int, sequence: int) -> str:
    """The idempotency key of what closes a grant: it is closed once, whyever."""
    return f"{EXPIRY_PREFIX}{user_id}:{sequence}"


def is_monthly_key_of(idempotency_key: str, terms: Terms) -> bool:
    return idempotency_key.rpartition(":")[0] == f"{MONTHLY_PREFIX}{terms.month}:{terms.plan_id}"


def read(details: Mapping[str, Any]) -> Terms | None:
    """The terms that a transaction's details speak of; None when they speak of none.

    Raises:
        Invalid: something of them is missing or means nothing (``grant_invalid``).
    """
    if DETAIL not in details:
        return None
    match details[DETAIL]:
        case {
            "source": str(source),
            "priority": int(priority),
            "expires_at": None | str() as expires_at,
            "plan": None | int() as plan_id,
            "month": None | str() as month,
            **more,
        } if not more:
            terms = Terms(_time(expires_at), priority, source_of(source), plan_id, month)
            _check(terms)
            return terms
    raise _invalid("its details do not say on which terms it is given")


def find(details: Mapping[str, Any]) -> Terms | None:
    """The terms of a stored transaction; None also when they cannot be read.

    Somebody changed it then: verifying the ledger says so.
    """
    try:
        return read(details)
    except Invalid:
        return None


def find_closing(details: Mapping[str, Any]) -> Closing | None:
    """Which grant a transaction closes; None when it closes none, or unreadably."""
    match details.get(EXPIRY_DETAIL):
        case {"grant": int(grant), "because": "expired" | "revoked" as because, **more} if not more:
            return Closing(grant, because)
    return None


def _check(terms: Terms) -> None:
    if isinstance(terms.priority, bool) or not 0 <= terms.priority <= PRIORITY_MAX:
        raise _invalid(f"the priority of a grant is from 0 to {PRIORITY_MAX}")
    of_plan = (terms.plan_id is not None, terms.month is not None)
    if of_plan != (terms.source == "plan",) * 2:
        raise _invalid("monthly credit, and only that, names its plan and month")
    if terms.source == "plan" and terms.expires_at is None:
        raise _invalid("monthly credit expires")


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise _invalid("the time at which it expires is written in another form") from error


def source_of(text: str) -> Source:
    """Who or what gives credit.

    Raises:
        Invalid: nothing is called so (``grant_invalid``).
    """
    for source in SOURCES:
        if text == source:
            return source
    raise _invalid("credit is given by an operator, a plan or a redeemed code")


def _invalid(message: str) -> Invalid:
    return Invalid(message, code="grant_invalid")
