"""Every SQL statement that reads users, wallets and usage together for alerts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ids import among
from app.ledger.models import Account, Transaction
from app.links.models import Link
from app.metering.models import UsageDay
from app.plans.models import Plan
from app.users.models import User

Spender = Literal["user", "link", "all"]

_NAME = sa.func.coalesce(User.name, User.subject)
_ON_ANY_LINK = UsageDay.link_id.in_(sa.select(Link.id))
"""True of every day; it leads the databases to the index that has the link and then the day."""


@dataclass(frozen=True, slots=True)
class PlanIds:
    """Which plan holds for a user without one of their own: the issuer's, else the default."""

    default: int
    by_issuer: Mapping[int, int]
    guests: frozenset[int]
    """Issuers of guests, whose plan is the link's: they are nobody that could be told."""

    def of_user(self) -> sa.ColumnElement[int]:
        fallback: sa.ColumnElement[int] = sa.literal(self.default, sa.BigInteger)
        if self.by_issuer:
            fallback = sa.case(dict(self.by_issuer), value=User.issuer_id, else_=fallback)
        return sa.func.coalesce(User.plan_id, fallback)


@dataclass(frozen=True, slots=True)
class LowWallet:
    """Amounts are nano-units; ``left`` is the balance and the plan's credit."""

    user_id: int
    name: str
    balance: int
    left: int


@dataclass(frozen=True, slots=True)
class MonthUse:
    """What a user has used on a link since the month began, with what limits them."""

    user_id: int
    name: str
    link_id: int
    points: int
    limits: Mapping[str, Any]
    plan_id: int


def list_low_wallets(
    session: Session, plans: PlanIds, *, below: int, active_since: datetime, limit: int
) -> list[LowWallet]:
    """Wallets that once were paid into, moved lately, and have less left than ``below``."""
    last = sa.orm.aliased(Transaction)
    paid = sa.exists().where(Transaction.wallet_id == Account.id, Transaction.amount > 0)
    left = Account.balance + Plan.credit_limit
    rows = session.execute(
        sa.select(User.id, _NAME, Account.balance, left)
        .join(User, User.id == Account.user_id)
        .join(Plan, Plan.id == plans.of_user())
        .join(last, sa.and_(last.wallet_id == Account.id, last.sequence == Account.version))
        .where(
            left < below,
            last.posted_at >= active_since,
            User.status == "active",
            User.issuer_id.not_in(sorted(plans.guests)),
            paid,
        )
        .order_by(User.id)
        .limit(limit)
    )
    return [LowWallet(row[0], row[1], int(row[2]), int(row[3])) for row in rows]


def has_own_limit(session: Session, name: str) -> bool:
    """Whether any user has a limit of that name of their own."""
    found = sa.select(User.id).where(sa.cast(User.limits, sa.Text).contains(f'"{name}"'))
    return session.scalar(found.limit(1)) is not None


def list_month_use(session: Session, plans: PlanIds, first: date) -> list[MonthUse]:
    """Everybody's points by link from that day on."""
    used = (
        sa.select(UsageDay.user_id, UsageDay.link_id, sa.func.sum(UsageDay.points).label("points"))
        .where(UsageDay.day >= first)
        .group_by(UsageDay.user_id, UsageDay.link_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(User.id, _NAME, used.c.link_id, used.c.points, User.limits, plans.of_user())
        .join(used, used.c.user_id == User.id)
        .where(User.issuer_id.not_in(sorted(plans.guests)))
        .order_by(User.id, used.c.link_id)
    )
    return [MonthUse(row[0], row[1], row[2], int(row[3]), row[4], int(row[5])) for row in rows]


def day_charges(session: Session, by: Spender, day: date, *, at_least: int) -> dict[int, int]:
    """What was charged on a day, of those who spent so much; everybody together is number 0."""
    charge = sa.func.coalesce(sa.func.sum(UsageDay.charge), 0)
    on_day = (_ON_ANY_LINK, UsageDay.day == day)
    if by == "all":
        total = int(session.scalar(sa.select(charge).where(*on_day)) or 0)
        return {0: total} if total >= at_least else {}
    who = _spender(by)
    rows = session.execute(
        sa.select(who, charge).where(*on_day).group_by(who).having(charge >= at_least)
    )
    return {row[0]: int(row[1]) for row in rows}


def past_charges(
    session: Session, by: Spender, ids: Collection[int], days: Collection[date]
) -> dict[int, dict[date, int]]:
    """What they were charged on each of these days; a day without use is absent."""
    found: dict[int, dict[date, int]] = {one: {} for one in ids}
    if not ids:
        return found
    statement = sa.select(UsageDay.day, sa.func.sum(UsageDay.charge)).where(
        UsageDay.day.in_(sorted(days))
    )
    if by == "all":
        rows = session.execute(statement.where(_ON_ANY_LINK).group_by(UsageDay.day))
        return {0: {day: int(charge) for day, charge in rows}}
    who = _spender(by)
    for day, charge, one in session.execute(
        statement.add_columns(who).where(among(who, ids)).group_by(UsageDay.day, who)
    ):
        found[one][day] = int(charge)
    return found


def first_days(session: Session, by: Spender, ids: Collection[int]) -> dict[int, date]:
    """When each first used anything."""
    if not ids:
        return {}
    # One look into an index for each: to group all days would read all of them.
    of = User if by == "user" else Link
    first = sa.select(sa.func.min(UsageDay.day)).where(_spender(by) == of.id).scalar_subquery()
    statement = sa.select(of.id, first)
    if by != "all":
        statement = statement.where(among(of.id, ids))
    rows = session.execute(statement.where(first.is_not(None)))
    found: dict[int, date] = {row[0]: row[1] for row in rows}
    return {0: min(found.values())} if by == "all" else found


def spender_names(session: Session, by: Spender, ids: Collection[int]) -> dict[int, str]:
    """What people call them; everybody has no name here."""
    if by == "all":
        return {0: ""}
    named: sa.Select[int, str] = (
        sa.select(User.id, _NAME).where(among(User.id, ids))
        if by == "user"
        else sa.select(Link.id, Link.name).where(among(Link.id, ids))
    )
    return {row[0]: row[1] for row in session.execute(named)}


def link_rows(session: Session) -> Sequence[Link]:
    return session.scalars(sa.select(Link).order_by(Link.id)).all()


def _spender(by: Spender) -> sa.orm.InstrumentedAttribute[int]:
    return UsageDay.user_id if by == "user" else UsageDay.link_id
