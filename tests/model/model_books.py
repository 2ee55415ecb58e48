"""What metering, pricing and the ledger must do, as simply as it can be said.

One process, no database, exact fractions, nothing remembered that could be added up instead.
Money and points are nano-units, moments are microseconds.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from math import floor
from typing import Any

NANO, MICRO = 10**9, 10**6
SHANGHAI = timezone(timedelta(hours=8))


def nano(amount: Fraction) -> int:
    """Half up; amounts are not negative."""
    return floor(amount * NANO + Fraction(1, 2))


def day_of(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / MICRO, UTC).astimezone(SHANGHAI):%Y-%m-%d}"


@dataclass
class Plan:
    limits: dict = field(default_factory=dict)
    credit: int | None = 0
    multiplier: Fraction = Fraction(1)


@dataclass
class Person:
    is_guest: bool
    plan: str = "default"
    limits: dict = field(default_factory=dict)
    is_suspended: bool = False


@dataclass
class Link:
    takes_guests: bool = True
    multiplier: Fraction = Fraction(1)
    limits: dict = field(default_factory=dict)
    visitor_limits: dict = field(default_factory=dict)
    guest_limits: dict = field(default_factory=dict)
    is_on: bool = True


@dataclass(frozen=True)
class Event:
    who: str
    link: str
    answer: object
    received: int
    points: int
    charge: int


@dataclass(frozen=True)
class Entry:
    kind: str
    who: str
    amount: int
    reverses: tuple | None = None


@dataclass
class Books:
    plans: dict[str, Plan]
    people: dict[str, Person]
    links: dict[str, Link]
    books: list[tuple[int, dict]]
    """Price versions as published: when each takes effect, and its amounts."""
    replay_window: int = 600 * MICRO
    events: list[Event] = field(default_factory=list)
    ledger: dict[str, list[Entry]] = field(default_factory=dict)
    keys: dict[str, Entry] = field(default_factory=dict)
    allowance: Counter = field(default_factory=Counter)

    def plan_name(self, who: str) -> str:
        return "guest" if self.people[who].is_guest else self.people[who].plan

    def book(self, at: int) -> dict:
        in_force = [one for one in enumerate(self.books) if one[1][0] <= at]
        return max(in_force, key=lambda one: (one[1][0], one[0]))[1][1] if in_force else {}

    def is_free(self, who: str, on: str, now: int) -> bool:
        book, plan = {"per_point": "1"} | self.book(now), self.plans[self.plan_name(who)]
        costs = any(Fraction(book.get(n, 0)) for n in ("per_point", "per_question", "minimum"))
        return not costs or 0 in (plan.multiplier, self.links[on].multiplier)

    def finish(self, who: str, on: str, answer, received: int) -> Event:
        """The event in the books: a new one, or the one that this repeats."""
        for earlier in reversed(self.events):
            if (earlier.who, earlier.link, earlier.answer) == (who, on, answer) and (
                answer.has_ids or abs(earlier.received - received) <= self.replay_window
            ):
                return earlier
        event = Event(who, on, answer, received, nano(answer.points), 0)
        event = Event(*list(vars(event).values())[:-1], self._charge(event))
        self.events.append(event)
        self.ledger.setdefault(who, []).append(Entry("charge", who, -event.charge))
        return event

    def _charge(self, event: Event) -> int:
        terms = {"per_point": "1", "zero_usage": "free"} | self.book(event.received)
        book = {name: Fraction(value) for name, value in terms.items() if name != "zero_usage"}
        plan = self.plans[self.plan_name(event.who)]
        answer, times = event.answer, plan.multiplier * self.links[event.link].multiplier
        is_billed = answer.has_lines or answer.points > 0 or terms["zero_usage"] == "charged"
        amount = answer.points * book["per_point"] + is_billed * book.get("per_question", 0)
        least = book.get("minimum", Fraction(0)) if is_billed and times else Fraction(0)
        charge = nano(max(amount * times, least))
        month = (event.who, day_of(event.received)[:7])
        free = min(charge, max(nano(book.get("monthly_allowance", 0)) - self.allowance[month], 0))
        self.allowance[month] += free
        return charge - free

    def answers_in(self, name: str, of: str, period: str) -> list[Event]:
        """A period is the beginning of a date; the empty one is ever."""
        found = [e for e in self.events if self._is_in(e, name, of)]
        return [e for e in found if day_of(e.received).startswith(period)]

    def _is_in(self, one: Any, name: str, of: str) -> bool:
        if name == "visitor":
            return one.who == of
        return one.link == of and (name == "link" or self.people[one.who].is_guest)

    def balance(self, who: str) -> int:
        return sum(entry.amount for entry in self.ledger.get(who, []))

    def fund(self, entry: Entry, key: str, *, may_be_negative: bool) -> str:
        """What became of it: ``posted``, ``again``, or the code of a refusal."""
        is_income = entry.kind in ("top_up", "refund")
        if (is_income and entry.amount <= 0) or (entry.kind, entry.amount) == ("adjustment", 0):
            return "ledger_entry_invalid"
        if key in self.keys:
            return "again" if self.keys[key] == entry else "idempotency_conflict"
        if entry.reverses in {other.reverses for other in self.ledger.get(entry.who, [])} - {None}:
            return "already_reversed"
        if entry.reverses and self.ledger[entry.who][entry.reverses[1]].kind == "reversal":
            return "ledger_entry_invalid"
        if entry.amount < 0 and self.balance(entry.who) + entry.amount < 0 and not may_be_negative:
            return "balance_would_be_negative"
        self.keys[key] = entry
        self.ledger.setdefault(entry.who, []).append(entry)
        return "posted"
