"""What admission must do, as simply as it can be said, on top of the books.

The sums that the gate may remember (``asked``, ``used``, ``told``) stand here too, because what it
loses with them must be no more than this page says. The gate's figures are micro-units.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor, inf

from model_books import MICRO, Books, Event, day_of

MINUTE = 60 * MICRO
UNLIMITED = -1


class Refused(Exception):
    """One of the rules says no; nothing is taken."""


def _refuse_if(rule: str | bool | None) -> None:
    if rule:
        raise Refused(rule)


@dataclass(frozen=True)
class Ticket:
    name: str
    who: str
    link: str
    hold: int
    points: int
    opened: int
    expires: int


@dataclass(kw_only=True)
class Oracle(Books):
    needs_all: bool
    ticket_life: int = 900 * MICRO
    first: int = 100_000
    """What a question is expected to take before the first answer."""
    tickets: list[Ticket] = field(default_factory=list)
    rates: dict = field(default_factory=dict)
    """Until when each scope has used up its rate."""
    expected: dict = field(default_factory=dict)
    asked: dict = field(default_factory=dict)
    """Questions of a day, counted since a limit first wanted to know."""
    used: dict = field(default_factory=dict)
    """Points of a period, loaded once and kept up to date."""
    told: dict = field(default_factory=dict)
    """Balances: loaded once, then what the gate was told last."""

    def opens(self, who: str, on: str) -> str | None:
        person, link = self.people[who], self.links[on]
        if not link.is_on:
            return "link_disabled"
        if person.is_guest and not link.takes_guests:
            return "guests_refused"
        return "user_suspended" if person.is_suspended else None

    def ask(self, who: str, on: str, now: int) -> str | tuple[int, int]:
        """The rule that refuses, or what is held of the balance and of the points."""
        try:
            return self._admit(who, on, now)
        except Refused as refused:
            return str(refused)

    def _admit(self, who: str, on: str, now: int) -> tuple[int, int]:
        _refuse_if(self.opens(who, on))
        scopes = self._scopes(who, on)
        rates = self._next_rates(scopes, now)
        for (name, of), limits in scopes.items():
            most = limits.get("open_questions", inf)
            _refuse_if(len(self.open_in(name, of, now)) >= most and f"{name}_open")
        asked = self._asked_today(scopes, now)
        used, points_hold = self._used(scopes, who, on, now)
        told, hold = self._balance_hold(who, on, now)
        # Every rule has said yes: only now is anything taken.
        self.rates |= rates
        self.asked |= asked
        self.used |= used
        self.told = told
        for name, of in scopes:
            if (name, of, day_of(now)) in self.asked:
                self.asked[name, of, day_of(now)] += 1
        return hold, points_hold

    def _scopes(self, who: str, on: str) -> dict[tuple[str, str], dict]:
        person, link = self.people[who], self.links[on]
        visitor = self.plans[self.plan_name(who)].limits | link.visitor_limits | person.limits
        scopes = {("visitor", who): visitor}
        if person.is_guest:
            scopes["guests", on] = link.guest_limits
        scopes["link", on] = link.limits
        return {
            scope: {kind: limit for kind, limit in limits.items() if Fraction(limit) != UNLIMITED}
            for scope, limits in scopes.items()
        }

    def _next_rates(self, scopes: dict, now: int) -> dict:
        """One question each interval, and some at once."""
        rates = {}
        for (name, of), limits in scopes.items():
            per_minute = limits.get("questions_per_minute")
            if per_minute is None:
                continue
            _refuse_if(per_minute == 0 and f"{name}_rate")
            interval = ceil(Fraction(MINUTE, per_minute))
            at_once = interval * max(limits.get("burst", per_minute), 1)
            owed = min(self.rates.get((name, of), 0), now + at_once)
            rates[name, of] = max(owed, now) + interval
            _refuse_if(rates[name, of] > now + at_once and f"{name}_rate")
        return rates

    def _asked_today(self, scopes: dict, now: int) -> dict:
        asked = {}
        for (name, of), limits in scopes.items():
            place = (name, of, day_of(now))
            if "questions_per_day" in limits:
                asked[place] = self.asked.get(place, len(self.answers_in(*place)))
                most = limits["questions_per_day"]
                _refuse_if(asked[place] >= most and f"{name}_day_questions")
        return asked

    def _used(self, scopes: dict, who: str, on: str, now: int) -> tuple[dict, int]:
        _, points = self._expected(who, on)
        day, used, hold = day_of(now), {}, points
        for name, of, kind, period, rule in (
            ("visitor", who, "points_per_day", day, "visitor_day_points"),
            ("visitor", who, "points_per_month", day[:7], "visitor_month_points"),
            ("guests", on, "points_per_day", day, "guests_day_points"),
            ("link", on, "points_per_month", day[:7], "link_month_points"),
            ("link", on, "points_total", "", "link_total_points"),
        ):
            limit, place = scopes.get((name, of), {}).get(kind), (name, of, period)
            if limit is None:
                continue
            most = floor(Fraction(limit) * MICRO)
            used[place] = self.used.get(place, self._points_in(place))
            left = most - used[place] - sum(t.points for t in self.open_in(name, of, now))
            _refuse_if((left <= 0 or (self.needs_all and left < min(points, most))) and rule)
            hold = min(hold, left)
        return used, hold

    def _balance_hold(self, who: str, on: str, now: int) -> tuple[dict, int]:
        charge, _ = self._expected(who, on)
        credit = self.plans[self.plan_name(who)].credit
        if self.is_free(who, on, now):
            return self.told, 0
        if credit is None:
            return self.told, charge
        told = {who: self.balance(who)} | self.told
        held = sum(t.hold for t in self.open_in("visitor", who, now))
        left = told[who] // 1000 + credit // 1000 - held
        _refuse_if((left < charge if self.needs_all else left <= 0) and "balance_too_low")
        return told, max(min(charge, left), 0)

    def _expected(self, who: str, on: str) -> tuple[int, int]:
        return self.expected.get((on, self.plan_name(who)), (self.first, self.first))

    def cancel(self, ticket: Ticket) -> None:
        self.tickets.remove(ticket)
        for name, of in (("visitor", ticket.who), ("guests", ticket.link)):
            place = (name, of, day_of(ticket.opened))
            is_counted = name == "visitor" or self.people[ticket.who].is_guest
            if is_counted and self.asked.get(place, 0) > 0:
                self.asked[place] -= 1

    def open_in(self, name: str, of: str, now: int) -> list[Ticket]:
        return [t for t in self.tickets if t.expires > now and self._is_in(t, name, of)]

    def _points_in(self, place: tuple) -> int:
        return ceil(Fraction(sum(e.points for e in self.answers_in(*place)), 1000))

    def answered(self, who: str, on: str, answer, received: int, now: int) -> Event:
        """A finish: into the books, and if it is a new one, what the gate makes of it."""
        known = len(self.events)
        event = self.finish(who, on, answer, received)
        if len(self.events) > known:
            self._settle(event, now)
        return event

    def _settle(self, event: Event, now: int) -> None:
        """An open question less, what is loaded corrected."""
        self.told[event.who] = self.balance(event.who)
        own = [t for t in self.open_in("visitor", event.who, now) if t.link == event.link]
        for ticket in [t for t in own if t.opened <= event.received + MINUTE][:1]:
            self.tickets.remove(ticket)
        points, charge = (ceil(Fraction(n, 1000)) for n in (event.points, event.charge))
        for place in self.used:
            if self._is_in(event, *place[:2]) and day_of(event.received).startswith(place[2]):
                self.used[place] += points
        kind = (event.link, self.plan_name(event.who))
        before = self.expected.get(kind, (charge, points))
        after = [
            (7 * old + new + 4) // 8 for old, new in zip(before, (charge, points), strict=True)
        ]
        self.expected[kind] = tuple(after) if kind in self.expected else (charge, points)

    def forget_loaded(self) -> None:
        """What was loaded expired: it is loaded again, and nobody notices."""
        self.used, self.told = {}, {}

    def flush(self) -> None:
        """Redis was emptied: open questions, rates and what was learned are lost, no money."""
        self.forget_loaded()
        self.tickets, self.rates, self.expected, self.asked = [], {}, {}, {}
