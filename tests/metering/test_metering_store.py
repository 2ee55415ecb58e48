import dataclasses
import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.errors import Conflict, Invalid
from app.metering import commands, store
from app.metering.body import parse_finish
from app.metering.counting import count
from app.metering.rows import DayKey, EventRow, LineRow, in_points, line_rows, price_sum
from app.money import to_nano
from hypothesis import given
from sqlalchemy.exc import IntegrityError

from books import make_link, make_users
from metering.trees import trees

DAY = date(2026, 11, 23)
TODAY = DayKey(DAY, is_guest=False)
ACTOR = Actor(name="ann", source="cli")
LINE = LineRow("gpt-4o", "chatNode", 10, 5, None, None, points=700, charge=70)


@pytest.fixture
def row(db, now) -> EventRow:
    with db.begin() as session:
        (user_id,) = make_users(session, now)
        link_id = make_link(session, now)
    return EventRow(
        reference="abc",
        idempotency_key="f:1",
        fingerprint="f",
        link_id=link_id,
        user_id=user_id,
        plan_id=None,
        price_version_id=None,
        received_at=now,
        app_name="客服",
        chat_id=None,
        generation="G4",
        billed_by="token",
        points=1000,
        price_sum=None,
        charge=100,
        input_tokens=10,
        output_tokens=None,
        node_count=2,
        running_time_ms=1500,
        body_bytes=123,
        warnings={"points_null": 1},
        arithmetic={"total": "1"},
    )


def _another(row: EventRow, name: str, **changes) -> EventRow:
    return dataclasses.replace(
        row, reference=name, idempotency_key=f"{name}:1", fingerprint=name, **changes
    )


def _insert(session, row: EventRow, lines: list[LineRow], day: DayKey = TODAY) -> int:
    return store.insert_events(session, [store.NewEvent(row, lines, day)])[row.idempotency_key]


def test_an_event_comes_back_as_it_was_written(db, row):
    free = LineRow("", "tool", None, None, 3, 4, points=300, charge=30, is_covered=True)
    with db.begin() as session:
        event_id = _insert(session, row, [LINE, free])
    with db.read() as session:
        event = store.get_event(session, "abc")
        assert event.id == event_id
        assert (event.points, event.charge, event.input_tokens) == (1000, 100, 10)
        assert event.output_tokens is None
        assert event.app_name == "客服"
        assert event.warnings == {"points_null": 1}
        lines = store.load_lines(session, {event_id: event.received_at})[event_id]
        assert [(line.position, line.model) for line in lines] == [(0, "gpt-4o"), (1, "")]
        assert (lines[1].embedding_tokens, lines[1].rerank_tokens) == (3, 4)
        assert [line.is_covered for line in lines] == [False, True]
        assert store.load_events(session, [event_id, 999]).keys() == {event_id}
        with pytest.raises(store.EventNotFound):
            store.get_event(session, "nobody")


def test_an_event_without_lines_is_still_a_question(db, row):
    with db.begin() as session:
        _insert(session, row, [])
        assert store.user_day(session, row.user_id, DAY) == store.Sums(1, 1000)


def test_a_fingerprint_finds_its_latest_event(db, row, now):
    later = dataclasses.replace(
        row, reference="def", idempotency_key="f:2", received_at=now + timedelta(hours=1)
    )
    with db.begin() as session:
        assert store.find_by_fingerprint(session, "f") is None
        _insert(session, row, [LINE])
        _insert(session, later, [LINE])
        found = store.find_by_fingerprint(session, "f")
        assert found is not None
        assert found.reference == "def"
        assert store.count_by_fingerprint(session, ["f", "g"]) == {"f": 2}


def test_one_idempotency_key_is_one_event(db, row):
    with db.begin() as session:
        _insert(session, row, [LINE])
    twin = dataclasses.replace(row, reference="other")
    with pytest.raises(IntegrityError), db.begin() as session:
        _insert(session, twin, [LINE])
    with db.read() as session:
        assert store.user_day(session, row.user_id, DAY).questions == 1


def test_no_event_is_a_credit(db, row):
    with pytest.raises(IntegrityError), db.begin() as session:
        _insert(session, dataclasses.replace(row, points=-1), [])


def test_sums_by_user_link_day_and_month(db, row, now):
    with db.begin() as session:
        other_link = make_link(session, now, "other")
        last_month = DayKey(date(2026, 10, 31), is_guest=False)
        first_of_month = DayKey(date(2026, 11, 1), is_guest=False)
        _insert(session, row, [LINE])
        _insert(session, _another(row, "b"), [LINE])
        _insert(session, _another(row, "c", link_id=other_link), [LINE])
        _insert(session, _another(row, "d", points=7), [], day=first_of_month)
        _insert(session, _another(row, "e", points=50), [], day=last_month)
    with db.read() as session:
        month = date(2026, 11, 1)
        assert store.user_day(session, row.user_id, DAY) == store.Sums(3, 3000)
        assert store.user_points_since(session, row.user_id, month) == 3007
        assert store.points_used(session, row.user_id) == 3057
        assert store.link_points(session, row.link_id) == 2057
        assert store.link_points_since(session, row.link_id, month) == 2007
        assert store.points_used(session, 999) == 0
        assert type(store.points_used(session, row.user_id)) is int


def test_guests_of_a_link_are_summed_together(db, now, row):
    with db.begin() as session:
        guest = DayKey(DAY, is_guest=True)
        _insert(session, row, [LINE], day=guest)
        assert store.guests_day(session, row.link_id, DAY) == store.Sums(1, 1000)
        assert store.guests_day(session, row.link_id, date(2026, 11, 24)) == store.Sums(0, 0)


