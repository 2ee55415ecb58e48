"""What operators change about rules and destinations, and that secrets are never shown."""

from datetime import timedelta

import pytest
from app.alerts import addressing, destination_commands, outbox, rule_commands, store
from app.alerts.conditions import CONDITIONS, DEFAULTS
from app.alerts.destination_commands import DestinationChange, DestinationSpec
from app.alerts.models import Delivery, Destination
from app.alerts.rule_commands import RuleChange
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.errors import Conflict, Invalid
from pydantic import ValidationError

BY = {"actor": Actor("tests", "cli")}
BOT_URL = "https://oapi.dingtalk.example/robot/send?access_token=hunter2"


@pytest.fixture
def session(db):
    with db.begin() as opened:
        yield opened


def actions(session):
    return [entry.action for entry in session.query(AuditEntry).order_by(AuditEntry.id)]


def test_everything_is_watched_from_the_start(session):
    rules = rule_commands.load(session).all()
    assert [rule.condition for rule in rules] == list(CONDITIONS)
    assert all(rule.is_enabled and rule.is_default for rule in rules)


def test_rule_is_changed_for_all_for_one_and_back(session, now):
    change = RuleChange(thresholds={"below": "50"}, severity="critical")
    rule_commands.set_rule(session, "low_balance", change, now=now, **BY)
    own = RuleChange(thresholds={"below": "7"})
    rule_commands.set_rule(session, "low_balance", own, subject="user:7", now=now, **BY)
    book = rule_commands.load(session)
    assert str(book.rule("low_balance", "user:8").thresholds.below) == "50"
    assert str(book.rule("low_balance", "user:7").thresholds.below) == "7"
    assert book.rule("low_balance", "user:7").severity == "critical"
    assert [(r.condition, r.subject) for r in book.all()][:2] == [
        ("low_balance", ""),
        ("low_balance", "user:7"),
    ]
    rule_commands.reset_rule(session, "low_balance", now=now, **BY)
    assert rule_commands.load(session).rule("low_balance") == DEFAULTS["low_balance"]
    assert actions(session) == ["alert_rules.set", "alert_rules.set", "alert_rules.reset"]


SENSELESS = [
    ("low_balance", {"below": "-1"}, ""),
    ("low_balance", {"colour": "red"}, ""),
    ("budget", {"percents": []}, ""),
    ("budget", {"percents": [0]}, ""),
    ("budget", {}, "user:x"),
    ("low_balance", {}, "link:3"),
    ("quarantine", {}, "link:3"),
]


def test_rule_that_makes_no_sense_is_refused(session, now):
    for condition, thresholds, subject in SENSELESS:
        change = RuleChange(thresholds=thresholds)
        with pytest.raises(Invalid):
            rule_commands.set_rule(session, condition, change, subject=subject, now=now, **BY)
    assert actions(session) == []


def added(session, keys, now, **spec):
    spec = DestinationSpec(
        **{"name": "ops", "kind": "webhook", "url": "https://a.example/h", **spec}
    )
    return destination_commands.add(session, spec, keys=keys, now=now, **BY)


def test_secrets_are_sealed_and_shown_once(session, keys, now):
    made = added(session, keys, now)
    added(session, keys, now, name="bot", kind="dingtalk", url=BOT_URL, secret="SEC-hunter3")
    stored = str([vars(row) for row in session.query(Destination)])
    stored += str([vars(row) for row in session.query(AuditEntry)])
    for secret in (made.secret, "hunter2", "hunter3"):
        assert secret not in stored
    bot = store.get_destination(session, "bot")
    assert destination_commands.describe(bot)["address"] == "oapi.dingtalk.example"
    address = addressing.unseal(bot.sealed, keys)
    assert (address.url, address.secret) == (BOT_URL, "SEC-hunter3")


def test_name_is_taken_once(session, keys, now):
    added(session, keys, now)
    with pytest.raises(Conflict):
        added(session, keys, now)


def test_old_secret_signs_beside_the_new_one_until_the_overlap_is_over(session, keys, now):
    made = added(session, keys, now)
    new = destination_commands.rotate_secret(
        session, made.destination, overlap_s=3600, keys=keys, now=now, **BY
    )
    address = addressing.unseal(made.destination.sealed, keys)
    assert address.live_secrets(now) == [new, made.secret]
    assert address.live_secrets(now + timedelta(hours=1)) == [new]
    later = now + timedelta(hours=2)
    third = destination_commands.rotate_secret(
        session, made.destination, overlap_s=0, keys=keys, now=later, **BY
    )
    address = addressing.unseal(made.destination.sealed, keys)
    assert address.live_secrets(later) == [third]
    assert len(address.signing) == 2  # what has expired before is forgotten


def test_change_touches_what_is_given(session, keys, now):
    bot = added(session, keys, now, name="bot", kind="feishu", url=BOT_URL, secret="s1").destination
    change = DestinationChange(secret="s2", quiet_from="22:00", quiet_until="08:00")
    destination_commands.update(session, bot, change, keys=keys, now=now, **BY)
    address = addressing.unseal(bot.sealed, keys)
    assert (address.url, address.secret, bot.quiet_from) == (BOT_URL, "s2", "22:00")
    moved = DestinationChange(url="https://b.example/x")
    destination_commands.update(session, bot, moved, keys=keys, now=now, **BY)
    assert (bot.shown, bot.quiet_from) == ("b.example", "22:00")


def test_destination_keeps_its_kind_of_address(session, keys, now):
    made = added(session, keys, now).destination
    for change in ({"recipients": ("a@b.example",)}, {"secret": "s"}, {"url": None}):
        with pytest.raises(Invalid):
            destination_commands.update(
                session, made, DestinationChange(**change), keys=keys, now=now, **BY
            )


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "email"},
        {"kind": "email", "url": None, "recipients": ("no address",)},
        {"kind": "email", "url": None, "recipients": ("a@b.example\nBcc: c@d.example",)},
        {"kind": "wecom", "secret": "s"},
        {"url": None},
        {"url": "ftp://a.example"},
        {"url": "https://user@a.example/"},
        {"quiet_from": "22:00"},
        {"quiet_from": "22:00", "quiet_until": "22:00"},
        {"quiet_from": "24:00", "quiet_until": "08:00"},
        {"time_zone": "Mars/Base"},
        {"conditions": ("weather",)},
    ],
)
def test_destination_that_makes_no_sense_is_refused(spec):
    with pytest.raises(ValidationError):
        DestinationSpec(**{"name": "x", "kind": "webhook", "url": "https://a.example", **spec})


def test_removed_destination_takes_its_messages_along(session, keys, now):

    made = added(session, keys, now)
    outbox.write_test(session, made.destination, now=now)
    destination_commands.remove(session, made.destination, now=now, **BY)
    assert session.query(Delivery).count() == 0
    assert store.list_destinations(session) == []
    assert actions(session)[-1] == "alert_destinations.remove"
