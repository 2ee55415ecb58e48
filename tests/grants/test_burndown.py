"""Which credit is spent: examples of each rule, and what must hold for every history."""

from datetime import UTC, datetime, timedelta

import pytest
from app.ledger.burndown import Credit, Move
from app.ledger.grants import Closing, Terms
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 11, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


class Wallet:
    """Moves one after the other; ``grant`` and ``ask`` return their sequence."""

    def __init__(self, corrected=()) -> None:
        self.credit = Credit(corrected=corrected)

    def move(self, at: float, amount: int, **more) -> int:
        sequence = self.credit.sequence + 1
        self.credit.apply(Move(sequence, day(at), amount, **more))
        return sequence

    def grant(self, at: float, amount: int, until: float | None = None, priority: int = 50) -> int:
        terms = Terms(None if until is None else day(until), priority)
        return self.move(at, amount, terms=terms)

    def ask(self, at: float, amount: int) -> int:
        return self.move(at, -amount, answer=self.credit.sequence + 1)

    def expire(self, at: float, grant: int) -> int:
        left = self.credit.open[grant].remaining
        self.move(at, -left, closing=Closing(grant, "expired"))
        return left

    @property
    def left(self) -> dict[int, int]:
        return {number: held.remaining for number, held in self.credit.open.items()}


def test_answers_are_drawn_by_priority_then_by_what_expires_first_then_from_paid_credit():
    wallet = Wallet()
    wallet.move(0, 100)
    late = wallet.grant(0, 10, until=20)
    soon = wallet.grant(0, 10, until=10)
    never = wallet.grant(0, 10)
    first = wallet.grant(0, 10, until=30, priority=1)
    wallet.ask(1, 15)
    assert wallet.left == {late: 10, soon: 5, never: 10, first: 0}
    wallet.ask(2, 22)
    assert wallet.left == {late: 0, soon: 0, never: 3, first: 0}
    wallet.ask(3, 10)
    assert (wallet.credit.granted, wallet.credit.paid) == (0, 93)


def test_credit_that_is_over_pays_nothing_though_nobody_took_it_away_yet():
    wallet = Wallet()
    wallet.move(0, 5)
    over = wallet.grant(0, 10, until=1)
    wallet.ask(1, 3)
    assert (wallet.left, wallet.credit.paid) == ({over: 10}, 2)
    wallet.ask(0.5, 3)  # it came before, and waited in a spool
    assert (wallet.left, wallet.credit.paid) == ({over: 7}, 2)
    assert wallet.expire(1, over) == 7
    wallet.ask(0.6, 3)  # too late: an expiry is final
    assert (wallet.left, wallet.credit.paid) == ({}, -1)


def test_what_is_owed_is_covered_by_credit_that_is_given():
    wallet = Wallet()
    wallet.ask(0, 30)
    one = wallet.grant(1, 20)
    two = wallet.grant(2, 20)
    assert (wallet.left, wallet.credit.paid) == ({one: 0, two: 10}, 0)


def test_corrections_of_money_take_paid_credit_first():
    wallet = Wallet()
    wallet.move(0, 10)
    one = wallet.grant(0, 20)
    wallet.move(1, -10)  # the top-up bounced
    assert (wallet.left, wallet.credit.paid) == ({one: 20}, 0)
    wallet.move(1, -5)
    assert (wallet.left, wallet.credit.paid) == ({one: 15}, 0)


def test_what_is_given_back_goes_where_it_was_drawn_from_last_drawn_first():
    wallet = Wallet(corrected={4})
    wallet.move(0, 10)
    one, two = wallet.grant(0, 5, until=5, priority=1), wallet.grant(0, 5, until=9)
    asked = wallet.ask(1, 14)
    assert (asked, wallet.left, wallet.credit.paid) == (4, {one: 0, two: 0}, 6)
    wallet.move(2, 6, answer=asked)  # priced again: 8 instead of 14
    assert (wallet.left, wallet.credit.paid) == ({one: 0, two: 2}, 10)
    wallet.move(3, -1, answer=asked)  # and again: 9
    assert (wallet.left, wallet.credit.paid) == ({one: 0, two: 1}, 10)
    wallet.move(6, 9, answer=asked)  # taken back when one is over: its part is paid credit now
    assert (wallet.left, wallet.credit.paid) == ({one: 0, two: 5}, 15)


def test_refunds_and_top_ups_are_paid_credit():
    wallet = Wallet()
    one = wallet.grant(0, 10)
    wallet.ask(1, 4)
    wallet.move(2, 4)
    assert (wallet.left, wallet.credit.paid) == ({one: 6}, 4)


