"""Alerts, their rules and where they go, as an operator sees and changes them."""

import re

import pytest
from app.admin import alert_wording, finding_wording
from app.alerts import notices, rule_commands, store, texts
from app.alerts.conditions import CONDITIONS, DEFAULTS, Rulebook
from app.alerts.destination_commands import KINDS
from app.alerts.notices import Observation
from app.audit.models import AuditEntry
from app.findings import store as finding_store
from app.ledger.verify import Finding
from app.statements import selfaudit, verification

from admin_builders import House
from fakes.receiver import Receiver

ALERTS = "/admin/alerts"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture(scope="module")
def house(tmp_path_factory, sqlite_template, valkey_url):
    made = House(
        tmp_path_factory.mktemp("bell"),
        sqlite_template,
        valkey_url,
        "bell",
        alerts={"allow_private_webhooks": True},
    )
    yield made
    made.close()


@pytest.fixture
def far():
    with Receiver() as server:
        yield server


def open_alert(house, subject="link:1/month", name="the demo link"):
    facts = {"percent": 80, "used": "8", "limit": "10", "period": "month"}
    seen = [Observation("budget", subject, name, "critical", facts)]
    with house.db.begin() as session:
        notices.record(session, seen, watched=["budget"], rules=Rulebook({}), now=house.now)


def form(**given):
    return {"min_severity": "info", "locale": "en", "time_zone": "Asia/Shanghai", **given}


def add_webhook(house, browser, far, name):
    browser.get(f"{ALERTS}/destinations/new/webhook")
    page = browser.post(f"{ALERTS}/destinations/new/webhook", **form(name=name, url=far.url))
    with house.db.read() as session:
        return page, store.get_destination(session, name).id


def audited(house, action):
    with house.db.read() as session:
        return session.query(AuditEntry).filter_by(action=action).all()


def test_a_webhook_is_added_tried_and_its_secret_shown_once(house, far):
    browser = house.browser()
    page, id_ = add_webhook(house, browser, far, "ops")
    (secret,) = set(SECRET.findall(page))
    path = f"{ALERTS}/destinations/{id_}"
    assert far.url.removeprefix("http://") in browser.get(path)
    assert "The test message was taken" in browser.post(f"{path}/test")
    assert far.got[0].json["type"] == "alert.test"
    assert far.got[0].headers["webhook-signature"].count("v1,") == 1

    far.answer = lambda _got: (404, {}, b"")
    refused = browser.post(f"{path}/test")
    assert "HTTP 404" in refused
    assert "check its path" in refused
    assert "check its path" in browser.get(f"{ALERTS}/deliveries?destination_id={id_}")

    (renewed,) = set(SECRET.findall(browser.post(f"{path}/rotate", overlap_s="86400")))
    assert renewed != secret
    far.answer = lambda _got: (200, {}, b"")
    browser.get(path)
    browser.post(f"{path}/test")
    assert far.got[-1].headers["webhook-signature"].count("v1,") == 2
    for shown in ("", "/destinations", f"/destinations/{id_}", "/deliveries"):
        assert not SECRET.search(browser.get(f"{ALERTS}{shown or '/'}"))
    kept = [
        entry
        for verb in ("add", "rotate_secret")
        for entry in audited(house, f"alert_destinations.{verb}")
        if entry.object_id == str(id_)
    ]
    assert len(kept) == 2
    assert not any("whsec_" in str((entry.before, entry.after)) for entry in kept)


def test_a_destination_is_changed_silenced_and_removed(house, far):
    browser = house.browser()
    _, id_ = add_webhook(house, browser, far, "team")
    path = f"{ALERTS}/destinations/{id_}"
    browser.get(path)
    wanted = form(conditions=["budget", "findings"], quiet_from="22:00", quiet_until="08:00")
    assert "is changed" in browser.post(path, **wanted)
    assert "22:00–08:00" in browser.get(f"{ALERTS}/destinations")
    refused = browser.post(path, status=422, **form(quiet_from="22:00", quiet_until=""))
    assert "give both or neither" in refused
    assert 'value="22:00"' in refused
    browser.post(f"{path}/switch", on="0")
    with house.db.read() as session:
        kept = store.get_destination(session, "team")
        assert (kept.is_enabled, kept.conditions) == (False, ["budget", "findings"])
    assert "Alerts no longer go to team" in browser.post(f"{path}/remove")
    browser.get(path, status=404)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_where_to_find_what_is_pasted(house, kind):
    page = house.browser(locale="zh").get(f"{ALERTS}/destinations/new/{kind}")
    assert page.count('<li class="wrap-any">') == len(alert_wording.STEPS[kind])


