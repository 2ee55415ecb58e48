"""Schedules, deliveries and destinations, as an operator sees and changes them."""

import re
import uuid

import pytest
from app.audit.models import AuditEntry
from app.background.periodic import run_schedules
from app.background.runner import Runner
from app.deliveries import store as delivery_store
from app.saved_views.models import SavedView
from app.schedules import store

from admin_builders import House

SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture
def house(tmp_path, sqlite_template, valkey_url):
    made = House(
        tmp_path,
        sqlite_template,
        valkey_url,
        f"h{uuid.uuid4().hex[:12]}",
        deliveries={"allow_private_addresses": True},
    )
    yield made
    made.close()


@pytest.fixture
def finance(house):
    """A browser of somebody in finance, with a directory to send to and a view to send."""
    browser = house.browser("finance")
    page = browser.get("/admin/schedules/")
    assert "First say where files go" in page
    browser.get("/admin/destinations/new/directory")
    browser.post("/admin/destinations/new/directory", name="disk", path="fin/usage", locale="en")
    browser.get("/admin/usage/?per=day&by=link")
    browser.post("/admin/views/", page="usage", name="By link", query="per=day&by=link")
    assert "Send this regularly" in browser.get("/admin/usage/?per=day&by=link")
    return browser


def form(**said):
    values = {
        "kind": "report",
        "view_id": "1",
        "locale": "en",
        "every": "day",
        "at": "06:00",
        "weekday": "0",
        "day": "1",
        "time_zone": "Asia/Shanghai",
        "destination_ids": ["1"],
    }
    return values | said


def work(house):
    runner = Runner(house.runtime, clock=lambda: house.now)
    while runner.run_next():
        pass


def test_a_view_is_sent_regularly_and_what_became_of_it_is_shown(house, finance):
    finance.get("/admin/schedules/new?view=1")
    refused = finance.post("/admin/schedules/new", 422, **form(name="daily", destination_ids=[]))
    assert 'value="daily"' in refused
    page = finance.post("/admin/schedules/new", **form(name="daily"))
    assert "Schedule daily is set up" in page
    assert "It never ran" in page
    assert "is being made" in finance.post("/admin/schedules/1/run")
    finance.post("/admin/schedules/1/run", 409)
    work(house)
    page = finance.get("/admin/schedules/1")
    assert "made" in finance.text()
    assert "delivered" in page
    assert (house.settings.service.data_dir / "delivered/fin/usage").is_dir()
    page = finance.get("/admin/deliveries/")
    assert "By link" in page
    page = finance.get("/admin/deliveries/1")
    assert "shareauth-report/1" in page
    finance.post("/admin/deliveries/1/give-up", 409)
    assert "sent again within seconds" in finance.post("/admin/deliveries/1/retry")
    assert "tried no more" in finance.post("/admin/deliveries/1/give-up")
    run_id = house.db.run(lambda session: store.list_runs(session, 1)[0].id)
    finance.post(f"/admin/schedules/1/runs/{run_id}/again")
    work(house)
    run_schedules(house.runtime, house.now)
    with house.db.read() as session:
        assert delivery_store.get_delivery(session, 1).status == "delivered"
        actions = {one.action for one in session.query(AuditEntry)}
    assert {
        "destinations.add",
        "schedules.add",
        "schedules.run",
        "deliveries.retry",
        "deliveries.give_up",
    } <= actions


def test_a_schedule_is_changed_switched_and_removed(house, finance):
    finance.get("/admin/schedules/new")
    finance.post("/admin/schedules/new", **form(name="weekly", every="week", weekday="2"))
    with house.db.read() as session:
        id_ = store.get_named(session, "weekly").id
    path = f"/admin/schedules/{id_}"
    finance.get(path)
    assert "is changed" in finance.post(path, **form(every="month", day="5", at="07:30"))
    assert "07:30" in finance.get("/admin/schedules/")
    finance.post(path, 422, **form(day="31"))
    assert "does not run any more" in finance.post(f"{path}/switch", on="0")
    assert "runs again" in finance.post(f"{path}/switch", on="1")
    assert "is gone" in finance.post(f"{path}/remove")
    finance.get(path, 404)


