"""The tables of refusals and of links' calls, on both databases."""

from datetime import timedelta

import pytest
from app.sightings import store
from app.sightings.store import After, RefusalNotFound, Stray, Wanted
from app.sightings.tally import Tally

from moments import NOW
from sighting_builders import ANN, refused, seen

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def write(db):
    def write_batch(*sightings, links=None):
        tally = Tally(on_dropped=lambda *_: None)
        tally.add(sightings)
        with db.begin() as session:
            store.write(
                session,
                calls=tally.calls(links or {}),
                refusals=tally.refusals,
                links=links or {},
            )

    return write_batch


@pytest.fixture
def read(db):
    def ask(function, *args, **kwargs):
        with db.read() as session:
            return function(session, *args, **kwargs)

    return ask


def codes(page):
    return [refusal.code for refusal in page]


def test_calls_of_a_link_are_added_up_and_the_newest_is_shown(write, read):
    write(seen("init"), seen("init", at=NOW + MINUTE, reference="newest", address="192.0.2.9"))
    write(seen("init", at=NOW - MINUTE, reference="late"), refused("visitor_rate"))
    write(seen("init", link_id=2))
    [init, start] = read(store.list_calls, 1)
    assert (init.hook, init.code, init.count) == ("init", "ok", 3)
    assert (init.first_at, init.last_at) == (NOW, NOW + MINUTE)
    assert (init.reference, init.address, init.called) == ("newest", "192.0.2.9", None)
    assert (start.code, start.count) == ("visitor_rate", 1)
    assert start.called == "POST /l/abcd…/shareAuth/start"


def test_generation_stays_where_a_later_call_does_not_show_it(write, read):
    write(seen("finish", generation="G4"), seen("finish", at=NOW + MINUTE))
    write(seen("finish", at=NOW + 2 * MINUTE))
    assert read(store.list_calls, 1)[0].generation == "G4"
    write(seen("finish", at=NOW + 3 * MINUTE, generation="G5"))
    assert read(store.list_calls, 1)[0].generation == "G5"


def test_refusal_is_found_by_the_reference_a_visitor_read(write, read):
    refusal = refused("visitor_rate", person=ANN, details={"limit": 3, "wait_s": 20})
    write(refusal)
    write(refusal)  # a commit whose answer was lost is done again
    found = read(store.get_by_reference, f" {refusal.reference.upper()} ")
    assert (found.at, found.hook, found.link_id) == (NOW, "start", 1)
    assert (found.user_id, found.uid, found.issuer, found.subject) == (1, "u_ann", "portal", "ann")
    assert found.details == {"limit": 3, "wait_s": 20}
    assert len(read(store.list_page, Wanted(), limit=9)) == 1
    allowed = read(store.get_by_reference, refusal.reference, link_ids=frozenset({1}))
    assert allowed.id == found.id
    for reference, scope in (("nothing", None), (refusal.reference, frozenset({2}))):
        with pytest.raises(RefusalNotFound):
            read(store.get_by_reference, reference, link_ids=scope)


def test_pages_go_on_behind_the_last_refusal(write, read):
    write(*[refused(f"c{number}", at=NOW + number // 2 * MINUTE) for number in range(5)])
    first = read(store.list_page, Wanted(), limit=2)
    assert codes(first) == ["c4", "c3"]
    second = read(store.list_page, Wanted(), limit=9, after=After(first[-1].at, first[-1].id))
    assert codes(second) == ["c2", "c1", "c0"]


CHOICES = [
    (Wanted(uid="u_ann"), ["a"]),
    (Wanted(link_id=2), ["b"]),
    (Wanted(code="c"), ["c"]),
    (Wanted(hook="init"), ["c"]),
    (Wanted(since=NOW, until=NOW + MINUTE), ["b"]),
    (Wanted(reached_no_link=True), ["c"]),
    (Wanted(link_ids=frozenset({1, 3})), ["a"]),
    (Wanted(link_ids=frozenset()), []),
]


def test_refusals_are_chosen(write, read):
    write(
        refused("a", at=NOW - MINUTE, person=ANN),
        refused("b", link_id=2),
        refused("c", link_id=None, at=NOW + MINUTE, hook="init"),
    )
    for wanted, found in CHOICES:
        assert codes(read(store.list_page, wanted, limit=9)) == found, wanted


def test_every_refusal_counts_also_without_a_row(write, read):
    write(refused("a"), refused("a", at=NOW + 14 * MINUTE, is_kept=False), seen("start"))
    write(refused("a"), refused("a", at=NOW + QUARTER), refused("b", link_id=None))

    def counted(**more):
        return read(store.count_by_code, since=NOW + MINUTE, until=NOW + timedelta(days=1), **more)

    assert counted() == {(NOW, "a"): 3, (NOW, "b"): 1, (NOW + QUARTER, "a"): 1}
    assert counted(link_ids=[1]) == {(NOW, "a"): 3, (NOW + QUARTER, "a"): 1}
    assert counted(link_ids=[2]) == {}
    assert read(store.count_by_code, since=NOW, until=NOW + QUARTER, link_ids=[1]) == {
        (NOW, "a"): 3
    }
    assert len(read(store.list_page, Wanted(), limit=9)) == 4


def test_calls_to_no_link_are_shown_by_what_was_called(write, read):
    stray = {"link_id": None, "called": "POST /shareAuth/init"}
    write(refused("link_unknown", **stray), refused("link_unknown", at=NOW + MINUTE, **stray))
    write(refused("link_unknown", at=NOW - MINUTE, **stray, address="192.0.2.7"), refused("a"))
    found = read(store.list_strays, since=NOW - MINUTE, limit=9)
    assert found == [
        Stray("POST /shareAuth/init", "192.0.2.1", "link_unknown", 2, NOW + MINUTE),
        Stray("POST /shareAuth/init", "192.0.2.7", "link_unknown", 1, NOW - MINUTE),
    ]
    assert read(store.list_calls, 0) == []


def test_calls_with_a_replaced_key_are_its_links(write, read):
    old = {"link_id": None, "key_digest": "d" * 64}
    write(refused("link_unknown", **old), refused("link_unknown"), links={"d" * 64: 1})
    write(seen("finish", **old), links={"d" * 64: 1})
    assert [(one.code, one.count) for one in read(store.list_calls, 1)] == [
        ("ok", 1),
        ("link_unknown", 2),
    ]
    assert len(read(store.list_page, Wanted(link_id=1), limit=9)) == 2


def test_old_refusals_are_forgotten_and_calls_are_not(db, write, read):
    write(refused("old", at=NOW - timedelta(days=2)), refused("young"))
    with db.begin() as session:
        assert store.prune(session, before=NOW - timedelta(days=1)) == 1
    assert codes(read(store.list_page, Wanted(), limit=9)) == ["young"]
    assert read(store.count_by_code, since=NOW - timedelta(days=9), until=NOW + QUARTER) == {
        (NOW, "young"): 1
    }
    assert len(read(store.list_calls, 1)) == 2
