"""The table of unfinished turns: each ticket once, each late finish once."""

from datetime import timedelta

import pytest
from app.unfinished import store
from app.unfinished.store import Totals, UnfinishedRow, Wanted

from books import NANO, make_link, make_users

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def place(db, now):
    with db.begin() as session:
        return make_users(session, now, 2), make_link(session, now)


@pytest.fixture
def make_row(place, now):
    users, link = place

    def make(ticket, *, asked_at=now, user=0, **changes):
        values = {
            "ticket": ticket,
            "user_id": users[user],
            "link_id": link,
            "plan_id": None,
            "is_guest": False,
            "asked_at": asked_at,
            "expired_at": asked_at + QUARTER,
            "hold": NANO,
            "points_hold": 2 * NANO,
            "recorded_at": asked_at + QUARTER + MINUTE,
        }
        return UnfinishedRow(**values | changes)

    return make


def record(db, *rows):
    with db.begin() as session:
        return store.record(session, rows)


def test_ticket_is_recorded_once_however_often_it_is_told(db, make_row):
    first, second = make_row("a"), make_row("b")
    assert record(db, first).new == (first,)
    assert record(db, first, second).new == (second,)
    assert record(db, first, second).new == ()
    with db.read() as session:
        assert store.totals(session, Wanted()) == Totals(2, 2 * NANO, 4 * NANO, 0)


def test_row_of_a_user_or_link_that_is_not_there_stops_no_other(db, make_row):
    rows = [make_row("a"), make_row("b", user_id=999), make_row("c", link_id=999), make_row("d")]
    recording = record(db, *rows)
    assert [row.ticket for row in recording.new] == ["a", "d"]
    assert [row.ticket for row in recording.homeless] == ["b", "c"]


def test_nothing_is_recorded_of_nothing(db):
    assert record(db).new == ()


def finish(db, row, received_at, key="k:1"):
    with db.begin() as session:
        return store.finish_late(
            session,
            user_id=row.user_id,
            link_id=row.link_id,
            received_at=received_at,
            finished_by=key,
        )


def test_late_finish_marks_the_turn_and_it_counts_no_more_as_lost(db, make_row, now):
    row = make_row("a")
    record(db, row)
    assert finish(db, row, now + QUARTER + MINUTE)
    with db.read() as session:
        [turn] = store.list_turns(session, Wanted(), limit=9)
        assert (turn.finished_late_at, turn.finished_by) == (now + QUARTER + MINUTE, "k:1")
        assert store.totals(session, Wanted()) == Totals(0, 0, 0, 1)


def test_same_late_finish_marks_one_turn_only(db, make_row, now):
    rows = [make_row("a"), make_row("b")]
    record(db, *rows)
    assert finish(db, rows[0], now + QUARTER)
    assert not finish(db, rows[0], now + QUARTER)
    assert finish(db, rows[0], now + QUARTER, key="k:2")
    assert not finish(db, rows[0], now + QUARTER, key="k:3")


@pytest.mark.parametrize(
    ("received", "marked"),
    [
        (-2 * MINUTE, None),  # before either was asked
        (5 * MINUTE, "first"),  # waited in the spool: the second was not asked yet
        (12 * MINUTE, "second"),
        (timedelta(minutes=80), "second"),
        (timedelta(hours=3), None),  # too late to be taken for either's
    ],
)
def test_late_finish_is_that_of_the_newest_turn_asked_before_it(
    db, make_row, now, received, marked
):
    first, second = make_row("first"), make_row("second", asked_at=now + 10 * MINUTE)
    record(db, first, second)
    finish(db, first, now + received)
    with db.read() as session:
        found = store.list_turns(session, Wanted(), limit=9)
        names = [turn.ticket for turn in found if turn.finished_late_at is not None]
    assert names == ([marked] if marked else [])


def test_late_finish_marks_no_turn_of_another_visitor_or_link(db, make_row, now):
    row = make_row("a")
    record(db, row)
    assert not finish(db, make_row("x", user=1), now + QUARTER)
    assert not finish(db, make_row("x", link_id=999), now + QUARTER)


def test_turns_are_listed_newest_first_and_by_what_is_wanted(db, place, make_row, now):
    users, link = place
    record(db, make_row("old", asked_at=now - timedelta(days=2)), make_row("a"))
    record(db, make_row("b", asked_at=now + MINUTE, user=1))

    def listed(wanted, limit=9):
        with db.read() as session:
            return [turn.ticket for turn in store.list_turns(session, wanted, limit=limit)]

    assert listed(Wanted()) == ["b", "a", "old"]
    assert listed(Wanted(), limit=1) == ["b"]
    assert listed(Wanted(since=now)) == ["b", "a"]
    assert listed(Wanted(user_id=users[0])) == ["a", "old"]
    assert listed(Wanted(link_id=link, user_id=users[1])) == ["b"]
    assert listed(Wanted(link_id=link + 1)) == []


def test_pruning_forgets_what_was_asked_before(db, make_row, now):
    record(db, make_row("old", asked_at=now - MINUTE), make_row("young"))
    with db.begin() as session:
        assert store.prune(session, asked_before=now) == 1
    with db.read() as session:
        assert [turn.ticket for turn in store.list_turns(session, Wanted(), limit=9)] == ["young"]