def test_members_do_not_count_as_guests(db, row):
    with db.begin() as session:
        _insert(session, row, [LINE])
        assert store.guests_day(session, row.link_id, DAY) == store.Sums(0, 0)


def test_large_sums_are_exact(db, row):
    with db.begin() as session:
        for number in (1, 2):
            big = _another(row, f"n{number}", points=4 * 10**18)
            _insert(session, big, [], day=DayKey(date(2026, 11, number), is_guest=False))
        assert store.points_used(session, row.user_id) == 8 * 10**18


def test_totals_of_users_come_from_their_events(db, row):
    with db.begin() as session:
        _insert(session, row, [LINE])
        _insert(session, _another(row, "b"), [LINE])
        totals = store.user_totals(session, [row.user_id, 999])
        assert totals == {row.user_id: store.UserTotals(2, 2000, 200)}
        assert store.user_totals(session, []) == {}


def test_events_are_listed_newest_first_by_page(db, row):
    with db.begin() as session:
        ids = [_insert(session, _another(row, n), []) for n in "abc"]
    with db.read() as session:
        page = store.list_events(session, row.user_id, limit=2)
        assert [event.id for event in page] == ids[:0:-1]
        rest = store.list_events(session, row.user_id, limit=2, before_id=page[-1].id)
        assert [event.id for event in rest] == ids[:1]


def _kept(row: EventRow, now, body: bytes | None, reference: str = "q1") -> store.QuarantineRow:
    return store.QuarantineRow(
        reference=reference,
        link_id=row.link_id,
        received_at=now,
        reason="token_rejected",
        body_bytes=len(body or b""),
        body=body,
    )


def test_a_quarantined_body_is_sealed_and_comes_back(db, row, now, keys):
    body = b'{"token":"secret-of-somebody"}' * 50
    with db.begin() as session:
        store.quarantine(session, _kept(row, now, body), keys=keys)
    with db.read() as session:
        kept = store.get_quarantined(session, "q1")
        assert b"secret" not in (kept.sealed_body or b"")
        assert store.quarantined_body(kept, keys=keys) == body
        assert kept.body_bytes == len(body)
        assert len(kept.digest) == 64
        with pytest.raises(store.QuarantinedNotFound):
            store.get_quarantined(session, "q2")


def test_a_body_too_large_to_keep_is_only_noted(db, row, now, keys):
    with db.begin() as session:
        kept = store.quarantine(session, _kept(row, now, None), keys=keys)
        assert store.quarantined_body(kept, keys=keys) is None


def test_resolving_takes_it_off_the_list_and_is_audited(db, row, now, keys):
    with db.begin() as session:
        store.quarantine(session, _kept(row, now, b"{}"), keys=keys)
        assert store.count_quarantined(session) == 1
        commands.resolve_quarantined(session, "q1", " booked by hand ", actor=ACTOR, now=now)
    with db.begin() as session:
        assert store.list_quarantined(session, limit=9) == []
        (listed,) = store.list_quarantined(session, limit=9, with_resolved=True)
        assert (listed.resolution, listed.resolved_at) == ("booked by hand", now)
        assert store.count_quarantined(session) == 0
        (entry,) = session.query(AuditEntry).all()
        assert (entry.action, entry.reason) == ("quarantine.resolve", "booked by hand")
        with pytest.raises(Conflict):
            commands.resolve_quarantined(session, "q1", "again", actor=ACTOR, now=now)


@pytest.mark.parametrize("empty", ["", "   ", "x" * 1001, "a\0b"])
def test_a_resolution_says_something(db, row, now, keys, empty):
    with db.begin() as session:
        store.quarantine(session, _kept(row, now, b"{}"), keys=keys)
        with pytest.raises(Invalid):
            commands.resolve_quarantined(session, "q1", empty, actor=ACTOR, now=now)


def test_pruning_deletes_what_is_older(db, row, now, keys):
    with db.begin() as session:
        store.quarantine(session, _kept(row, now - timedelta(days=91), b"{}", "old"), keys=keys)
        store.quarantine(session, _kept(row, now, b"{}", "new"), keys=keys)
        cut = now - timedelta(days=90)
        assert store.prune_quarantined(session, received_before=cut) == 1
        assert [kept.reference for kept in store.list_quarantined(session, limit=9)] == ["new"]


@given(trees())
def test_line_rows_add_up_to_the_events_points(tree):
    counted = count(
        parse_finish(tree.body()).nodes, regime="auto", points_per_node_max=Decimal(10**6)
    )
    usage = in_points(counted, points_per_price_unit=Decimal("0.00001"))
    points = to_nano(usage.total)
    zeros = [0] * len(usage.lines)
    rows = line_rows(usage.lines, points=points, charge=0, line_charges=zeros)
    assert sum(line.points for line in rows) == (points if rows else 0)
    assert all(line.points >= 0 for line in rows)
    if counted.unit == "price":
        assert price_sum(counted) == to_nano(counted.total)
    else:
        assert price_sum(counted) is None


def test_2023_prices_become_points_by_the_factor():
    body = {"responseData": [{"price": 2764.5, "model": "FastAI-4k", "tokens": 5}]}
    counted = count(
        parse_finish(json.dumps(body).encode()).nodes,
        regime="auto",
        points_per_node_max=Decimal(10**6),
    )
    usage = in_points(counted, points_per_price_unit=Decimal("0.00001"))
    assert (usage.unit, usage.total) == ("points", Decimal("0.027645"))
    assert usage.lines[0].points == Decimal("0.027645")
    assert in_points(usage, points_per_price_unit=Decimal(9)) is usage
