"""Random sequences of everything, against a small model of what must come of it.

Each run is one service on a real database and a real Valkey, with two workers that share nothing
but these, and an oracle (``model_books.py``, ``model_gate.py``). After each step the answer, the
balances, the events and what the gate holds must be the oracle's; after each run the whole books
are verified.

    pytest tests/model                                    a few runs, part of `make test`
    pytest tests/model --hypothesis-profile=long          thousands of runs, for an evening
    pytest tests/model --hypothesis-seed=<printed seed>   the same runs once more

A failure prints the shortest sequence of steps that shows it, and the seed it was found under.
"""

import random
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from math import floor
from typing import Any

import hypothesis
import pytest
from app.admission import redis_gate
from app.errors import ServiceError
from app.turns.finish import Accepted, Quarantined
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from model_books import NANO, Entry, Event, Link, Person, Plan
from model_choices import (
    ANSWERS,
    BOOKS,
    CREDITS,
    GUEST_LIMITS,
    GUESTS,
    KEYS,
    LINK_LIMITS,
    LINKS,
    MULTIPLIERS,
    NOBODY,
    PEOPLE,
    PLANS,
    USERS,
    VISITOR_LIMITS,
    Answer,
)
from model_gate import Oracle, Ticket
from model_world import BEGINNING, Lab, World, micros, scripts_with_clock


