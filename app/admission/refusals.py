"""Why a question is not admitted. ``code`` is the rule; a refusal has consumed nothing."""

from decimal import Decimal

from app.admission.question import Ask
from app.errors import Denied, ServiceError
from app.money import format_nano, to_nano


class QuestionRefused(Denied):
    """One of the rules of admission says no.

    ``params``: ``wait_s`` where waiting helps, ``limit`` (a count, or points as decimal text),
    ``balance`` (decimal text).
    """

    status = 429


class RateExceeded(QuestionRefused):
    """Questions come too fast."""


class TooManyOpen(QuestionRefused):
    """Too many questions still wait for their answer; ``wait_s`` is the longest that can take."""


class QuotaUsedUp(QuestionRefused):
    """A day's, a month's or a link's own quota does not hold another question."""


class BalanceTooLow(QuestionRefused):
    """The wallet, its credit and what is held for open questions leave nothing."""

    status = 402
    code = "balance_too_low"


class GateAway(Denied):
    """Redis is away and the operator chose to refuse."""

    status = 503
    code = "unavailable"


class StaleMemory(ServiceError):
    """The ask was made from memory older than the last announced change; nothing was consumed.

    ``announced`` is the gate's revision, or None when the gate holds none: then the caller reads
    it from the database, announces it, and asks again.
    """

    status = 503
    code = "unavailable"

    def __init__(self, announced: int | None) -> None:
        super().__init__("links or users have changed since this worker read them")
        self.announced = announced


_LIMITS = {
    "visitor_rate": (RateExceeded, "visitor", "questions_per_minute"),
    "guests_rate": (RateExceeded, "guests", "questions_per_minute"),
    "link_rate": (RateExceeded, "link", "questions_per_minute"),
    "visitor_open": (TooManyOpen, "visitor", "open_questions"),
    "guests_open": (TooManyOpen, "guests", "open_questions"),
    "link_open": (TooManyOpen, "link", "open_questions"),
    "visitor_day_questions": (QuotaUsedUp, "visitor", "questions_per_day"),
    "guests_day_questions": (QuotaUsedUp, "guests", "questions_per_day"),
    "visitor_day_points": (QuotaUsedUp, "visitor", "points_per_day"),
    "visitor_month_points": (QuotaUsedUp, "visitor", "points_per_month"),
    "guests_day_points": (QuotaUsedUp, "guests", "points_per_day"),
    "link_month_points": (QuotaUsedUp, "link", "points_per_month"),
    "link_total_points": (QuotaUsedUp, "link", "points_total"),
}
"""Rule: what is raised, and whose limit of which name it is. In the order they are checked."""

RULES = (*_LIMITS, "balance_too_low")


def refusal(
    rule: str, ask: Ask, *, wait_us: int | None = None, balance: int | None = None
) -> QuestionRefused:
    """The refusal for a rule that this ask did not pass. ``balance`` in nano-units."""
    wait_s = None if wait_us is None else max(-(-wait_us // 1_000_000), 1)
    waits = {} if wait_s is None else {"wait_s": wait_s}
    who = f"user {ask.user_id} on link {ask.link_id}"
    if rule == "balance_too_low":
        shown = format_nano(balance or 0)
        return BalanceTooLow(
            f"{who}: a balance of {shown} leaves nothing for another question",
            code=rule,
            retry_after_s=wait_s,
            balance=shown,
            **waits,
        )
    family, scope, name = _LIMITS[rule]
    limit = getattr(getattr(ask, scope), name)
    shown = format_nano(to_nano(limit)) if isinstance(limit, Decimal) else limit
    return family(
        f"{who}: {rule}, for {scope}.{name} is {shown}",
        code=rule,
        retry_after_s=wait_s,
        limit=shown,
        **waits,
    )
