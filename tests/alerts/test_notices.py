"""One alert for each thing that is wrong, and who is told of it when."""

from datetime import datetime, timedelta

import pytest
from app.alerts import destination_commands, notices, outbox, rule_commands, store
from app.alerts.conditions import Rulebook
from app.alerts.destination_commands import DestinationSpec
from app.alerts.models import Alert, Delivery
from app.alerts.notices import Observation, Told
from app.alerts.rule_commands import RuleChange
from app.audit.journal import Actor

BY = Actor("tests", "cli")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WATCHED = ("budget", "findings", "jobs_failing")
NIGHT = {"quiet_from": "22:00", "quiet_until": "08:00"}
"""In Asia/Shanghai; the tests begin at noon there."""


def budget(level=80, subject="link:3/month", severity="warning"):
    facts = {"percent": level, "used": "8", "limit": "10", "period": "month"}
    return Observation("budget", subject, "demo", severity, facts, level)


class World:
    def __init__(self, session, keys, now):
        self.session, self.keys, self.now = session, keys, now
        self.rules = Rulebook({})

    def add(self, name, kind="webhook", **spec):
        at = {"recipients": ("ops@x.example",)} if kind == "email" else {"url": "https://x.example"}
        spec = DestinationSpec(name=name, kind=kind, **at, **spec)
        destination_commands.add(self.session, spec, keys=self.keys, actor=BY, now=self.now)

    def look(self, *seen, of="machine:a", after=timedelta(0), watched=WATCHED):
        self.now += after
        return notices.record(
            self.session, seen, watched=watched, of=of, rules=self.rules, now=self.now
        )

    def written(self, status=None):
        """Events by destination, in the order they were written."""
        names = {one.id: one.name for one in store.list_destinations(self.session)}
        rows = self.session.query(Delivery).order_by(Delivery.id)
        return [
            (names[one.destination_id], one.event) for one in rows if status in (None, one.status)
        ]

    def sent(self):
        """Everything that is due now, as if it were sent."""
        parcels = outbox.claim(self.session, lease="l", now=self.now)
        for parcel in parcels:
            assert outbox.mark_delivered(self.session, parcel, lease="l", now=self.now)
        return [(one.destination, one.event) for one in parcels]


@pytest.fixture
def world(db, keys, now):
    with db.begin() as session:
        yield World(session, keys, now)


def test_what_stays_wrong_is_one_alert_that_is_told_once(world):
    world.add("ops")
    assert world.look(budget()) == Told(opened=1)
    for _ in range(3):
        assert world.look(budget(), after=MINUTE) == Told()
    (alert,) = store.list_alerts(world.session)
    assert (alert.opened_at, alert.last_seen_at) == (world.now - 3 * MINUTE, world.now)
    assert world.written() == [("ops", "opened")]
    (delivery,) = world.session.query(Delivery)
    told = delivery.payload
    assert told["type"] == "alert.opened"
    assert told["data"]["alert"]["subject"] == {"id": "link:3/month", "name": "demo"}
    assert "80 %" in told["data"]["alert"]["summary"]["en"]


def test_worse_is_told_at_once_and_better_is_not(world):
    world.add("ops")
    world.look(budget(80))
    assert world.look(budget(100), after=MINUTE) == Told(escalated=1)
    assert world.look(budget(80), after=MINUTE) == Told()
    assert world.look(budget(100), after=MINUTE) == Told(escalated=1)
    assert world.written() == [("ops", "opened"), ("ops", "escalated"), ("ops", "escalated")]


def test_end_is_told_when_nothing_was_seen_for_a_while(world):
    world.add("ops")
    world.look(budget())
    world.sent()
    assert world.look(after=9 * MINUTE) == Told()
    # It comes back before it was over: nothing has happened.
    assert world.look(budget(), after=MINUTE) == Told()
    assert world.look(after=10 * MINUTE) == Told(resolved=1)
    assert store.list_alerts(world.session) == []
    assert world.look(budget(), after=MINUTE) == Told(opened=1)
    assert len(store.list_alerts(world.session, with_resolved=True)) == 2
    assert world.written() == [("ops", "opened"), ("ops", "resolved"), ("ops", "opened")]


def test_what_was_not_looked_at_does_not_end(world):
    world.look(budget())
    assert world.look(after=HOUR, watched=("findings",)) == Told()


def test_open_alert_is_repeated_as_its_rule_says(world):
    change = RuleChange(repeat_after_s=7200)
    rule_commands.set_rule(world.session, "budget", change, actor=BY, now=world.now)
    world.rules = rule_commands.load(world.session)
    world.add("ops")
    world.look(budget())
    told = [world.look(budget(), after=HOUR) for _ in range(4)]
    assert told == [Told(), Told(repeated=1), Told(), Told(repeated=1)]


