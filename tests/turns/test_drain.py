"""What waited in the spool is billed as of its arrival, once, whatever happens to the drain."""

import json
import random
import threading
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from app import revision
from app.audit.journal import Actor
from app.cli import foundation
from app.config import Settings
from app.db import DatabaseAway, DatabaseBusy
from app.keys import Keys
from app.ledger import verify
from app.links import commands as links
from app.links.commands import LinkSpec
from app.metering import store as metering_store
from app.metering.models import QuarantinedFinish, UsageEvent, UsageSegment
from app.pricing import commands as prices
from app.pricing.book import PriceBook
from app.pricing.commands import PriceSpec
from app.runtime import Runtime
from app.spool.record import Record, from_lines
from app.spool.spool import SpoolFull
from app.tokens import commands as tokens
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.turns import drain as drains
from app.turns.doors import Door
from app.turns.drain import Drained
from app.turns.finish import Accepted, Arrival, Spooled
from app.turns.refusals import LinkUnknown
from app.turns.safekeeping import NotRecorded
from app.users import commands as users
from app.users.commands import UserSpec
from app.users.models import User
from structlog.testing import capture_logs

from zygote import NURSERY

ACTOR = Actor("tests", "service")
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
SECRET = "a secret that is only good for tests, 32+"
DRAINER = """
import sys
from datetime import UTC, datetime
from app.config import Settings
from app.runtime import Runtime
runtime = Runtime.build(Settings.model_validate_json(sys.argv[1]))
print("ready", flush=True)
while (done := runtime.drain.run(datetime.now(UTC))).state != "empty":
    pass
"""


class House:
    """A service's runtime on the test's database, without any Redis, and one link and user."""

    def __init__(self, db, tmp_path, now):
        self.now = now
        self.settings = Settings.model_validate(
            {
                "service": {"data_dir": tmp_path / "data", "secret_key": SECRET},
                "database": {"url": db.url.render_as_string(hide_password=False)},
                "redis": {"url": f"unix://{tmp_path}/nobody.sock"},
            }
        )
        self.runtime = Runtime.build(self.settings)
        self.db = self.runtime.db
        self.spool = self.runtime.spool
        foundation.ensure(self.db, self.settings, actor=ACTOR, now=now)
        with self.db.begin() as session:
            spec = LinkSpec(name="physics")
            made = links.create(session, spec, keys=self.runtime.keys, actor=ACTOR, now=now)
            issuer = token_store.get_issuer(session, "local")
            user = users.create(
                session,
                UserSpec(issuer_id=issuer.id, subject="alice"),
                uid=self.runtime.keys.uid("local", "alice"),
                actor=ACTOR,
                now=now,
            )
            self.token = tokens.mint(
                session, MintSpec(user_id=user.id), keys=self.runtime.keys, actor=ACTOR, now=now
            ).text
        self.key = made.key

    def body(self, name: str = "n", points: str = "2", **more) -> bytes:
        node = {"id": name, "moduleType": "chatNode", "totalPoints": float(points)} | more
        return json.dumps({"token": self.token, "responseData": [node]}).encode()

    def finish(self, body: bytes, *, at=None, reference="aaaaaaaaaa", key=None):
        arrival = Arrival(body, reference, at or self.now)
        return self.runtime.finishes.accept(Door.with_key(key or self.key), arrival)

    def keep(self, reference: str, body: bytes | None = None, *, at=None, key=None):
        at = at or self.now
        body = self.body(reference) if body is None else body
        finish = Record(reference, at, key or self.key, None, body)
        self.spool.append(finish, lane="known", now=at)

    def drain(self) -> Drained:
        return self.runtime.drain.run(self.now + HOUR)

    def events(self) -> list[UsageEvent]:
        with self.db.read() as session:
            return list(session.scalars(sa.select(UsageEvent).order_by(UsageEvent.id)))

    def quarantined(self) -> list[QuarantinedFinish]:
        with self.db.read() as session:
            return list(session.scalars(sa.select(QuarantinedFinish)))

    def assert_sound(self):
        with self.db.read() as session:
            assert list(verify.verify(session)) == []


@pytest.fixture
def house(db, tmp_path, now):
    made = House(db, tmp_path, now)
    yield made
    made.runtime.close()