def test_alerts_are_told_in_the_language_of_the_page(house):
    open_alert(house)
    english = house.browser("viewer")
    english.get(f"{ALERTS}/")
    assert "the demo link has used 80 % of its points" in english.text()
    chinese = house.browser("viewer", locale="zh")
    chinese.get(f"{ALERTS}/")
    assert "the demo link 已用到限额的 80%" in chinese.text()
    assert texts.advice("budget", "zh") in chinese.text()
    english.get(f"{ALERTS}/?condition=low_balance")
    assert "No alert is open" in english.text()
    english.get(f"{ALERTS}/?severity=dreadful", status=422)


def test_a_changed_rule_is_in_the_audit_and_can_be_reset(house):
    browser = house.browser()
    path = f"{ALERTS}/rules/low_balance"
    stale = re.search(r'name="version" value="(\w+)"', browser.get(path))[1]
    wanted = {"severity": "critical", "repeat_after_s": "0", "thresholds.below": "12.5"}
    browser.post(path, version=stale, is_enabled="on", **wanted)
    (entry,) = audited(house, "alert_rules.set")
    assert entry.after["thresholds"]["below"] == "12.5"
    refused = browser.post(path, status=422, **{**wanted, "thresholds.below": "-1"})
    assert 'value="-1"' in refused
    assert "changed it since" in browser.post(path, status=412, version=stale, **wanted)
    browser.get(path)
    browser.post(f"{path}/reset")
    with house.db.read() as session:
        assert rule_commands.load(session).rule("low_balance") == DEFAULTS["low_balance"]


def test_a_rule_of_one_link_wants_a_link_that_is_there(house):
    browser = house.browser()
    assert "give it a rule" in browser.get(f"{ALERTS}/rules/budget").lower()
    browser.get(f"{ALERTS}/rules/budget?kind=link&number=999", status=404)
    browser.get(f"{ALERTS}/rules/budget?kind=machine&number=1", status=404)
    browser.get(f"{ALERTS}/rules/nonsense", status=404)


def test_a_viewer_sees_everything_and_changes_nothing(house, far):
    _, id_ = add_webhook(house, house.browser(), far, "seen")
    viewer = house.browser("viewer")
    for path in ("/", "/rules", "/rules/budget", f"/destinations/{id_}", "/deliveries"):
        assert "data-confirm" not in viewer.get(f"{ALERTS}{path}")
    for path in ("/rules/budget", f"/destinations/{id_}", f"/destinations/{id_}/test"):
        viewer.post(f"{ALERTS}{path}", status=403, severity="info")
    assert far.got == []


def test_everything_there_is_has_words():
    assert list(alert_wording.CONDITIONS) == list(CONDITIONS)
    fields = {name for rule in DEFAULTS.values() for name in type(rule.thresholds).model_fields}
    assert set(alert_wording.THRESHOLDS) == fields
    assert set(finding_wording.WORDS) == {*verification.CODES, *selfaudit.CODES}


def test_the_self_audit_says_what_is_wrong_and_when_it_looked(house):
    browser = house.browser("viewer")
    browser.get("/admin/self-audit/")
    assert "Nothing is wrong" in browser.text()
    assert "not yet" in browser.text()
    found = [Finding("hash_wrong", "Transaction 7 was changed.", {"transaction": 7})]
    with house.db.begin() as session:
        finding_store.record(session, found, resolves=(), now=house.now)
        finding_store.note_run(session, "books", findings=0, now=house.now)
        finding_store.note_run(session, "books", findings=1, now=house.now)
    browser.get("/admin/self-audit/")
    assert "A transaction was changed afterwards" in browser.text()
    assert "1 found" in browser.text()
    listed = house.program("findings:read").get("/findings")
    assert [one["ids"] for one in listed["items"]] == [{"transaction": 7}]
    assert [run["findings"] for run in listed["runs"]] == [1]
    later = house.now
    with house.db.begin() as session:
        finding_store.record(session, [], resolves=("hash_wrong",), now=later)
    assert house.program("findings:read").get("/findings")["items"] == []
    assert "resolved" in browser.get("/admin/self-audit/?resolved=1")
