"""``shareauth destinations``, ``schedules`` and ``deliveries`` from a terminal."""

from datetime import UTC, datetime

import pytest
from app.audit.models import AuditEntry
from app.background.periodic import find_failing
from app.deliveries import orders
from app.deliveries.orders import DeliveredFile, Order
from app.saved_views import commands as views
from app.saved_views.commands import Owner, ViewSpec
from app.schedules import running
from app.schedules import store as schedule_store
from app.schedules.report_text import SOME_PERIOD

pytestmark = pytest.mark.parametrize("db", ["sqlite"], indirect=True)


@pytest.fixture
def shell(db, make_shell):
    return make_shell(SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False))


def test_destinations_are_added_tested_changed_and_removed(shell, db, tmp_path):
    assert "There is none yet" in shell.text("destinations", "list")
    shell.run("destinations", "add", "disk", "--kind", "directory", "--path", "fin/usage")
    assert "removed again" in shell.text("destinations", "test", "disk")
    secret = tmp_path / "key"
    secret.write_text("hush hush\n")
    shell.run(
        *("destinations", "add", "s3", "--kind", "s3", "--endpoint", "https://127.0.0.1:9"),
        *("--bucket", "reports", "--access-key", "AKIA", "--secret-key-file", secret),
    )
    refused = shell.error("destinations", "test", "s3")
    assert refused["code"] == "not_taken"
    assert "allow_private_addresses" in refused["message"]
    shell.run("destinations", "update", "s3", "--prefix", "a/b", "--off")
    (disk, s3) = shell.json("destinations", "list")["destinations"]
    assert (disk["address"], s3["address"]) == ("fin/usage", "s3://reports/a/b (127.0.0.1:9)")
    made = shell.json("destinations", "add", "h", "--kind", "webhook", "--url", "https://ex.com/")
    renewed = shell.json("destinations", "rotate-secret", "h", "--overlap", "0s")
    assert renewed["secret"] != made["secret"]
    shell.run("destinations", "remove", "h")
    shell.error("destinations", "add", "x", "--kind", "directory", "--path", "../up")
    with db.read() as session:
        told = str([(e.action, e.before, e.after, e.reason) for e in session.query(AuditEntry)])
    assert "destinations.rotate_secret" in told
    assert "hush" not in told
    assert "whsec_" not in told


def test_schedules_are_added_run_and_removed_and_deliveries_mended(shell, db, tmp_path, keys):
    now = datetime.now(UTC)
    shell.run("destinations", "add", "disk", "--kind", "directory", "--path", "fin")
    with db.begin() as session:
        spec = ViewSpec(page="usage", name="By link", query="by=link")
        view = views.create(session, spec, owner=Owner("ann"), now=now).id
    shell.run("schedules", "add", "daily", "--view", view, "--at", "06:30", "--to", "disk")
    (listed,) = shell.json("schedules", "list")["schedules"]
    assert (listed["owner"], listed["at"], listed["last_run"]) == ("ann", "06:30", None)
    shell.run("schedules", "update", "daily", "--every", "week", "--weekday", 4)
    run = shell.json("schedules", "run", "daily")
    assert run["state"] == "queued"
    assert shell.error("schedules", "run", "daily")["code"] == "run_under_way"
    assert "queued" in shell.text("schedules", "show", "daily")
    assert shell.error("destinations", "remove", "disk")["code"] == "file_destination_in_use"
    shell.run("schedules", "remove", "daily")
    place = tmp_path / "x.csv"
    place.write_text("a")
    order = Order("k", "K", [DeliveredFile.of(place, "text/csv")], {"rows": 1}, "tests")
    with db.begin() as session:
        orders.deliver(session, 1, order, home="a" * 32, now=now)
    shell.run("deliveries", "give-up", 1)
    shell.run("deliveries", "retry", 1)
    (delivery,) = shell.json("deliveries", "list", "--destination", "disk")["deliveries"]
    assert (delivery["status"], delivery["destination"]) == ("pending", "disk")
    assert "x.csv" in shell.text("deliveries", "show", 1)


def test_exports_are_scheduled_and_doctor_says_what_did_not_arrive(shell, db):
    shell.run("destinations", "add", "disk", "--kind", "directory", "--path", "fin")
    shell.run(
        *("schedules", "add", "ledger", "--kind", "export", "--every", "closing"),
        *("--parameters", '{"table": "postings", "format": "jsonl"}', "--to", "disk"),
    )
    wrong = ("--kind", "statements", "--every", "week", "--parameters", "{}", "--to", "disk")
    assert "closing only" in shell.error("schedules", "add", "x", *wrong)["message"]
    found = {one["id"]: one for one in shell.json("doctor", "--offline")["findings"]}
    assert [found[f"SA80{n}"]["status"] for n in (1, 2, 3)] == ["ok", "ok", "ok"]
    now = datetime.now(UTC)
    with db.begin() as session:
        order = Order("k", "s", [], {}, "ann")
        one = orders.deliver(session, 1, order, home="f" * 32, now=now)
        one.status, one.error = "dead", "the disk is full"
        schedule = schedule_store.get_named(session, "ledger")
        run = running._insert(session, schedule, SOME_PERIOD, now, "ann")
        run.state, run.error = "failed", "the books are busy"
    with db.read() as session:
        told = [(one.subject, one.name, one.count, one.error) for one in find_failing(session)]
    assert told == [
        ("destination:1", "disk", 1, "the disk is full"),
        ("schedule:1", "ledger", 1, "the books are busy"),
    ]
    found = {one["id"]: one for one in shell.json("doctor", "--offline")["findings"]}
    assert "the disk is full" in found["SA802"]["message"]
    assert "the books are busy" in found["SA803"]["message"]