@pytest.fixture
def away(house, monkeypatch):
    """Call it and no transaction can be begun, until its result is called."""

    def take_away(error=DatabaseAway):
        patch = pytest.MonkeyPatch()

        def refuse(*_, **__):
            raise error("the database is away: on purpose")

        for name in ("begin", "read", "run"):
            patch.setattr(type(house.db), name, refuse)
        patches.append(patch)
        return patch.undo

    patches: list[pytest.MonkeyPatch] = []
    yield take_away
    for patch in patches:
        patch.undo()


@pytest.mark.parametrize("error", [DatabaseAway, DatabaseBusy])
def test_finish_the_database_does_not_take_is_kept_and_billed_as_of_its_arrival(house, away, error):
    house.finish(house.body("before"), reference="bbbbbbbbbb")
    bring_back = away(error)
    assert isinstance(house.finish(house.body("kept")), Spooled)
    assert house.spool.status().records == 1
    bring_back()
    assert house.drain().outcomes == {"recorded": 1}
    _, event = house.events()
    assert (event.reference, event.received_at) == ("aaaaaaaaaa", house.now)
    assert event.charge == 2 * 10**9
    assert house.spool.is_empty()
    house.assert_sound()


def test_finish_that_breaks_us_before_it_is_judged_is_kept_and_tried_once_more(house, monkeypatch):
    def stumble(_now):
        raise AttributeError("on purpose")

    with monkeypatch.context() as broken:
        broken.setattr(house.runtime.finishes._freshness, "check", stumble)
        assert isinstance(house.finish(house.body("kept")), Spooled)
    assert house.drain().outcomes == {"recorded": 1}
    assert [event.reference for event in house.events()] == ["aaaaaaaaaa"]
    house.assert_sound()


@pytest.mark.parametrize("is_away", [False, True])
def test_gate_that_breaks_makes_no_finish_look_lost(house, away, monkeypatch, is_away):
    def stumble(_):
        raise AttributeError("nobody expected this")

    house.runtime.visits.open(Door.with_key(house.key), house.token, house.now)
    monkeypatch.setattr(house.runtime.gate, "settle", stumble)
    monkeypatch.setattr(house.runtime.gate, "answered", stumble)
    with capture_logs() as logs:
        if is_away:
            away()
        settled = house.finish(house.body())
    assert isinstance(settled, Spooled if is_away else Accepted)
    assert [one["event"] for one in logs].count("finish.gate_not_told") == 1
    if not is_away:
        assert len(house.events()) == 1
        assert house.quarantined() == []


def test_only_one_thread_asks_a_database_that_is_away(house, away):
    house.db.outage.noticed()
    away()
    house.finish(house.body("first"))
    asked = threading.Event()
    answer = threading.Event()
    askers = []

    def hang(*_):
        askers.append(threading.current_thread())
        asked.set()
        answer.wait(30)
        raise DatabaseAway("away")

    house.runtime.finishes.settle = hang
    slow = threading.Thread(target=house.finish, args=(house.body("slow"),))
    slow.start()
    assert asked.wait(30)
    assert isinstance(house.finish(house.body("fast")), Spooled)
    answer.set()
    slow.join()
    assert askers == [slow]
    assert house.spool.status().records == 3


def test_known_stranger_is_refused_without_the_database_and_an_unknown_one_is_judged_later(
    house, away
):
    with pytest.raises(LinkUnknown):
        house.finish(house.body(), key="asked-a-moment-ago")
    bring_back = away()
    with pytest.raises(LinkUnknown):
        house.finish(house.body(), key="asked-a-moment-ago")
    assert isinstance(house.finish(house.body(), key="never-asked"), Spooled)
    bring_back()
    assert house.drain().outcomes == {"rejected": 1}
    [rejected] = house.spool.rejected()
    assert rejected.reason == "link_unknown"
    assert house.spool.is_empty()


def test_neither_database_nor_spool_is_an_honest_failure_that_the_log_can_mend(
    house, away, monkeypatch
):
    house.finish(house.body("before"), reference="bbbbbbbbbb")
    bring_back = away()

    def refuse(*_, **__):
        raise SpoolFull("full")

    monkeypatch.setattr(type(house.spool), "append_sealed", refuse)
    with capture_logs() as logs, pytest.raises(NotRecorded):
        house.finish(house.body("lost"))
    monkeypatch.undo()
    bring_back()
    assert house.token not in json.dumps(logs, default=str)
    [sealed] = [line["sealed"] for line in logs if line["event"] == "finish.sealed"]
    [payload] = from_lines([f"prefix {sealed} suffix"])
    finish = house.spool.open(payload)
    house.spool.append_sealed(payload, finish, lane="known", now=house.now)
    assert house.drain().outcomes == {"recorded": 1}
    assert house.events()[1].reference == "aaaaaaaaaa"


