"""During an outage one thread asks, and the others need not wait for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from app.db import Database, DatabaseAway
from app.outage import OneAtATime, Outage

NOWHERE = "postgresql+psycopg://postgres@127.0.0.1:1/nowhere"


def test_outage_lasts_from_when_it_was_noticed_first_until_it_is_over(monkeypatch):
    outage, clock = Outage(), iter([100.0, 130.0])
    monkeypatch.setattr("app.outage.time.monotonic", lambda: next(clock))
    assert (outage.is_on, outage.lasts_s()) == (False, None)
    outage.noticed()
    outage.noticed()
    assert (outage.is_on, outage.lasts_s()) == (True, 30)
    outage.over()
    assert (outage.is_on, outage.lasts_s()) == (False, None)


def test_one_asks_during_an_outage_and_everybody_otherwise():
    outage = Outage()
    alone = OneAtATime(outage)
    with alone.turn() as first, alone.turn() as second:
        assert (first, second) == (True, True)
    outage.noticed()
    with alone.turn() as first, alone.turn() as second:
        assert (first, second) == (True, False)
    with pytest.raises(DatabaseAway), alone.turn():
        raise DatabaseAway("on purpose")
    with alone.turn() as again:
        assert again


def test_database_that_cannot_be_reached_is_asked_by_one_thread_at_a_time(monkeypatch):
    db = Database(NOWHERE)
    with pytest.raises(DatabaseAway), db.read():
        pass
    assert db.outage.is_on
    asking, answered = threading.Event(), threading.Event()
    connect = db.engine.connect

    def slowly():
        asking.set()
        answered.wait(60)
        return connect()

    monkeypatch.setattr(db.engine, "connect", slowly)

    def ask():
        with db.read():
            pass

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask)
        assert asking.wait(60)
        with pytest.raises(DatabaseAway, match="another thread"):
            ask()
        answered.set()
        with pytest.raises(DatabaseAway):
            first.result()
    db.close()


def test_outage_is_over_when_the_database_answers(db):
    db.outage.noticed()
    with db.read() as session:
        session.execute(sa.text("SELECT 1"))
    assert not db.outage.is_on


def test_mistake_or_a_lock_is_no_outage(db):
    with pytest.raises(sa.exc.DBAPIError), db.read() as session:
        session.execute(sa.text("SELECT * FROM no_such_table"))
    assert not db.outage.is_on
