"""Answers are booked under what their users were then."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from app.metering.models import UsageEvent, UsageSegment
from app.metering.segments import store
from app.metering.segments.document import OTHER, segment_of
from app.turns.segment_shelf import SegmentShelf
from app.turns.settle import settle_turns

from turn_builders import RULES, Stage


def test_history_does_not_move_with_the_user(db, now):
    stage = Stage(db, now)
    shelf = SegmentShelf(db=db, followed=("department", "site"), revision=lambda: 1)
    said = [{"department": "Sales", "name": "Alice"}, {"department": "研发", "site": 7}, {}]
    numbers = [shelf.segment_of(attributes) for attributes in said]
    turns = [
        replace(stage.turn(f"t{place}"), segment_id=number)
        for place, number in enumerate([*numbers, None])
    ]
    with db.begin() as session:
        settle_turns(session, turns, RULES)
    with db.read() as session:
        booked = session.execute(
            sa.select(UsageSegment.attributes)
            .select_from(UsageEvent)
            .outerjoin(UsageSegment, UsageSegment.id == UsageEvent.segment_id)
            .order_by(UsageEvent.id)
        )
        assert booked.scalars().all() == [
            {"department": "Sales"},
            {"department": "研发", "site": "7"},
            {},
            None,
        ]
    assert SegmentShelf(db=db, followed=(), revision=lambda: 1).segment_of(said[0]) is None


def test_what_is_known_asks_no_database(db):
    shelf = SegmentShelf(db=db, followed=("department",), revision=lambda: 1)
    first = shelf.segment_of({"department": "Sales"})
    assert (
        SegmentShelf(db=db, followed=("department",), revision=lambda: 1).segment_of(
            {"department": "Sales"}
        )
        == first
    )

    def asked(*_):
        pytest.fail("it is remembered")

    sa.event.listen(db.engine, "before_cursor_execute", asked)
    try:
        assert shelf.segment_of({"department": "Sales", "name": "Bob"}) == first
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", asked)


def test_too_many_share_one(db, monkeypatch):
    monkeypatch.setattr(store, "SEGMENTS_MAX", 2)
    with db.begin() as session:
        numbers = [
            store.ensure(session, segment_of({"department": name}, ["department"]))
            for name in ("a", "b", "c", "d", "a")
        ]
        found = session.scalars(sa.select(UsageSegment.attributes).order_by(UsageSegment.id))
        assert [one["department"] for one in found] == ["a", "b", OTHER]
    assert numbers[2] == numbers[3]
    assert numbers[0] == numbers[4]