def test_price_and_day_are_those_of_the_arrival(house):
    with house.db.begin() as session:
        book = PriceBook(per_point=Decimal(10))
        spec = PriceSpec(book=book, effective_at=house.now + SECOND)
        prices.publish(session, spec, currency="CNY", actor=ACTOR, now=house.now)
    house.keep("old")
    house.keep("new", at=house.now + HOUR)
    house.drain()
    assert [event.charge for event in house.events()] == [2 * 10**9, 20 * 10**9]


def test_draining_twice_equals_once(house):
    for number in range(5):
        house.keep(f"r{number}", at=house.now + number * SECOND)
    house.keep("unreadable", b"{", at=house.now)
    files = {p: p.read_bytes() for p in house.spool.directory.iterdir()}
    assert house.drain().outcomes == {"recorded": 5, "quarantined": 1}
    for path, content in files.items():
        path.write_bytes(content)  # as if it had been killed before anything was removed
    assert house.drain().outcomes == {"replayed": 5, "quarantined": 1}
    assert [event.reference for event in house.events()] == [f"r{n}" for n in range(5)]
    assert [one.reference for one in house.quarantined()] == ["unreadable"]
    house.assert_sound()


def test_identical_bodies_without_ids_are_two_finishes_when_they_came_far_apart(house):
    body = json.dumps(
        {"token": house.token, "responseData": [{"moduleName": "AI", "price": 300}]}
    ).encode()
    house.finish(body, at=house.now + HOUR, reference="later")
    house.keep("early", body)
    files = {p: p.read_bytes() for p in house.spool.directory.iterdir()}
    assert house.drain().outcomes == {"recorded": 1}
    for path, content in files.items():
        path.write_bytes(content)
    assert house.drain().outcomes == {"replayed": 1}
    assert [event.reference for event in house.events()] == ["later", "early"]


def test_poisonous_record_does_not_stop_its_neighbours(house, monkeypatch):
    for number in range(4):
        house.keep(f"r{number}", at=house.now + number * SECOND)
    real = house.runtime.finishes.settle

    def settle(door, arrival):
        if arrival.reference == "r1":
            raise RecursionError("on purpose")
        return real(door, arrival)

    monkeypatch.setattr(house.runtime.finishes, "settle", settle)
    assert house.drain().outcomes == {"recorded": 3, "rejected": 1}
    assert [event.reference for event in house.events()] == ["r0", "r2", "r3"]
    assert [one.reason for one in house.spool.rejected()] == ["internal_error"]


def test_record_that_only_fails_itself_is_set_aside_after_many_passes(house, monkeypatch):
    monkeypatch.setattr(drains, "FAILURES_MAX", 3)
    real = house.runtime.finishes.settle

    def settle(door, arrival):
        if arrival.reference == "bad":
            raise DatabaseAway("this one takes too long")
        return real(door, arrival)

    monkeypatch.setattr(house.runtime.finishes, "settle", settle)
    house.keep("bad")
    assert house.drain() == Drained({}, failed=1)  # alone, nothing is held against it
    seen = []
    for number in range(3):
        house.keep(f"r{number}")
        seen.append(house.drain().outcomes)
    assert seen == [{"recorded": 1}, {"recorded": 1}, {"recorded": 1, "rejected": 1}]
    assert house.spool.is_empty()


def test_database_that_goes_away_in_the_middle_leaves_the_rest_for_later(house, monkeypatch):
    for number in range(4):
        house.keep(f"r{number}", at=house.now + number * SECOND)
    real, calls = house.runtime.finishes.settle, []

    def settle(door, arrival):
        calls.append(arrival.reference)
        if len(calls) > 2:
            raise DatabaseAway("away")
        return real(door, arrival)

    with monkeypatch.context() as patch:
        patch.setattr(house.runtime.finishes, "settle", settle)
        opened = iter([True, False, False])
        patch.setattr(house.runtime.finishes, "is_open", lambda _: next(opened))
        assert house.drain() == Drained({"recorded": 2}, failed=1)
        assert house.drain().state == "database_away"
    assert calls == ["r0", "r1", "r2"]
    assert house.drain().outcomes == {"recorded": 2}
    assert [event.reference for event in house.events()] == ["r0", "r1", "r2", "r3"]


