"""``shareauth alerts``: rules, destinations and messages from a terminal."""

import pytest
from app.alerts import notices
from app.alerts.conditions import CONDITIONS, Rulebook
from app.alerts.notices import Observation

from fakes.receiver import Receiver

ALLOWED = {"SHAREAUTH_ALERTS__ALLOW_PRIVATE_WEBHOOKS": "true"}


@pytest.fixture
def far():
    with Receiver() as server:
        yield server


@pytest.fixture
def shell(db, make_shell):
    url = db.url.render_as_string(hide_password=False)
    return make_shell(SHAREAUTH_DATABASE__URL=url, **ALLOWED)


def open_alert(db, now):
    facts = {"count": 2}
    seen = [Observation("quarantine", "all", "", "warning", facts)]
    with db.begin() as session:
        notices.record(session, seen, watched=["quarantine"], rules=Rulebook({}), now=now)


def test_alerts_are_listed_with_what_they_say(shell, db, now):
    assert "No alert is open." in shell.text("alerts", "list")
    open_alert(db, now)
    (alert,) = shell.json("alerts", "list")["alerts"]
    assert (alert["condition"], alert["status"]) == ("quarantine", "open")
    assert "2 finishes that could not be recorded" in shell.text("alerts", "list")
    assert shell.json("alerts", "list", "--condition", "budget")["alerts"] == []


def test_rules_are_shown_changed_and_reset(shell):
    rules = shell.json("alerts", "rules")["rules"]
    assert [rule["condition"] for rule in rules] == list(CONDITIONS)
    assert "low_balance" in shell.text("alerts", "rules")
    words = ["alerts", "rule", "set", "budget", "--of", "link:3"]
    data = shell.json(*words, "--set", "percents=50,80", "--repeat-after", "2h", "--off")
    assert data["thresholds"] == {"percents": [50, 80]}
    assert (data["subject"], data["repeat_after_s"], data["is_enabled"]) == ("link:3", 7200, False)
    assert shell.json("alerts", "rule", "reset", "budget", "--of", "link:3")["is_default"] is True
    said = shell.error("alerts", "rule", "set", "budget", "--set", "below=5")["message"]
    assert "it has percents" in said


def test_destination_is_added_tried_changed_and_removed(shell, far):
    words = ["alerts", "destinations"]
    added = shell.json(
        *words, "add", "ops", "--kind", "webhook", "--url", far.url, "--quiet", "22:00-08:00",
        "--only", "budget", "--only", "findings",
    )  # fmt: skip
    secret = added.pop("secret")
    assert secret.startswith("whsec_")
    assert shell.json(*words, "list")["destinations"] == [added]
    assert (added["quiet_from"], added["conditions"]) == ("22:00", ["budget", "findings"])
    assert shell.json(*words, "test", "ops")["is_delivered"] is True
    assert far.got[0].headers["webhook-signature"].startswith("v1,")
    assert shell.json(*words, "rotate-secret", "ops", "--overlap", "1h")["secret"] != secret
    changed = shell.json(*words, "update", "ops", "--quiet", "always", "--only", "all")
    assert (changed["quiet_from"], changed["conditions"]) == (None, None)
    far.answer = lambda _got: (500, {}, b"")
    assert "HTTP 500" in shell.error(*words, "test", "ops")["message"]
    shell.run(*words, "remove", "ops")
    assert "Nobody is told yet" in shell.text(*words, "list")
    assert shell.error(*words, "test", "ops")["code"] == "destination_not_found"


def test_secret_of_a_bot_comes_from_a_file_and_is_not_shown(shell, tmp_path):
    path = tmp_path / "secret"
    path.write_text("SEC-hunter2\n")
    shown = shell.text(
        "alerts", "destinations", "add", "group", "--kind", "dingtalk",
        "--url", "https://oapi.dingtalk.example/robot/send?access_token=hunter3",
        "--secret-file", path,
    )  # fmt: skip
    assert "oapi.dingtalk.example" in shown
    assert "hunter" not in shown
    assert "hunter" not in shell.text("audit", "list")


def test_messages_are_listed_and_replayed(shell, db, now, far):
    shell.run("alerts", "destinations", "add", "ops", "--kind", "webhook", "--url", far.url)
    open_alert(db, now)
    (one,) = shell.json("alerts", "deliveries", "--to", "ops")["deliveries"]
    assert (one["event"], one["status"]) == ("opened", "pending")
    assert shell.error("alerts", "replay", one["id"])["code"] == "delivery_pending"
    far.answer = lambda _got: (500, {}, b"")
    shell.error("alerts", "destinations", "test", "ops")
    (dead,) = shell.json("alerts", "deliveries", "--status", "dead")["deliveries"]
    assert shell.json("alerts", "replay", dead["id"])["status"] == "pending"
    assert "HTTP 500" not in shell.text("alerts", "deliveries")
    assert shell.error("alerts", "replay", 999)["code"] == "delivery_not_found"


def test_secret_key_of_another_service_opens_nothing(db, make_shell, shell, far):
    shell.run("alerts", "destinations", "add", "ops", "--kind", "webhook", "--url", far.url)
    url = db.url.render_as_string(hide_password=False)
    key = "another secret that is only good for tests"
    other = make_shell(SHAREAUTH_DATABASE__URL=url, SHAREAUTH_SERVICE__SECRET_KEY=key, **ALLOWED)
    assert (
        "another service.secret_key"
        in other.error("alerts", "destinations", "test", "ops")["message"]
    )
    assert far.got == []
