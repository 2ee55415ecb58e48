"""The lookout's memory and its thread: bounded, patient with the database, done when it stops."""

import threading
from collections import Counter

import pytest
from app.db import DatabaseAway
from app.keys import new_link_key
from app.links import store as link_store
from app.sightings import store
from app.sightings.store import Wanted
from app.sightings.tally import REFUSALS_MAX
from app.turns import lookout as lookouts
from app.turns.lookout import Lookout

from books import make_link
from moments import NOW
from sighting_builders import refused, seen

# What is asked of the database itself is asked of both kinds in sightings/.
pytestmark = pytest.mark.parametrize("db", ["sqlite"], indirect=True)


class SwitchableDatabase:
    """A database that may be away, or break."""

    def __init__(self, db):
        self._db = db
        self.problem = None

    def run(self, work, *, attempts):
        if self.problem is not None:
            raise self.problem
        return self._db.run(work, attempts=attempts)


@pytest.fixture
def dropped():
    return Counter()


@pytest.fixture
def database(db):
    return SwitchableDatabase(db)


@pytest.fixture
def lookout(database, dropped, monkeypatch):
    monkeypatch.setattr(lookouts, "INTERVAL_S", 3600)  # it writes when told, and when it stops
    made = Lookout(db=database, on_dropped=lambda why, count: dropped.update({why: count}))
    yield made
    made.close()


@pytest.fixture
def written(db):
    def read():
        with db.read() as session:
            calls = {(one.hook, one.code): one.count for one in store.list_calls(session, 1)}
            return calls, len(store.list_page(session, Wanted(), limit=10_000))

    return read


def test_what_was_seen_is_written_when_it_stops(lookout, written):
    for sighting in (seen("init"), seen("init"), refused("visitor_rate")):
        lookout.saw(sighting)
    assert written() == ({}, 0)
    lookout.close()
    assert written() == ({("init", "ok"): 2, ("start", "visitor_rate"): 1}, 1)


def test_thread_begins_with_the_first_sighting_and_ends_with_the_last(lookout):
    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "lookout"]

    lookout.flush()
    assert threads() == []
    lookout.saw(seen("init"))
    lookout.saw(seen("init"))
    assert len(threads()) == 1
    lookout.close()
    assert threads() == []


def test_thread_writes_by_itself(lookout, written, monkeypatch):
    monkeypatch.setattr(lookouts, "INTERVAL_S", 0.001)
    flushed = threading.Event()
    flush = lookout.flush
    monkeypatch.setattr(lookout, "flush", lambda: (flush(), flushed.set()))
    lookout.saw(seen("init"))
    assert flushed.wait(30)
    assert written()[0] == {("init", "ok"): 1}


def test_while_the_database_is_away_sightings_wait(lookout, database, dropped, written):
    database.problem = DatabaseAway("gone")
    lookout.saw(refused("visitor_rate"))
    lookout.flush()
    lookout.saw(refused("visitor_rate"))
    lookout.flush()
    database.problem = None
    lookout.flush()
    lookout.flush()
    assert written() == ({("start", "visitor_rate"): 2}, 2)
    assert dropped == {}


def test_too_many_refusals_that_wait_are_only_counted(lookout, database, dropped, written):
    database.problem = DatabaseAway("gone")
    lookout._refusals._per_minute = REFUSALS_MAX + 9
    for _ in range(REFUSALS_MAX + 3):
        lookout.saw(refused("visitor_rate"))
    lookout.flush()
    database.problem = None
    lookout.flush()
    assert written() == ({("start", "visitor_rate"): REFUSALS_MAX + 3}, REFUSALS_MAX)
    assert dropped == {"waiting": 3}


def test_full_memory_takes_no_more_and_says_so(lookout, dropped, monkeypatch, written):
    monkeypatch.setattr(lookouts, "ARRIVED_MAX", 2)
    for _ in range(5):
        lookout.saw(seen("init"))
    lookout.flush()
    assert dropped == {"full": 3}
    assert written()[0] == {("init", "ok"): 2}


def test_batch_that_breaks_is_let_go(lookout, database, dropped, written):
    database.problem = ValueError("nobody expected that")
    lookout.saw(seen("init"))
    lookout.saw(seen("init"))
    lookout.flush()
    database.problem = None
    lookout.saw(seen("start"))
    lookout.flush()
    assert dropped == {"failed": 2}
    assert written()[0] == {("start", "ok"): 1}


def test_flood_of_refusals_is_counted_and_one_of_strays_is_not(
    lookout, dropped, monkeypatch, written
):
    lookout._refusals._per_minute = lookout._strays._per_minute = 2
    for _ in range(5):
        lookout.saw(refused("visitor_rate"))
        lookout.saw(refused("link_unknown", link_id=None))
        lookout.saw(seen("init"))
    lookout.flush()
    assert dropped == {"counted": 3, "stray": 3}
    assert written() == ({("init", "ok"): 5, ("start", "visitor_rate"): 5}, 4)


def test_allowance_is_new_every_minute(lookout):
    lookout._refusals._per_minute = 1
    sightings = [refused("a"), refused("b"), refused("c", at=NOW.replace(minute=1))]
    for sighting in sightings:
        lookout.saw(sighting)
    assert [sighting.is_kept for sighting in sightings] == [True, False, True]


def test_key_that_was_replaced_tells_its_link(db, lookout, keys):
    key = new_link_key()
    digest = keys.link_key_digest(key)
    with db.begin() as session:
        link_id = make_link(session, NOW)
        link_store.add_key(session, link_id=link_id, digest=digest, sealed="", now=NOW)
    lookout.saw(refused("link_unknown", link_id=None, key_digest=digest))
    lookout.saw(refused("link_unknown", link_id=None, key_digest="0" * 64))
    lookout.flush()
    with db.read() as session:
        page = store.list_page(session, Wanted(), limit=9)
        assert {refusal.link_id for refusal in page} == {link_id, None}
        assert [one.count for one in store.list_calls(session, link_id)] == [1]


def test_many_threads_lose_nothing(lookout, written):
    def call():
        for _ in range(50):
            lookout.saw(seen("init"))
            lookout.flush()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lookout.flush()
    assert written()[0] == {("init", "ok"): 200}
