"""Alerts, rules, destinations and deliveries over the JSON API."""

import json

import pytest
from app.alerts import outbox, store
from app.audit.journal import Actor
from app.links import commands as link_commands
from app.links import store as link_store
from app.links.commands import LinkSpec

HOOK = {"name": "ops", "kind": "webhook", "url": "https://hooks.example/alerts"}


@pytest.fixture(scope="module")
def program(house):
    return house.program("alerts:read", "alerts:write")


@pytest.fixture(scope="module")
def destination(program):
    made = program.post("/alert-destinations", HOOK)
    assert made["secret"].startswith("whsec_")
    return made["destination"]


def test_a_secret_is_in_no_later_answer(program, destination):
    assert destination["address"] == "hooks.example"
    path = f"/alert-destinations/{destination['id']}"
    assert program.get(path)["address"] == "hooks.example"
    assert b"whsec_" not in program.last.data
    assert "ops" in [one["name"] for one in program.get("/alert-destinations")["items"]]
    assert b"whsec_" not in program.last.data
    assert program.post(f"{path}/rotate-secret", {"overlap_s": 60}, status=200)["secret"]
    assert program.post("/alert-destinations", HOOK, status=409)["code"] == "destination_exists"


def test_a_change_that_lost_the_race_is_refused(program, destination):
    path = f"/alert-destinations/{destination['id']}"
    program.get(path)
    read = {"If-Match": program.last.headers["ETag"]}
    assert program.patch(path, {"is_enabled": False}, headers=read)["is_enabled"] is False
    refused = program.patch(path, {"is_enabled": True}, status=412, headers=read)
    assert refused["code"] == "changed_meanwhile"


def test_private_addresses_are_refused_in_words(program):
    made = program.post(
        "/alert-destinations", {**HOOK, "name": "inside", "url": "https://127.0.0.1/"}
    )
    path = f"/alert-destinations/{made['destination']['id']}"
    verdict = program.post(f"{path}/test", status=200)
    assert verdict["status"] == "refused"
    assert "alerts.allow_private_webhooks" in verdict["error"]
    assert program.call("DELETE", path, 204) is None
    program.get(path, status=404)


def test_a_dead_message_is_sent_again(house, program, destination):
    with house.db.begin() as session:
        found = store.get_destination_by_id(session, destination["id"])
        delivery = outbox.write_test(session, found, now=house.now)
        delivery.status = "dead"
        id_ = delivery.id
    listed = program.get(f"/alert-deliveries?status=dead&destination_id={destination['id']}")
    assert [one["id"] for one in listed["items"]] == [id_]
    path = f"/alert-deliveries/{id_}"
    assert program.post(f"{path}/replay", status=200)["status"] == "pending"
    assert program.post(f"{path}/replay", status=409)["code"] == "delivery_pending"
    assert program.get(path)["destination"] == "ops"


def test_a_link_has_a_rule_of_its_own(house, program):
    actor = Actor("tests", "cli")
    with house.db.begin() as session:
        link_commands.create(
            session, LinkSpec(name="demo"), keys=house.runtime.keys, actor=actor, now=house.now
        )
    with house.db.read() as session:
        id_ = link_store.find_by_name(session, "demo").id
    path = f"/alert-rules/budget/of/link:{id_}"
    assert program.get(path)["subject"] == ""
    changed = program.patch(path, {"thresholds": {"percents": [50, 90]}})
    assert (changed["subject"], changed["thresholds"]) == (f"link:{id_}", {"percents": [50, 90]})
    assert program.get("/alert-rules/budget")["is_default"] is True
    assert program.post(f"{path}/reset", status=200)["subject"] == ""


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/alert-rules/budget", {"thresholds": {"percents": []}}, 422),
        ("/alert-rules/budget", {"thresholds": {"percents": [10**30]}}, 422),
        ("/alert-rules/findings", {"thresholds": {"ignored": ["a\0b"]}}, 422),
        ("/alert-rules/budget", {"thresholds": {"\ud800": 1}}, 422),
        ("/alert-rules/budget", {"repeat_after_s": -1}, 422),
        ("/alert-rules/budget/of/link:99999999999999999999", {}, 404),
        ("/alert-rules/nonsense", {}, 404),
        ("/alert-destinations/9223372036854775808", {}, 404),
    ],
)
def test_what_cannot_be_is_refused(program, path, body, status):
    # As escapes, for JSON may say what UTF-8 cannot.
    program.call("PATCH", path, status, data=json.dumps(body), content_type="application/json")


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://["},
        {"url": "https://a\0b/"},
        {"url": "https://:80/"},
        {"name": "a\0b"},
        {"secret": "x" * 501},
        {"quiet_from": "22:00"},
        {"time_zone": "Mars/Base"},
        {"conditions": ["budget"] * 51},
    ],
)
def test_a_destination_that_cannot_be_is_refused(program, change):
    program.post("/alert-destinations", {**HOOK, **change}, status=422)


def test_lists_page_by_keyset(house, program, destination):
    with house.db.begin() as session:
        found = store.get_destination_by_id(session, destination["id"])
        for _ in range(4):
            outbox.write_test(session, found, now=house.now)
    first = program.get("/alert-deliveries?limit=2")
    rest = program.get(f"/alert-deliveries?limit=2&cursor={first['next']}")
    ids = [one["id"] for one in first["items"] + rest["items"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 4
    assert program.get("/alerts?state=all")["items"] == []
    program.get("/alerts?cursor=nonsense", status=422)