class Naive:
    """The rules once more, unit by unit: each unit of credit remembers what it is."""

    def __init__(self) -> None:
        self.units: list[int | None] = []
        self.owed = 0
        self.terms: dict[int, Terms] = {}
        self.drawn: dict[int, list[int | None]] = {}

    def order(self, unit, at):
        terms = self.terms[unit]
        return (terms.priority, terms.expires_at or day(9999), unit)

    def good(self, at):
        return sorted(
            (unit for unit in self.units if unit is not None and self.terms[unit].holds(at)),
            key=lambda unit: self.order(unit, at),
        )

    def take_paid(self, count):
        for _ in range(count):
            if None in self.units:
                self.units.remove(None)
            else:
                self.owed += 1

    def add_paid(self, count):
        for _ in range(count):
            if self.owed:
                self.owed -= 1
            else:
                self.units.append(None)

    def apply(self, move: Move) -> None:  # noqa: C901, PLR0912 - each rule once
        if move.terms:
            self.terms[move.sequence] = move.terms
            self.units += [move.sequence] * move.amount
        elif move.closing:
            self.units = [unit for unit in self.units if unit != move.closing.grant]
            del self.terms[move.closing.grant]
        elif move.answer and move.amount < 0:
            for _ in range(-move.amount):
                unit = next(iter(self.good(move.at)), None)
                self.drawn.setdefault(move.answer, []).append(unit)
                if unit is None:
                    self.take_paid(1)
                else:
                    self.units.remove(unit)
        elif move.answer:
            for _ in range(move.amount):
                unit = (self.drawn.get(move.answer) or [None]).pop()
                if unit in self.terms and self.terms[unit].holds(move.at):
                    self.units.append(unit)
                else:
                    self.add_paid(1)
        elif move.amount > 0:
            self.add_paid(move.amount)
        else:
            self.take_paid(-move.amount)
        while self.owed and (good := self.good(move.at)):
            self.units.remove(good[0])
            self.owed -= 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["top_up", "take", "grant", "grant", "ask", "ask", "ask", "back", "end"]),
        st.integers(1, 9),
        st.integers(0, 3),
        st.sampled_from([None, 2, 5, 9]),
    ),
    max_size=30,
)


def _moves(steps) -> list[Move]:
    """A history that the ledger could hold: time goes on, but some finishes come late."""
    moves: list[Move] = []
    charges: dict[int, int] = {}
    left = Credit(corrected=range(99))
    for now, (kind, amount, pick, span) in enumerate(steps):
        sequence = len(moves) + 1
        at = now / 2 - (pick if kind == "ask" and pick > 1 else 0)
        move = Move(sequence, day(at), amount)
        if kind == "take":
            move = Move(sequence, day(at), -amount)
        elif kind == "grant":
            until = None if span is None else day(at + span)
            move = Move(sequence, day(at), amount, terms=Terms(until, pick))
        elif kind == "ask":
            charges[sequence] = amount
            move = Move(sequence, day(at), -amount, answer=sequence)
        elif kind == "back" and charges:
            answer = sorted(charges)[pick % len(charges)]
            back = min(amount, charges[answer])
            charges[answer] -= back
            move = Move(sequence, day(at), back, answer=answer)
        elif kind == "end" and left.open:
            grant = sorted(left.open)[pick % len(left.open)]
            lapsed = left.open[grant].remaining
            move = Move(sequence, day(at), -lapsed, closing=Closing(grant, "revoked"))
        left.apply(move)
        moves.append(move)
    return moves


@given(STEPS)
def test_every_history_is_what_counting_unit_by_unit_says(steps):
    moves = _moves(steps)
    credit, naive = Credit(corrected=range(99)), Naive()
    for move in moves:
        credit.apply(move)
        naive.apply(move)
        left = {number: naive.units.count(number) for number in naive.terms}
        assert {number: held.remaining for number, held in credit.open.items()} == left
        assert credit.paid == naive.units.count(None) - naive.owed
        assert all(0 <= held.remaining <= held.amount for held in credit.open.values())
        assert credit.paid + credit.granted == credit.balance
        assert credit.paid >= 0 or not list(credit.in_force(move.at))


@pytest.mark.parametrize("answers", [set(), {1, 2, 3}])
def test_what_is_remembered_for_corrections_changes_nothing_else(answers):
    wallet = Wallet(corrected=answers)
    wallet.grant(0, 10)
    wallet.ask(1, 4)
    assert wallet.left == {1: 6}