class Service(RuleBasedStateMachine):
    """Every rule does one thing to both and compares."""

    lab: Lab
    seen: Counter
    """What all runs together came to, so that a run that tests nothing is noticed."""

    world: World | None = None

    @initialize(
        needs_all=st.booleans(), credit=CREDITS, limits=VISITOR_LIMITS, link_limits=LINK_LIMITS
    )
    def begin(self, needs_all: bool, credit: str | None, limits: dict, link_limits: dict) -> None:
        self.world = World(self.lab, {"last_question": "refuse" if needs_all else "admit"})
        self.oracle = Oracle(
            plans={name: Plan(limits, in_nano(credit)) for name in PLANS},
            people={name: Person(is_guest=name in GUESTS) for name in PEOPLE},
            links={name: Link(limits=link_limits) for name in LINKS},
            needs_all=needs_all,
            books=[(micros(BEGINNING), {"per_point": "1"})],
        )
        self.asked: dict[str, object] = {}
        self.seen["runs"] += 1
        with self.world.together():
            self.world.add_plan("gold")
            for name in PLANS:
                self.world.change_plan(
                    name, limits=limits, credit_limit=credit, price_multiplier="1"
                )
            for name in USERS:
                self.world.add_user(name)
            for name in LINKS:
                self.world.add_link(name)
                self.world.change_link(name, limits=link_limits)
        for number, name in enumerate(GUESTS):
            self.world.tokens[name] = f"shareChat-1700000000000-{number:024d}"
        self.fund("top_up", USERS[0], "1.5", "first", may_be_negative=False, is_told=False)

    @property
    def now(self) -> int:
        return micros(self.world.now)

    def tick(self) -> None:
        # Nothing happens at the same microsecond, so that "oldest" is never a tie.
        self.world.pass_time(timedelta(milliseconds=1))

    # -- FastGPT -----------------------------------------------------------------------------

    @rule(worker=st.integers(0, 1), who=st.sampled_from(PEOPLE), link=st.sampled_from(LINKS))
    def open(self, worker: int, who: str, link: str) -> None:
        self.tick()
        world, refused = self.world, self.oracle.opens(who, link)
        visits = world.workers[worker].visits
        found = attempt(lambda: visits.open(world.doors[link], world.tokens[who], world.now))
        assert (found if isinstance(found, str) else None) == refused
        nobody = Answer("", Fraction(0)).body(NOBODY)
        assert isinstance(world.finish(worker, link, nobody), Quarantined)

    @rule(
        worker=st.integers(0, 1),
        who=st.sampled_from(PEOPLE),
        link=st.sampled_from(LINKS),
        times=st.integers(1, 4),
    )
    def ask(self, worker: int, who: str, link: str, times: int) -> None:
        for number in range(times):
            self.ask_once((worker + number) % 2, who, link)

    def ask_once(self, worker: int, who: str, link: str) -> None:
        self.tick()
        expected = self.oracle.ask(who, link, self.now)
        asked = attempt(lambda: self.world.ask(worker, who, link))
        if isinstance(asked, str) or isinstance(expected, str):
            assert asked == expected
            self.seen[expected] += 1
            return
        self.seen["admitted"] += 1
        admission = asked.admission
        assert admission.mode == "gate"
        assert (admission.hold // 1000, admission.points_hold // 1000) == expected
        expires = micros(admission.expires_at)
        assert expires == self.now + self.oracle.ticket_life
        self.asked[admission.ticket] = asked
        ticket = Ticket(admission.ticket, who, link, *expected, self.now, expires)
        self.oracle.tickets.append(ticket)

    def live(self) -> list[Ticket]:
        return [t for t in self.oracle.tickets if t.expires > self.now + 1000]

    @precondition(lambda self: self.live())
    @rule(worker=st.integers(0, 1), data=st.data())
    def cancel(self, worker: int, data: st.DataObject) -> None:
        self.tick()
        ticket = data.draw(st.sampled_from(self.live()))
        opened = BEGINNING + timedelta(microseconds=ticket.opened - micros(BEGINNING))
        self.world.cancel(worker, self.asked[ticket.name], opened)
        self.oracle.cancel(ticket)

    @precondition(lambda self: self.live())
    @rule(worker=st.integers(0, 1), answer=ANSWERS, data=st.data())
    def answer_what_was_asked(self, worker: int, answer: Answer, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.live()))
        self.finish(worker, ticket.who, ticket.link, answer)

    @rule(
        worker=st.integers(0, 1),
        who=st.sampled_from(PEOPLE),
        link=st.sampled_from(LINKS),
        answer=ANSWERS,
        late=st.none() | st.sampled_from([30, 600, 4 * 3600, 36 * 3600]),
    )
    def answer_anything(
        self, worker: int, who: str, link: str, answer: Answer, late: int | None
    ) -> None:
        self.finish(worker, who, link, answer, late)

    @precondition(lambda self: self.oracle.events)
    @rule(
        worker=st.integers(0, 1),
        late=st.none() | st.sampled_from([30, 4 * 3600]),
        data=st.data(),
    )
    def send_again(self, worker: int, late: int | None, data: st.DataObject) -> None:
        event: Event = data.draw(st.sampled_from(self.oracle.events))
        self.finish(worker, event.who, event.link, event.answer, late)

    def finish(
        self, worker: int, who: str, link: str, answer: Answer, late: int | None = None
    ) -> None:
        self.tick()
        received = self.world.now - timedelta(seconds=late or 0)
        before = len(self.oracle.events)
        event = self.oracle.answered(who, link, answer, micros(received), self.now)
        body = answer.body(self.world.tokens[who])
        got = self.world.finish(worker, link, body, None if late is None else received)
        assert isinstance(got, Accepted), got
        is_new = len(self.oracle.events) > before
        self.seen[got.outcome] += 1
        assert (got.outcome == "recorded", got.points, got.charge) == (
            is_new,
            event.points,
            event.charge,
        )
        self.learn_id(who)

    def learn_id(self, who: str) -> None:
        if who not in self.world.user_ids:
            token = self.world.tokens[who]
            found = self.world.rows("SELECT id FROM users WHERE subject = :s", s=token)
            self.world.user_ids[who] = found[0][0]

    @rule(
        who=st.sampled_from(PEOPLE),
        link=st.sampled_from(LINKS),
        turns=st.lists(st.none() | ANSWERS, min_size=3, max_size=8),
    )
    def talk(self, who: str, link: str, turns: list[Answer | None]) -> None:
        """A question where there is no answer; workers take turns, and so may their order."""
        for number, answer in enumerate(turns):
            self.world.pass_time(timedelta(seconds=5))
            if answer is None:
                self.ask_once(number % 2, who, link)
            else:
                self.finish(number // 2 % 2, who, link, answer)

    @rule(who=st.lists(st.sampled_from(PEOPLE), min_size=2, max_size=6), answer=ANSWERS)
    def talk_across(self, who: list[str], answer: Answer) -> None:
        """Several visitors at once on one link, and one answer to the first."""
        for number, name in enumerate(who):
            self.ask_once(number % 2, name, "red")
        self.finish(0, who[0], "red", answer)

    # -- operators ---------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(["top_up", "top_up", "refund", "adjustment"]),
        who=st.sampled_from(USERS),
        amount=st.sampled_from(["5", "0.25", "0.000000001", "0", "-0.5", "-3"]),
        key=KEYS,
        may_be_negative=st.booleans(),
        is_told=st.booleans(),
    )
    def fund(
        self,
        kind: str,
        who: str,
        amount: str,
        key: str,
        may_be_negative: bool,
        is_told: bool,
    ) -> None:
        self.tick()
        entry = Entry(kind, who, in_nano(amount))
        outcome = self.oracle.fund(entry, key, may_be_negative=may_be_negative)
        self.compare_funding(
            who,
            outcome,
            lambda: self.world.fund(kind, who, entry.amount, key, may_be_negative=may_be_negative),
            is_told=is_told,
        )

    @precondition(lambda self: self.oracle.ledger)
    @rule(key=KEYS, may_be_negative=st.booleans(), is_told=st.booleans(), data=st.data())
    def reverse(self, key: str, may_be_negative: bool, is_told: bool, data: st.DataObject) -> None:
        self.tick()
        who = data.draw(st.sampled_from(sorted(self.oracle.ledger)))
        sequence = data.draw(st.integers(0, len(self.oracle.ledger[who]) - 1))
        amount = -self.oracle.ledger[who][sequence].amount
        entry = Entry("reversal", who, amount, (who, sequence))
        outcome = self.oracle.fund(entry, key, may_be_negative=may_be_negative)
        self.compare_funding(
            who,
            outcome,
            lambda: self.world.reverse(who, sequence, key, may_be_negative=may_be_negative),
            is_told=is_told,
        )

    def compare_funding(
        self, who: str, outcome: str, work: Callable[[], object], *, is_told: bool
    ) -> None:
        self.seen[outcome] += 1
        funded = attempt(work)
        if isinstance(funded, str):
            assert funded == outcome
            return
        assert ("again" if funded.is_replay else "posted") == outcome
        assert funded.balance == self.oracle.balance(who)
        if is_told:
            self.world.workers[0].gate.set_balance(funded.user_id, funded.balance, funded.version)
            self.oracle.told[who] = funded.balance

    @rule(book=BOOKS, after_s=st.sampled_from([0, 0, 60, 4 * 3600]))
    def publish(self, book: dict, after_s: int) -> None:
        self.tick()
        at = self.world.now + timedelta(seconds=after_s)
        said = {name: value for name, value in book.items() if value != "0"}
        in_force = self.oracle.book(micros(at))
        before = {name: value for name, value in in_force.items() if value != "0"}
        refused = self.world.publish(book, at)
        assert refused == ("prices_unchanged" if said == before else None)
        if refused is None:
            self.oracle.books.append((micros(at), book))

    @rule(
        name=st.sampled_from(PLANS),
        limits=VISITOR_LIMITS,
        credit=CREDITS,
        multiplier=MULTIPLIERS,
    )
    def change_plan(self, name: str, limits: dict, credit: str | None, multiplier: str) -> None:
        self.tick()
        self.world.change_plan(
            name, limits=limits, credit_limit=credit, price_multiplier=multiplier
        )
        self.oracle.plans[name] = Plan(limits, in_nano(credit), Fraction(multiplier))

    @rule(
        name=st.sampled_from(LINKS),
        takes_guests=st.sampled_from([True, True, False]),
        limits=LINK_LIMITS,
        visitor_limits=VISITOR_LIMITS,
        guest_limits=GUEST_LIMITS,
        multiplier=MULTIPLIERS,
    )
    def change_link(
        self,
        name: str,
        takes_guests: bool,
        limits: dict,
        visitor_limits: dict,
        guest_limits: dict,
        multiplier: str,
    ) -> None:
        self.tick()
        self.world.change_link(
            name,
            allows_guests=takes_guests,
            limits=limits,
            visitor_limits=visitor_limits,
            guest_limits=guest_limits,
            price_multiplier=multiplier,
        )
        self.oracle.links[name] = Link(
            takes_guests,
            Fraction(multiplier),
            limits,
            visitor_limits,
            guest_limits,
            self.oracle.links[name].is_on,
        )

    @rule(name=st.sampled_from(USERS + LINKS))
    def switch(self, name: str) -> None:
        """Suspend a user or switch a link off; or the other way round."""
        self.tick()
        if name in USERS:
            person = self.oracle.people[name]
            person.is_suspended = not person.is_suspended
            self.world.suspend(name, suspended=person.is_suspended)
            return
        link = self.oracle.links[name]
        link.is_on = not link.is_on
        self.world.switch_link(name, on=link.is_on)

    @rule(name=st.sampled_from(USERS), plan=st.sampled_from(PLANS), limits=VISITOR_LIMITS)
    def change_user(self, name: str, plan: str, limits: dict) -> None:
        self.tick()
        person = self.oracle.people[name]
        person.plan, person.limits = plan, limits
        self.world.change_user(name, plan=plan, limits=limits)

    # -- time and losses ---------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 9, 31, 61, 601, 901, 4 * 3600, 26 * 3600]))
    def pass_time(self, seconds: int) -> None:
        self.world.pass_time(timedelta(seconds=seconds))

    @rule()
    def redis_is_emptied(self) -> None:
        # A worker that finds no revision asks the database, at most every hooks.staleness_max_s.
        self.world.pass_time(timedelta(seconds=3))
        self.world.flush()
        self.oracle.flush()

    @rule()
    def what_was_loaded_expires(self) -> None:
        self.world.flush("loaded:*")
        self.oracle.forget_loaded()

    @rule(worker=st.integers(0, 1), is_restart=st.booleans())
    def worker_forgets(self, worker: int, is_restart: bool) -> None:
        if is_restart:
            self.world.restart(worker)
            return
        directory = self.world.workers[worker].directory
        directory.forget(directory.revision)

    # -- what must be so after every step ----------------------------------------------------

    @invariant()
    def books_and_gate_are_those_of_the_model(self) -> None:
        self.seen["steps"] += 1
        ids, oracle = self.world.user_ids, self.oracle
        wallets = self.world.wallets()
        known = {ids[who]: who for who in ids if who in oracle.ledger}
        assert wallets == {
            id_: (oracle.balance(who), len(oracle.ledger[who])) for id_, who in known.items()
        }
        links = self.world.link_ids
        assert self.world.events() == [
            (ids[e.who], links[e.link], e.points, e.charge) for e in oracle.events
        ]
        for who, id_ in ids.items():
            held = self.world.workers[0].gate.snapshot(id_, links["red"])
            told = oracle.told.get(who)
            assert held.balance == (None if told is None else floor(Fraction(told, 1000)) * 1000)
            assert held.visitor_open == len(oracle.open_in("visitor", who, self.now))

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            if sys.exception() is None:
                self.check_books()
        finally:
            self.world.close()

    def check_books(self) -> None:
        found = self.world.verify()
        assert found.findings == ()
        entries = [entry for of in self.oracle.ledger.values() for entry in of]
        assert found.transactions == len(entries)
        assert found.events == len(self.oracle.events)
        assert found.sums["wallets"] == sum(entry.amount for entry in entries)
        assert found.sums["points"] == sum(event.points for event in self.oracle.events)
        assert found.sums["charged"] == sum(event.charge for event in self.oracle.events)


