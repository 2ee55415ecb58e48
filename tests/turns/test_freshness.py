"""When the gate has no number, the database is asked for it: now and then, by any clock."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from app import revision
from app.turns.freshness import Freshness

HOUR = timedelta(hours=1)


class Directory:
    revision = 0

    def forget(self, number):
        self.revision = number


@pytest.fixture
def freshness(db):
    gate = SimpleNamespace(revision=lambda: None, announce=lambda _: False)
    return Freshness(db=db, gate=gate, directory=Directory(), staleness_max_s=2)


def test_without_the_gate_the_database_is_asked_no_more_often_than_allowed(db, freshness, now):
    freshness.check(now)
    _change(db)
    assert not freshness.check(now + timedelta(seconds=1))
    assert freshness.check(now + timedelta(seconds=2))


def test_clock_that_is_set_back_keeps_no_change_from_being_noticed(db, freshness, now):
    freshness.check(now + HOUR)
    _change(db)
    assert freshness.check(now)


def _change(db):
    with db.begin() as session:
        revision.bump(session)