def test_read_only_database_drains_nothing_and_sets_nothing_aside(house, monkeypatch):
    monkeypatch.setattr(drains, "FAILURES_MAX", 1)
    for number in range(5):
        house.keep(f"r{number}", at=house.now + number * SECOND)

    def settle(*_):
        raise DatabaseAway("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(house.runtime.finishes, "settle", settle)
        for _ in range(4):
            assert house.drain() == Drained({}, failed=drains.FAILURES_PER_PASS)
    assert house.drain().outcomes == {"recorded": 5}


def test_record_sealed_under_another_key_is_set_aside_until_the_key_is_back(house, monkeypatch):
    house.keep("mine")
    monkeypatch.setattr(house.spool, "_keys", Keys("another secret that nobody remembers"))
    assert house.drain().outcomes == {"rejected": 1}
    monkeypatch.undo()
    [rejected] = house.spool.rejected()
    assert rejected.reason == "seal_broken"
    house.spool.take_back([rejected], house.now)
    assert house.drain().outcomes == {"recorded": 1}


def test_what_is_settled_is_told_for_the_metrics(house):
    told: list[Accepted] = []
    house.runtime.drain._on_settled = told.append
    house.keep("one")
    house.drain()
    assert [(one.outcome, one.charge) for one in told] == [("recorded", 2 * 10**9)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_killed_drains_charge_each_finish_once(house, seed):
    chance = random.Random(seed)
    count = 60
    for number in range(count):
        house.keep(f"r{number:03}", at=house.now + number * SECOND)
    kills = 0
    while not house.spool.is_empty() and kills < 12:
        before = len(house.events())
        drainer = start_drainer(house)
        assert drainer.stdout.readline() == "ready\n"
        # Killed after some more are in the books, at whatever it is doing then.
        target = before + chance.randint(1, 10)
        while len(house.events()) < target and drainer.poll() is None:
            time.sleep(0.001)
        drainer.kill()
        drainer.communicate()
        kills += 1
    house.drain()
    assert kills >= 3, "nothing was interrupted"
    assert house.spool.is_empty()
    assert Counter(event.reference for event in house.events()) == Counter(
        f"r{number:03}" for number in range(count)
    )
    house.assert_sound()


@pytest.mark.slow
def test_several_processes_drain_without_double_work(house):
    count = 60
    for number in range(count):
        house.keep(f"r{number:03}", at=house.now + number * SECOND)
    drainers = [start_drainer(house) for _ in range(3)]
    outputs = [drainer.communicate(timeout=120) for drainer in drainers]
    assert [drainer.returncode for drainer in drainers] == [0, 0, 0], outputs
    assert [event.reference for event in house.events()] == [f"r{n:03}" for n in range(count)]
    assert "finish.replayed" not in "".join(outputs)
    house.assert_sound()


def start_drainer(house):
    settings = json.loads(house.settings.model_dump_json())
    settings["service"]["secret_key"] = SECRET
    settings["database"]["url"] = house.settings.database.url.get_secret_value()
    settings["redis"]["url"] = house.settings.redis.url.get_secret_value()
    return NURSERY.start_python(DRAINER, json.dumps(settings))


def test_quarantine_keeps_one_row_for_each_reference(house):
    house.keep("twice", b"[")
    house.keep("twice", b"[", at=house.now + SECOND)
    assert house.drain().outcomes == {"quarantined": 2}
    with house.db.read() as session:
        assert metering_store.count_quarantined(session) == 1


def test_answer_is_of_the_department_that_its_user_is_known_to_be_in(house, away):
    house.finish(house.body("a"), reference="aaaaaaaaaa")
    with house.db.begin() as session:
        session.execute(sa.update(User).values(attributes={"department": "Sales"}))
        revision.bump(session)
        number = revision.current(session)
    house.runtime.directory.forget(number)
    house.finish(house.body("b"), reference="bbbbbbbbbb")
    back = away()
    house.finish(house.body("c"), reference="cccccccccc")
    back()
    house.drain()
    with house.db.read() as session:
        segments = {one.id: one.attributes for one in session.scalars(sa.select(UsageSegment))}
    found = [segments[event.segment_id or 0] for event in house.events()]
    assert found == [{}, {"department": "Sales"}, {"department": "Sales"}]
