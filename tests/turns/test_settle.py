"""Finishes in the books: alone or many at once, each once, on top of one another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from app.db import Database
from app.errors import NotFound
from app.metering import store as metering_store
from app.metering.models import UsageLine
from app.pricing.book import PriceBook
from app.turns.price_shelf import PricedBy
from app.turns.settle import Recorded, Turn, settle_turn, settle_turns

from books import NANO
from turn_builders import RULES, Stage, make_turn

MINUTE = timedelta(minutes=1)


@pytest.fixture
def stage(db: Database, now) -> Stage:
    return Stage(db, now)


def settle(stage: Stage, *turns: Turn) -> list[Recorded]:
    with stage.db.begin() as session:
        return settle_turns(session, turns, RULES)


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(connection, cursor, statement, parameters, context, executemany) -> None:
        sent.append(statement)

    sa.event.listen(db.engine, "after_cursor_execute", note)
    yield sent
    sa.event.remove(db.engine, "after_cursor_execute", note)


def test_turn_is_charged_to_the_wallet_of_its_visitor(stage):
    (recorded,) = settle(stage, stage.turn("a", points=2))
    assert recorded == Recorded("a", recorded.settle_key, 2 * NANO, NANO, -NANO, 1, False)
    assert stage.balance() == (-NANO, 1)
    assert stage.findings() == []


def test_turns_of_one_wallet_in_one_transaction_follow_each_other(stage):
    recorded = settle(stage, *(stage.turn(name, points=2) for name in "abc"))
    assert [(one.balance, one.version) for one in recorded] == [
        (-NANO, 1),
        (-2 * NANO, 2),
        (-3 * NANO, 3),
    ]
    assert stage.balance() == (-3 * NANO, 3)
    assert stage.findings() == []


def test_batch_leaves_the_same_books_as_one_turn_after_the_other(stage, now):
    book = PriceBook(per_point=Decimal(1), monthly_allowance=Decimal(5))
    turns = [
        replace(stage.turn(f"t{n}", n % 3, points=n), priced_by=PricedBy(book, None))
        for n in range(12)
    ]
    alone = []
    with stage.db.begin() as session:
        alone = [settle_turn(session, turn, RULES) for turn in turns]
        session.rollback()
    together = settle(stage, *turns)
    assert together == alone
    assert stage.findings() == []


def test_same_finish_twice_in_one_batch_is_one_charge(stage):
    first, other, again = settle(
        stage, stage.turn("a"), stage.turn("b"), replace(stage.turn("a"), reference="again")
    )
    assert (first.is_replay, other.is_replay, again.is_replay) == (False, False, True)
    assert (again.reference, again.settle_key) == ("a", first.settle_key)
    assert (again.balance, again.version) == stage.balance() == (-2 * NANO, 2)
    assert stage.findings() == []


def test_finish_that_is_in_the_books_is_never_charged_again(stage):
    settle(stage, stage.turn("a"))
    years_later = replace(stage.turn("a"), reference="b", received_at=stage.now + 9999 * MINUTE)
    fresh, replayed = settle(stage, stage.turn("c"), years_later)
    assert not fresh.is_replay
    assert (replayed.is_replay, replayed.reference) == (True, "a")
    assert stage.balance() == (-2 * NANO, 2)


def test_alike_finishes_without_ids_are_a_replay_only_within_the_window(stage):
    times = [0, 30, 61, 300]
    turns = [
        stage.turn(f"t{after}", has_ids=False, received_at=stage.now + timedelta(seconds=after))
        for after in times
    ]
    recorded = settle(stage, *turns)
    assert [one.is_replay for one in recorded] == [False, True, False, False]
    assert [one.settle_key[-2:] for one in recorded] == [":1", ":1", ":2", ":3"]
    again = settle(stage, *(replace(turn, reference=f"{turn.reference}x") for turn in turns))
    assert all(one.is_replay for one in again)
    assert stage.findings() == []


def test_finish_that_waited_is_no_replay_of_a_later_one_that_is_alike(stage):
    later = stage.turn("later", has_ids=False, received_at=stage.now + 2 * MINUTE)
    waited = stage.turn("waited", has_ids=False)
    assert not settle(stage, later)[0].is_replay
    assert not settle(stage, waited)[0].is_replay
    assert settle(stage, replace(waited, reference="sent again"))[0].reference == "waited"


def test_allowance_is_used_up_within_a_batch(stage):
    book = PriceBook(per_point=Decimal(1), monthly_allowance=Decimal(3))
    priced_by = PricedBy(book, None)
    next_month = stage.now + timedelta(days=10)
    turns = [
        replace(stage.turn("a"), priced_by=priced_by),
        replace(stage.turn("b"), priced_by=priced_by),
        replace(stage.turn("c"), priced_by=priced_by),
        replace(stage.turn("d", user=1), priced_by=priced_by),
        replace(stage.turn("e"), priced_by=priced_by, received_at=next_month),
    ]
    recorded = settle(stage, *turns)
    assert [one.charge // NANO for one in recorded] == [0, 1, 2, 0, 0]
    assert settle(stage, replace(stage.turn("f"), priced_by=priced_by))[0].charge == 2 * NANO
    assert settle(stage, replace(stage.turn("g", 1), priced_by=priced_by))[0].charge == NANO


def test_events_of_a_batch_are_added_up_by_user_and_day(stage):
    tomorrow = stage.now + timedelta(days=1)
    settle(
        stage,
        stage.turn("a", points=1),
        stage.turn("b", points=2),
        stage.turn("c", user=1, points=4, is_guest=True),
        stage.turn("d", points=8, received_at=tomorrow),
    )
    day = stage.now.astimezone(RULES.zone).date()
    with stage.db.read() as session:
        today = metering_store.user_day(session, stage.user_ids[0], day)
        assert today == metering_store.Sums(2, 3 * NANO)
        guests = metering_store.guests_day(session, stage.link_id, day)
        assert guests == metering_store.Sums(1, 4 * NANO)
        assert metering_store.link_points(session, stage.link_id) == 15 * NANO
    assert stage.findings() == []


def test_answer_without_nodes_is_recorded_with_a_charge_of_zero(stage):
    empty = stage.turn("a", points=0)
    (recorded,) = settle(stage, empty)
    assert (recorded.charge, recorded.version) == (0, 1)
    assert stage.findings() == []


def test_turn_of_nobody_fails_the_whole_call_and_leaves_nothing(stage):
    with pytest.raises(NotFound):
        settle(stage, stage.turn("a"), stage.turn("b", user=4711))
    assert stage.balance() == (0, 0)
    assert stage.findings() == []


def test_number_of_statements_does_not_grow_with_the_batch(stage):
    settle(stage, *(stage.turn(f"wallet{n}", n) for n in range(3)))
    with counted(stage.db) as for_one:
        settle(stage, stage.turn("one"))
    turns = [stage.turn(f"t{n}", n % 3) for n in range(30)]
    with counted(stage.db) as for_many:
        settle(stage, *turns)
    assert len(for_many) == len(for_one)
    assert len([sent for sent in for_one if not sent.startswith(("BEGIN", "PRAGMA"))]) == 8


def test_the_price_of_a_question_that_used_nothing_stands_on_a_line_of_its_own(stage, now):
    book = PriceBook(per_question=Decimal("0.1"), zero_usage="charged")
    priced_by = {"priced_by": PricedBy(book, None)}
    bare = make_turn(stage.visitor(0), {"responseData": []}, "bare", now, priced_by)
    settle(stage, bare)
    with stage.db.read() as session:
        [line] = session.scalars(sa.select(UsageLine)).all()
    assert (line.model, line.node_kind, line.charge) == ("", "perQuestion", NANO // 10)
    assert stage.findings() == []