def test_destinations_are_tested_changed_and_not_removed_while_in_use(house, finance):
    assert "It works." in finance.post("/admin/destinations/1/test")
    finance.get("/admin/schedules/new?view=1")
    finance.post("/admin/schedules/new", **form(name="daily"))
    finance.get("/admin/destinations/")
    finance.get("/admin/destinations/new/s3")
    said = {"name": "minio", "bucket": "reports", "access_key": "AKIA", "secret_key": "hush hush"}
    said["locale"] = "en"
    page = finance.post("/admin/destinations/new/s3", **said, endpoint="https://127.0.0.1:9")
    assert "hush" not in page
    path = "/admin/destinations/2"
    assert "does not answer" in finance.post(f"{path}/test")
    empty = dict.fromkeys(["endpoint", "region", "access_key", "secret_key"], "")
    finance.post(path, bucket="reports", prefix="a", locale="en", **empty)
    assert "s3://reports/a" in finance.get("/admin/destinations/")
    assert "disk" in finance.post("/admin/destinations/1/remove", 409)
    finance.get("/admin/destinations/new/webhook")
    page = finance.post(
        "/admin/destinations/new/webhook", name="hook", url="https://ex.com/h", locale="en"
    )
    (secret,) = set(SECRET.findall(page))
    finance.get("/admin/destinations/3")
    (renewed,) = set(SECRET.findall(finance.post("/admin/destinations/3/rotate", overlap_s="60")))
    assert renewed != secret
    assert "Nothing is sent" in finance.post("/admin/destinations/3/switch", on="0")
    assert "no longer go" in finance.post("/admin/destinations/3/remove")
    for path in ("/admin/destinations/", "/admin/destinations/2", "/admin/audit/"):
        assert "hush" not in finance.get(path)


def test_others_see_nothing_of_it_and_limited_ones_neither(house):
    for browser in (house.browser("viewer"), house.browser("owner", link_ids=[1])):
        for path in ("schedules", "deliveries", "destinations"):
            browser.get(f"/admin/{path}/", 403)


def test_the_api_does_the_same(house, finance):
    program = house.program("deliveries:read", "deliveries:write", "usage:read")
    kinds = program.get("/schedule-kinds")
    assert [one["kind"] for one in kinds["kinds"]] == ["report", "export", "statements"]
    assert kinds["cadences"][-1] == "closing"
    made = program.post("/destinations", {"name": "api", "kind": "directory", "path": "api"})
    id_ = made["destination"]["id"]
    assert program.post(f"/destinations/{id_}/test", status=200)["status"] == "taken"
    wrong = {"name": "x", "kind": "directory", "path": "../up"}
    program.post("/destinations", wrong, status=422)
    values = {"name": "by api", "kind": "report", "parameters": {"view_id": 1}}
    values["destination_ids"] = [id_]
    program.post("/schedules", values, status=404)  # finance's view is theirs
    with house.db.begin() as session:
        session.get(SavedView, 1).is_shared = True
    schedule = program.post("/schedules", values)
    found = program.get(f"/schedules/{schedule['id']}")
    assert found["next_at"] is not None
    run = program.post(f"/schedules/{schedule['id']}/run", status=202)
    work(house)
    (listed,) = program.get(f"/schedules/{schedule['id']}/runs")["items"]
    assert listed["id"] == run["id"]
    assert set(listed["deliveries"].values()) == {"delivered"}
    (number,) = listed["deliveries"]
    assert program.get(f"/deliveries/{number}")["attempts_made"][0]["outcome"] == "delivered"
    assert len(program.get("/deliveries?limit=1")["items"]) == 1
    limited = house.program("deliveries:read", "deliveries:write")
    limited.post(f"/schedules/{schedule['id']}/run", status=403)
    program.call("DELETE", f"/destinations/{id_}", 409)
    program.call("DELETE", f"/schedules/{schedule['id']}", 204)
    program.call("DELETE", f"/destinations/{id_}", 204)


def test_tables_and_statements_have_forms_of_their_own(house, finance):
    page = finance.get("/admin/schedules/new?kind=export")
    assert 'value="postings"' in page
    values = form(kind="export", name="ledger", every="closing", table="postings", format="jsonl")
    page = finance.post("/admin/schedules/new", **values, gzip="1")
    assert "after the next closing" in page
    assert re.search(r'<option value="postings"[^>]* selected', page)
    kind = values | {"name": "kinds", "kind_of": "top_up"}
    assert 'value="top_up"' in finance.post("/admin/schedules/new", **kind)
    finance.post("/admin/schedules/new", 422, **(kind | {"name": "v", "kind_of": "poems"}))
    finance.post("/admin/schedules/new", 422, **(kind | {"name": "w", "table": "events"}))
    finance.post("/admin/schedules/new", 404, **(kind | {"name": "u", "user": "nobody"}))
    finance.post("/admin/schedules/new", 422, **(values | {"name": "x", "format": "focus"}))
    page = finance.get("/admin/schedules/new?kind=statements")
    assert 'value="closing"' in page
    assert 'value="week"' not in page
    values = form(kind="statements", name="statements", every="closing", bom="1")
    assert "Statements of a closed month" in finance.post("/admin/schedules/new", **values)
    finance.post("/admin/schedules/new", 422, **(values | {"name": "y", "every": "day"}))
    program = house.program("deliveries:read", "deliveries:write", "usage:read")
    spec = {"name": "z", "kind": "export", "parameters": {"table": "postings"}}
    program.post("/schedules", spec | {"destination_ids": [1]}, status=403)
    program.post("/schedules", spec | {"destination_ids": [1], "parameters": {"table": "events"}})
