"""What users and links use and have left, held against the rules of alerts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, islice
from typing import cast

from sqlalchemy.orm import Session

from app.admission.periods import periods_at
from app.alarms import store
from app.alarms.around import ALERTS_MAX, Around, Observations
from app.alarms.store import MonthUse, PlanIds, Spender
from app.alerts import judging
from app.alerts.conditions import Budget, LowBalance, Rulebook, UnusualSpend
from app.alerts.notices import Observation
from app.limits import LinkLimits, VisitorLimits
from app.links.models import Link
from app.metering import store as metering_store
from app.money import format_nano, to_nano
from app.plans import store as plan_store
from app.plans.commands import DEFAULT_PLAN
from app.plans.models import Plan
from app.tokens import store as token_store

GUEST = "guest"
SPENDERS: tuple[Spender, ...] = ("all", "link", "user")


def observe(session: Session, around: Around, rules: Rulebook, now: datetime) -> Observations:
    """Low balances, budgets and unusual spending."""
    plan_rows = {plan.id: plan for plan in plan_store.list_all(session)}
    plans = _plan_ids(session, around, plan_rows)
    found = (
        _low_balances(session, around, plans, rules, now),
        _user_budgets(session, around, plans, plan_rows, rules, now),
        _link_budgets(session, around, rules, now),
        _unusual_spend(session, around, rules, now),
    )
    return [one for each in found for one in islice(each, ALERTS_MAX)]


def _plan_ids(session: Session, around: Around, plans: Mapping[int, Plan]) -> PlanIds:
    by_name = {plan.name: plan.id for plan in plans.values()}
    configured = {spec.name: spec.default_plan for spec in around.config_issuers}
    issuers = token_store.list_issuers(session)
    named = {one.id: configured.get(one.name, one.spec.get("default_plan")) for one in issuers}
    return PlanIds(
        default=by_name[DEFAULT_PLAN],
        by_issuer={id_: by_name[name] for id_, name in named.items() if name in by_name},
        guests=frozenset(one.id for one in issuers if one.kind == GUEST),
    )


def _low_balances(
    session: Session, around: Around, plans: PlanIds, rules: Rulebook, now: datetime
) -> Iterator[Observation]:
    enabled = [cast("LowBalance", rule.thresholds) for rule in rules.enabled("low_balance")]
    if not enabled:
        return
    active_days = max(one.active_days for one in enabled)
    wallets = store.list_low_wallets(
        session,
        plans,
        below=to_nano(max(one.below for one in enabled)),
        active_since=now - timedelta(days=active_days),
        limit=ALERTS_MAX,
    )
    for wallet in wallets:
        rule = rules.rule("low_balance", subject := f"user:{wallet.user_id}")
        below = to_nano(cast("LowBalance", rule.thresholds).below)
        if rule.is_enabled and wallet.left < below:
            facts = {
                "balance": format_nano(wallet.balance),
                "below": format_nano(below),
                "currency": around.currency,
            }
            yield Observation("low_balance", subject, wallet.name, rule.severity, facts)


def _user_budgets(
    session: Session,
    around: Around,
    plans: PlanIds,
    plan_rows: Mapping[int, Plan],
    rules: Rulebook,
    now: datetime,
) -> Iterator[Observation]:
    if not rules.enabled("budget"):
        return
    first = periods_at(now, around.zone).month_begins_on
    by_plan = {plan.id: VisitorLimits.model_validate(plan.limits) for plan in plan_rows.values()}
    on_link = {
        link.id: VisitorLimits.model_validate(link.visitor_limits)
        for link in store.link_rows(session)
    }
    is_limited = any(
        one.points_per_month is not None for one in (*by_plan.values(), *on_link.values())
    )
    if not is_limited and not store.has_own_limit(session, "points_per_month"):
        return  # to add everybody's month up takes a while
    uses = store.list_month_use(session, plans, first)
    for user_id, group in groupby(uses, lambda one: one.user_id):
        months = list(group)
        limit = judging.points_limit(_month_limits(months, by_plan, on_link))
        used = sum(one.points for one in months)
        if limit is not None:
            subject = f"user:{user_id}/month"
            yield from _budget(rules, subject, months[0].name, used, limit)


def _month_limits(
    months: Sequence[MonthUse],
    by_plan: Mapping[int, VisitorLimits],
    on_link: Mapping[int, VisitorLimits],
) -> list[Decimal]:
    """What the user may use in a month, on each of the links that they came through."""
    found = []
    for one in months:
        own = VisitorLimits.model_validate(one.limits)
        limits = by_plan[one.plan_id].overridden_by(on_link[one.link_id]).overridden_by(own)
        if limits.points_per_month is not None:
            found.append(limits.points_per_month)
    return found


def _link_budgets(
    session: Session, around: Around, rules: Rulebook, now: datetime
) -> Iterator[Observation]:
    if not rules.enabled("budget"):
        return
    first = periods_at(now, around.zone).month_begins_on
    for link in store.link_rows(session):
        limits = LinkLimits.model_validate(link.limits)
        month = judging.points_limit(_stated(limits.points_per_month))
        if month is not None:
            used = metering_store.link_points_since(session, link.id, first)
            yield from _link_budget(rules, link, "month", used, month)
        total = judging.points_limit(_stated(limits.points_total))
        if total is not None:
            used = metering_store.link_points(session, link.id)
            yield from _link_budget(rules, link, "total", used, total)


def _link_budget(
    rules: Rulebook, link: Link, period: str, used: int, limit: int
) -> Iterator[Observation]:
    yield from _budget(rules, f"link:{link.id}/{period}", link.name, used, limit)


def _budget(
    rules: Rulebook, subject: str, name: str, used: int, limit: int
) -> Iterator[Observation]:
    rule = rules.rule("budget", subject)
    level = judging.level_reached(used, limit, cast("Budget", rule.thresholds).percents)
    if rule.is_enabled and level:
        facts: dict[str, str | int] = {
            "percent": level,
            "used": format_nano(used),
            "limit": format_nano(limit),
            "period": subject.rpartition("/")[2],
        }
        yield Observation("budget", subject, name, rule.severity, facts, level)


def _unusual_spend(
    session: Session, around: Around, rules: Rulebook, now: datetime
) -> Iterator[Observation]:
    enabled = [cast("UnusualSpend", rule.thresholds) for rule in rules.enabled("unusual_spend")]
    if not enabled:
        return
    today = periods_at(now, around.zone).today
    floor = to_nano(min(one.floor for one in enabled))
    weeks = max(one.weeks for one in enabled)
    days = [today - timedelta(weeks=number) for number in range(1, weeks + 1)]
    for by in SPENDERS:
        spent = store.day_charges(session, by, today, at_least=floor + 1)
        past = store.past_charges(session, by, spent, days)
        first = store.first_days(session, by, spent)
        names = store.spender_names(session, by, spent)
        for one, charge in sorted(spent.items()):
            subject = "all" if by == "all" else f"{by}:{one}"
            history = _history(past[one], first[one], days)
            yield from _spend(around, rules, (subject, names[one]), charge, history)


def _history(charges: Mapping[date, int], first: date, days: Sequence[date]) -> list[int]:
    """The newest first: nothing was spent on a day without use, but only since the first day."""
    dated: defaultdict[date, int] = defaultdict(int, charges)
    return [dated[day] for day in days if day >= first]


def _spend(
    around: Around,
    rules: Rulebook,
    who: tuple[str, str],
    charge: int,
    history: Sequence[int],
) -> Iterator[Observation]:
    subject, name = who
    rule = rules.rule("unusual_spend", subject)
    wanted = cast("UnusualSpend", rule.thresholds)
    past = history[: wanted.weeks]
    if not rule.is_enabled or len(past) < wanted.weeks_min:
        return
    limit = judging.spend_limit(past, deviations=wanted.deviations, floor=to_nano(wanted.floor))
    if charge > limit:
        facts = {
            "spent": format_nano(charge),
            "limit": format_nano(limit),
            "currency": around.currency,
        }
        yield Observation("unusual_spend", subject, name, rule.severity, facts)


def _stated(limit: Decimal | None) -> list[Decimal]:
    return [] if limit is None else [limit]