def test_each_machine_ends_only_its_own_alerts(world):
    facts = {"job": "x", "runs": 3, "error": "ValueError"}
    seen = [
        Observation("jobs_failing", f"machine:{name}/x", name, "critical", facts)
        for name in ("a", "ab")
    ]
    world.look(*seen)
    assert world.look(of="machine:a", after=HOUR) == Told(resolved=1)
    assert [one.subject for one in store.list_alerts(world.session)] == ["machine:ab/x"]
    # A machine that is gone says no more; somebody else does after a day.
    assert world.look(of="machine:a", after=22 * HOUR) == Told()
    assert world.look(of="machine:a", after=HOUR) == Told(resolved=1)


def test_destinations_get_what_they_want(world):
    world.add("all")
    world.add("bad only", min_severity="critical")
    world.add("findings only", conditions=("findings",))
    world.add("off", is_enabled=False)
    world.look(budget())
    finding = {"code": "c", "count": 1, "message": "m"}
    world.look(budget(), Observation("findings", "code:c", "c", "critical", finding))
    assert world.written() == [
        ("all", "opened"),
        ("all", "opened"),
        ("bad only", "opened"),
        ("findings only", "opened"),
    ]


def test_quiet_hours_put_off_all_but_what_is_critical(world):
    world.now += 12 * HOUR  # midnight
    world.add("people", "email", **NIGHT)
    world.look(budget(), budget(subject="link:4/month", severity="critical"))
    assert world.sent() == [("people", "opened")]
    world.now += 7 * HOUR + 59 * MINUTE
    assert world.sent() == []
    world.now += MINUTE
    assert world.sent() == [("people", "opened")]


def test_what_is_over_before_the_quiet_is_not_told_at_all(world):
    world.now += 12 * HOUR
    world.add("people", "email", **NIGHT)
    world.add("program")
    world.look(budget())
    assert world.sent() == [("program", "opened")]
    world.look(after=HOUR)
    assert world.written("skipped") == [("people", "opened")]
    world.now += 12 * HOUR
    assert world.sent() == [("program", "resolved")]


def test_many_messages_to_people_become_one_and_programs_get_each(world):
    world.add("people", "email")
    world.add("program")
    world.look(*[budget(subject=f"link:{number}/month") for number in range(outbox.DIGEST_MIN)])
    assert outbox.fold(world.session, world.now) == outbox.DIGEST_MIN
    assert sorted(world.sent()) == [
        ("people", "digest"),
        *[("program", "opened")] * outbox.DIGEST_MIN,
    ]
    (digest,) = world.session.query(Delivery).filter_by(event="digest")
    subjects = [one["alert"]["subject"]["id"] for one in digest.payload["data"]["events"]]
    assert subjects == [f"link:{number}/month" for number in range(outbox.DIGEST_MIN)]
    # Who was told of an alert in a digest hears of its end.
    world.look(after=HOUR)
    assert outbox.fold(world.session, world.now) == outbox.DIGEST_MIN
    assert ("people", "digest") in world.sent()


def test_few_messages_are_left_alone(world):
    world.add("people", "email")
    world.look(*[budget(subject=f"link:{number}") for number in range(outbox.DIGEST_MIN - 1)])
    assert outbox.fold(world.session, world.now) == 0


def test_bots_get_no_more_than_they_may_say(world):
    world.add("group", "wecom")
    critical = [budget(subject=f"link:{number}") for number in range(20)]
    world.look(*critical)
    spoken = []
    for _ in range(5):
        spoken.append(len(world.sent()))
        world.now += timedelta(seconds=20)
    assert spoken == [16, 2, 0, 0, 2]


def test_old_messages_and_alerts_are_forgotten_but_open_ones_are_not(world):
    world.add("ops")
    world.look(budget(), budget(subject="link:4"))
    world.sent()
    world.look(budget(subject="link:4"), after=HOUR)
    world.sent()
    assert sum(store.prune(world.session, before=world.now)) == 2
    assert sum(store.prune(world.session, before=world.now + MINUTE)) == 2  # the end, and its alert
    assert [one.subject for one in world.session.query(Alert)] == ["link:4"]


def test_two_leaders_open_one_alert(world):
    row = notices._row(budget(), world.now)
    assert store.insert_alert_if_new(world.session, row) is not None
    assert store.insert_alert_if_new(world.session, row) is None


def test_times_of_payloads_are_utc_to_the_second(world):
    world.add("ops")
    world.look(budget())
    (delivery,) = world.session.query(Delivery)
    at = datetime.fromisoformat(delivery.payload["timestamp"])
    assert at == world.now
