"""Where a user stands: the limits in effect, where each comes from, and how much is used of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.admission.gate import Gate, Snapshot
from app.admission.periods import Periods, periods_at
from app.ledger import store as ledger_store
from app.limits import UNLIMITED, LinkLimits, VisitorLimits
from app.links.models import Link
from app.metering import store as metering_store
from app.money import from_nano
from app.people.plans import Plans
from app.plans.models import Plan
from app.users.models import User

Source = Literal["plan", "link", "user"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a user, or of all visitors of a link together.

    ``value`` is None when nothing limits it, and then ``source`` says who lifted it, if anybody
    did. ``used`` is None for what is counted by the minute only, ``renews_at`` for what never
    starts anew.
    """

    name: str
    value: Decimal | None
    source: Source | None
    used: Decimal | None
    renews_at: datetime | None

    @property
    def left(self) -> Decimal | None:
        if self.value is None or self.used is None:
            return None
        return max(self.value - self.used, Decimal(0))


@dataclass(frozen=True, slots=True)
class Wallet:
    """Nano-units. ``held`` is None while the gate does not answer; ``credit`` when without end."""

    balance: int
    version: int
    held: int | None
    credit: int | None
    points_today: int
    points_month: int
    questions_today: int

    @property
    def spendable(self) -> int | None:
        """What the next question may cost; None: anything."""
        if self.credit is None:
            return None
        return max(self.balance + self.credit - (self.held or 0), 0)


@dataclass(frozen=True, slots=True)
class Standing:
    """``link`` is the one that the limits are for; None: on a link that says nothing itself.

    ``is_live``: the gate was asked. Otherwise counters are the books', which know nothing of
    questions that are not answered yet.
    """

    plan: Plan
    link: Link | None
    own: list[Limit]
    together: list[Limit]
    wallet: Wallet
    is_live: bool


def standing(
    session: Session,
    user: User,
    link: Link | None,
    *,
    plans: Plans,
    gate: Gate,
    zone: ZoneInfo,
    now: datetime,
) -> Standing:
    """Where the user stands on ``link`` now."""
    plan = plans.of(user) if link is None else plans.on_link(user, link.guest_plan_id)
    periods = periods_at(now, zone)
    held = gate.snapshot(user.id, 0 if link is None else link.id)
    wallet = _wallet(session, user, plan, held, periods)
    return Standing(
        plan=plan,
        link=link,
        own=_own_limits(user, link, plan, wallet, held, periods),
        together=[] if link is None else _link_limits(session, link, held, periods),
        wallet=wallet,
        is_live=held is not None,
    )


def _wallet(
    session: Session, user: User, plan: Plan, held: Snapshot | None, periods: Periods
) -> Wallet:
    account = ledger_store.find_account(session, user.id)
    today = metering_store.user_day(session, user.id, periods.today)
    month = metering_store.user_points_since(session, user.id, periods.month_begins_on)
    return Wallet(
        balance=0 if account is None else account.balance,
        version=0 if account is None else account.version,
        held=None if held is None else held.visitor_hold,
        credit=plan.credit_limit,
        points_today=today.points,
        points_month=month,
        questions_today=today.questions,
    )


def _own_limits(
    user: User,
    link: Link | None,
    plan: Plan,
    wallet: Wallet,
    held: Snapshot | None,
    periods: Periods,
) -> list[Limit]:
    counted = {
        "questions_per_day": Decimal(
            _newest(None if held is None else held.day_questions, wallet.questions_today)
        ),
        "points_per_day": from_nano(
            _newest(None if held is None else held.day_points, wallet.points_today)
        ),
        "points_per_month": from_nano(
            _newest(None if held is None else held.month_points, wallet.points_month)
        ),
    }
    if held is not None:
        counted["open_questions"] = Decimal(held.visitor_open)
    layers: list[tuple[Source, VisitorLimits]] = [
        ("user", VisitorLimits.model_validate(user.limits)),
        ("plan", VisitorLimits.model_validate(plan.limits)),
    ]
    if link is not None:
        layers.insert(1, ("link", VisitorLimits.model_validate(link.visitor_limits)))
    limits = []
    for name in VisitorLimits.model_fields:
        value, source = _stated(name, layers)
        limits.append(Limit(name, value, source, counted.get(name), _renewal(name, periods)))
    return limits


def _link_limits(
    session: Session, link: Link, held: Snapshot | None, periods: Periods
) -> list[Limit]:
    """Only those that are set: they concern everybody on the link."""
    limits = LinkLimits.model_validate(link.limits)
    counted: dict[str, Decimal] = {}
    if limits.points_total is not None:
        known = None if held is None else held.link_total_points
        counted["points_total"] = from_nano(
            metering_store.link_points(session, link.id) if known is None else known
        )
    if limits.points_per_month is not None:
        known = None if held is None else held.link_month_points
        first = periods.month_begins_on
        counted["points_per_month"] = from_nano(
            metering_store.link_points_since(session, link.id, first) if known is None else known
        )
    if held is not None:
        counted["open_questions"] = Decimal(held.link_open)
    found = []
    for name in LinkLimits.model_fields:
        value, source = _stated(name, [("link", limits)])
        if source is not None:
            found.append(Limit(name, value, source, counted.get(name), _renewal(name, periods)))
    return found


def _stated(
    name: str, layers: Sequence[tuple[Source, VisitorLimits | LinkLimits]]
) -> tuple[Decimal | None, Source | None]:
    """The first layer that says anything has its way."""
    for source, limits in layers:
        value = getattr(limits, name)
        if value is not None:
            return (None if value == UNLIMITED else Decimal(value)), source
    return None, None


def _newest(at_gate: int | None, in_books: int) -> int:
    """The gate also counts what is not answered yet; what it does not hold, the books have."""
    return in_books if at_gate is None else at_gate


def _renewal(name: str, periods: Periods) -> datetime | None:
    if name.endswith("_per_day"):
        return periods.day.ends_at
    return periods.month.ends_at if name.endswith("_per_month") else None