def in_nano(amount: str | None) -> int | None:
    return None if amount is None else int(Fraction(amount) * NANO)


def attempt(call: Callable[[], Any]) -> Any:
    """What the call returns, or the code of its refusal."""
    try:
        return call()
    except ServiceError as refused:
        return refused.code


@pytest.mark.parametrize(
    ("new_database", "runs"), [("sqlite", 8), ("postgresql", 3)], indirect=["new_database"]
)
def test_service_does_what_the_model_says(
    new_database, runs, valkey_url, tmp_path, monkeypatch, pytestconfig
):
    clock_key = f"model:{uuid.uuid4().hex}:clock"
    monkeypatch.setattr(redis_gate, "load_scripts", scripts_with_clock(clock_key))
    lab = Lab(valkey_url, clock_key, tmp_path, new_database)
    settings = hypothesis.settings.default
    is_long = hypothesis.settings.get_current_profile_name() == "long"
    if not is_long:
        settings = hypothesis.settings(max_examples=runs, stateful_step_count=25)
    given = pytestconfig.getoption("--hypothesis-seed")
    seed = random.SystemRandom().randrange(2**32) if given is None else int(given)
    print(f"pytest tests/model --hypothesis-seed={seed}")  # noqa: T201 - for whoever sees it fail
    seen: Counter = Counter()
    machine = hypothesis.seed(seed)(type("Service", (Service,), {"lab": lab, "seen": seen}))
    try:
        run_state_machine_as_test(machine, settings=settings)
    finally:
        print(dict(seen.most_common()))  # noqa: T201 - shows with -s
    if is_long:
        assert {"admitted", "recorded", "replayed", "posted", "again"} <= set(seen)
