"""Admission while Redis is away: this process alone, with its share of each limit, and the books.

A stand-in for minutes, not a second gate: it knows only the questions that this process admitted
itself. Counts and rates are divided by the number of workers (at least one question each), quotas
and balances are read from the books for every question.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from app.admission.micro import from_micro
from app.admission.periods import Periods, SeedName, periods_at
from app.admission.question import Admission, Answered, Ask, Load, Seeds, Settlement
from app.admission.refusals import refusal
from app.admission.rules import Rate, Rules, rate_of
from app.admission.wire import epoch_us
from app.limits import GuestLimits, LinkLimits, VisitorLimits, count_or_none, points_nano

TICKETS_MAX = 100_000
"""Beyond it the oldest are forgotten, as if they had expired."""

Scope = tuple[str, int]
Limits = VisitorLimits | LinkLimits | GuestLimits


@dataclass(slots=True)
class _Ticket:
    ask: Ask
    scopes: tuple[Scope, ...]
    hold: int
    points_hold: int
    expires_us: int
    is_answered: bool = False
    """Its answer is there and not in the books: it holds, and does not count as open."""


@dataclass(slots=True)
class _Open:
    """The sums over the tickets of a scope; ``count`` without the answered ones."""

    count: int = 0
    hold: int = 0
    points: int = 0


@dataclass(frozen=True, slots=True)
class _Quota:
    rule: str
    scope: Scope
    limit: int | None
    used: SeedName
    period: str | None
    """Which of the periods renews it."""


class DegradedGate:
    """The in-process limiter of one worker. Thread-safe; its clock is the asks' own ``now``."""

    def __init__(self, rules: Rules, *, workers: int) -> None:
        self._rules = rules
        self._workers = workers
        self._lock = threading.Lock()
        self._debts: dict[Scope, int] = {}
        self._tickets: dict[str, _Ticket] = {}  # in the order they expire
        self._open: defaultdict[Scope, _Open] = defaultdict(_Open)

    def admit(self, ask: Ask, load: Load, *, expected: tuple[int, int] | None) -> Admission:
        """Admit or refuse as ``Gate.admit``, with what this process and the books know.

        ``expected``: charge and points (nano) a question was last known to take.
        """
        now_us = epoch_us(ask.now)
        with self._lock:
            self._sweep(now_us)
            if ask.ticket in self._tickets:
                return self._admission(self._tickets[ask.ticket])
            self._check_counts(ask, now_us)
        periods = periods_at(ask.now, self._rules.zone)
        wanted = frozenset(_wanted(ask))
        seeds = load(replace(periods, wanted=wanted)) if wanted else None
        with self._lock:
            if ask.ticket in self._tickets:
                return self._admission(self._tickets[ask.ticket])
            self._check_counts(ask, now_us)
            charge, points = expected or (
                from_micro(self._rules.first_hold),
                from_micro(self._rules.first_points),
            )
            hold = 0 if ask.is_free else charge
            if seeds is not None:
                points = self._check_quotas(ask, seeds, periods, points)
                hold = self._check_balance(ask, seeds, hold)
            return self._admit(ask, hold, points, now_us)

    def settle(self, settlement: Settlement) -> None:
        """Free the visitor's oldest ticket on that link, if this process admitted one."""
        with self._lock:
            found = self._find(settlement.user_id, settlement.link_id, answered=False)
            if settlement.has_waited:
                place = settlement.user_id, settlement.link_id
                found = self._find(*place, answered=True) or found
            if found is not None:
                self._release(found)

    def answered(self, answered: Answered) -> None:
        """Count the visitor's oldest ticket on that link as open no more; it goes on holding."""
        with self._lock:
            found = self._find(answered.user_id, answered.link_id, answered=False)
            if found is None:
                return
            ticket = self._tickets[found]
            ticket.is_answered = True
            for scope in ticket.scopes:
                self._open[scope].count -= 1

    def cancel(self, ask: Ask) -> None:
        with self._lock:
            self._release(ask.ticket)

    def _check_counts(self, ask: Ask, now_us: int) -> None:
        for rule, scope, rate in self._rates(ask):
            wait_us = self._debt_after(scope, rate, now_us) - now_us - rate.tolerance_us
            if rate.interval_us == 0:
                raise refusal(rule, ask)
            if wait_us > 0:
                raise refusal(rule, ask, wait_us=wait_us)
        for rule, scope, limit in self._open_limits(ask):
            if self._open[scope].count >= limit:
                raise refusal(rule, ask, wait_us=self._first_expiry(scope, now_us))

    def _check_quotas(self, ask: Ask, seeds: Seeds, periods: Periods, expected: int) -> int:
        """The points to hold."""
        hold = expected
        for quota in _quotas(ask):
            used = getattr(seeds, quota.used)
            if quota.limit is None or used is None:
                continue
            held = self._open[quota.scope]
            if quota.used.endswith("questions"):
                is_left = used + held.count < quota.limit
            else:
                left = quota.limit - used - held.points
                needed = min(expected, quota.limit) if self._rules.needs_all else 1
                is_left = left > 0 and left >= needed
                hold = min(hold, left)
            if not is_left:
                ends_at = getattr(periods, quota.period).ends_at if quota.period else None
                wait_us = epoch_us(ends_at) - epoch_us(ask.now) if ends_at else None
                raise refusal(quota.rule, ask, wait_us=wait_us)
        return hold

    def _check_balance(self, ask: Ask, seeds: Seeds, hold: int) -> int:
        if ask.is_free or ask.credit_limit is None or seeds.balance is None:
            return hold
        available = seeds.balance + ask.credit_limit - self._open["u", ask.user_id].hold
        if available < hold if self._rules.needs_all else available <= 0:
            raise refusal("balance_too_low", ask, balance=seeds.balance)
        return max(min(hold, available), 0)

    def _admit(self, ask: Ask, hold: int, points: int, now_us: int) -> Admission:
        for _, scope, rate in self._rates(ask):
            self._debts[scope] = self._debt_after(scope, rate, now_us)
        expires_us = now_us + self._rules.ticket_ttl_s * 1_000_000
        ticket = _Ticket(ask, _scopes(ask), hold, points, expires_us)
        self._tickets[ask.ticket] = ticket
        for scope in ticket.scopes:
            held = self._open[scope]
            held.count, held.hold, held.points = (
                held.count + 1,
                held.hold + hold,
                held.points + points,
            )
        return self._admission(ticket)

    def _find(self, user_id: int, link_id: int, *, answered: bool) -> str | None:
        for name, ticket in self._tickets.items():
            place = ticket.ask.user_id, ticket.ask.link_id
            if place == (user_id, link_id) and ticket.is_answered == answered:
                return name
        return None

    def _release(self, name: str) -> None:
        ticket = self._tickets.pop(name, None)
        if ticket is None:
            return
        for scope in ticket.scopes:
            held = self._open[scope]
            held.count -= not ticket.is_answered
            held.hold -= ticket.hold
            held.points -= ticket.points_hold
            if held == _Open():
                del self._open[scope]

    def _sweep(self, now_us: int) -> None:
        for name in list(_expired(self._tickets, now_us)):
            self._release(name)
        if len(self._debts) > TICKETS_MAX:
            self._debts = {scope: until for scope, until in self._debts.items() if until > now_us}

    def _debt_after(self, scope: Scope, rate: Rate, now_us: int) -> int:
        debt_until = min(self._debts.get(scope, 0), now_us + rate.tolerance_us)
        return max(debt_until, now_us) + rate.interval_us

    def _rates(self, ask: Ask) -> Iterator[tuple[str, Scope, Rate]]:
        for kind, scope, limits in _limited_scopes(ask):
            rate = rate_of(limits.questions_per_minute, limits.burst)
            if rate is not None:
                interval_us = rate.interval_us * self._workers
                yield f"{kind}_rate", scope, Rate(interval_us, max(rate.tolerance_us, interval_us))

    def _open_limits(self, ask: Ask) -> Iterator[tuple[str, Scope, int]]:
        for kind, scope, limits in _limited_scopes(ask):
            limit = count_or_none(limits.open_questions)
            if limit is not None:
                yield f"{kind}_open", scope, self._share(limit)

    def _share(self, limit: int) -> int:
        return max(limit // self._workers, 1) if limit else 0

    def _first_expiry(self, scope: Scope, now_us: int) -> int | None:
        expiries = (t.expires_us for t in self._tickets.values() if scope in t.scopes)
        first = next(expiries, None)
        return None if first is None else max(first - now_us, 1)

    def _admission(self, ticket: _Ticket) -> Admission:
        ask = ticket.ask
        return Admission(
            ticket=ask.ticket,
            hold=ticket.hold,
            points_hold=ticket.points_hold,
            expires_at=ask.now + timedelta(seconds=self._rules.ticket_ttl_s),
            mode="degraded",
        )


def _expired(tickets: dict[str, _Ticket], now_us: int) -> Iterator[str]:
    too_many = len(tickets) - TICKETS_MAX
    for position, (name, ticket) in enumerate(tickets.items()):
        if ticket.expires_us > now_us and position >= too_many:
            return
        yield name


def _scopes(ask: Ask) -> tuple[Scope, ...]:
    return tuple(scope for _, scope, _ in _limited_scopes(ask))


def _limited_scopes(ask: Ask) -> Iterator[tuple[str, Scope, Limits]]:
    """The scopes of a question in the order they are checked, with the limits of each."""
    yield "visitor", ("u", ask.user_id), ask.visitor
    if ask.is_guest:
        yield "guests", ("g", ask.link_id), ask.guests or GuestLimits()
    yield "link", ("l", ask.link_id), ask.link


def _quotas(ask: Ask) -> Iterator[_Quota]:
    """The quotas of a question in the order they are checked, those without a limit too."""
    user, guests, link = ("u", ask.user_id), ("g", ask.link_id), ("l", ask.link_id)
    visitor, of_link = ask.visitor, ask.link
    of_guests = ask.guests if ask.is_guest and ask.guests else GuestLimits()
    questions = count_or_none(visitor.questions_per_day)
    guests_questions = count_or_none(of_guests.questions_per_day)
    day, month = points_nano(visitor.points_per_day), points_nano(visitor.points_per_month)
    guests_day = points_nano(of_guests.points_per_day)
    link_month, link_total = (
        points_nano(of_link.points_per_month),
        points_nano(of_link.points_total),
    )
    yield _Quota("visitor_day_questions", user, questions, "day_questions", "day")
    yield _Quota("guests_day_questions", guests, guests_questions, "guests_day_questions", "day")
    yield _Quota("visitor_day_points", user, day, "day_points", "day")
    yield _Quota("visitor_month_points", user, month, "month_points", "month")
    yield _Quota("guests_day_points", guests, guests_day, "guests_day_points", "day")
    yield _Quota("link_month_points", link, link_month, "link_month_points", "month")
    yield _Quota("link_total_points", link, link_total, "link_total_points", None)


def _wanted(ask: Ask) -> Iterator[SeedName]:
    yield from (quota.used for quota in _quotas(ask) if quota.limit is not None)
    if not ask.is_free and ask.credit_limit is not None:
        yield "balance"
