"""Exports in the console and by the API: built, made at once or by a worker, and whose they are."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from app.background.runner import Runner
from app.background.scheduled import build_post
from app.closings import closing
from app.closings import store as closing_store
from app.closings.closing import Order
from app.deliveries import sending
from app.deliveries import store as delivery_store
from app.exports import verifying
from app.exports.shelf import shelf_in
from app.jobs import store

from export_builders import ACTOR, SHANGHAI, fill

MONTH = "2026-11"


@pytest.fixture(scope="module")
def filled(house):
    fill(house.db, house.now, number=20)
    return house


def fetch(browser, path):
    """A file that lies ready; whoever asked has to let go of it."""
    body = browser.get(path)
    browser.last.close()
    return body


def run_worker(house):
    Runner(house.runtime, clock=lambda: datetime.now(UTC)).run_next()


def test_an_export_is_made_by_a_worker_and_fetched(filled):
    nobody_s = filled.browser("viewer", link_ids=[1])
    nobody_s.get("/admin/exports/")
    assert "No exports yet" in nobody_s.text()
    browser = filled.browser("finance")
    browser.get("/admin/exports/")
    fields = {"table": "events", "format": "csv", "month": MONTH, "link": "one"}
    browser.post("/admin/exports/", how="job", **fields)
    assert "waiting for a worker" in browser.text()
    run_worker(filled)
    number = int(browser.last.request.path.rsplit("/", 1)[-1])
    page = browser.get(f"/admin/exports/{number}")
    assert "finished" in browser.text()
    with filled.db.read() as session:
        manifest = store.get(session, number).result["manifest"]
    assert manifest["content_sha256"] in page
    name = manifest["files"][0]["name"]
    body = fetch(browser, f"/admin/exports/{number}/files/{name}")
    assert body.count("\r\n") == manifest["rows"] + 1
    browser.get(f"/admin/exports/{number}/files/other.csv", status=404)
    browser.get(f"/admin/jobs/{number}")
    assert "The export with its files" in browser.text()
    browser.get(f"/admin/exports/{number}")
    browser.post(f"/admin/exports/{number}/remove")
    assert not shelf_in(filled.settings.service.data_dir).has(number)
    browser.get(f"/admin/exports/{number}")
    assert "not on this machine" in browser.text()


def test_a_file_at_once_and_what_cannot_be_made(filled):
    browser = filled.browser("viewer")
    browser.get("/admin/exports/")
    body = browser.post(
        "/admin/exports/", how="now", table="events", format="jsonl", month=MONTH, user="u_0"
    )
    assert {json.loads(line)["uid"] for line in body.splitlines()} == {"u_0"}
    browser.get("/admin/exports/")
    browser.post(
        "/admin/exports/", status=422, how="job", table="statements", format="focus", month=MONTH
    )
    assert "choose another one" in browser.text()
    browser.post("/admin/exports/", status=403, how="job", table="audit", month=MONTH)
    assert "audit" not in browser.get("/admin/exports/").split("<main")[-1]


def test_the_api_streams_every_format_and_makes_the_same_again(filled):
    program = filled.program("usage:read", "ledger:read")
    names = {one["name"] for one in program.get("/exports")["items"]}
    assert names == {"events", "lines", "postings"}
    for form in ("csv", "xlsx", "jsonl", "parquet", "focus", "cloudevents"):
        query = f"/exports/lines?month={MONTH}&format={form}"
        program.call("GET", query)
        first, position = program.last.data, program.last.headers["X-Export-Position"]
        program.call("GET", f"{query}&{position}")
        assert program.last.data == first, form
        assert first
    program.call("GET", f"/exports/postings?month={MONTH}&gzip=true&kind=refund")
    assert program.last.headers["Content-Disposition"].endswith('postings-2026-11.csv.gz"')
    for wrong in ("", "month=2026-11&since=2026-11-01", f"month={MONTH}&format=xlsx&gzip=true"):
        program.get(f"/exports/events?{wrong}", status=422)
    program.get(f"/exports/postings?month={MONTH}&link=one", status=422)
    program.get("/exports/events?since=2026-11-02&until=2026-11-01", status=422)
    program.get(f"/exports/events?month={MONTH}&link=none", status=404)


def test_jobs_of_the_api_are_seen_by_those_who_may_see_their_table(filled):
    program = filled.program("ledger:read")
    asked = {"table": "postings", "format": "parquet", "month": MONTH}
    made = program.post("/export-jobs", asked, status=202)
    run_worker(filled)
    shown = program.get(f"/export-jobs/{made['id']}")
    assert (shown["state"], shown["progress"], shown["is_here"]) == ("done", 1, True)
    assert shown["manifest"]["sums"]["amount"] == "0"
    path = f"/export-jobs/{made['id']}"
    reader = filled.program("usage:read")
    reader.get(path, status=404)
    reader.get(f"{path}/file", status=404)
    assert made["id"] not in {one["id"] for one in reader.get("/export-jobs")["items"]}
    reader.post("/export-jobs", asked, status=403)
    other = filled.program("ledger:read", role="viewer")
    other.call("DELETE", path, 403)
    program.call("DELETE", path, 204)
    program.get(f"{path}/file", status=404)
    assert program.last.get_json()["code"] == "export_gone"


def test_operators_of_certain_links_get_only_theirs(filled):
    everything = filled.browser("operator")
    everything.get("/admin/exports/")
    everything.post("/admin/exports/", how="job", table="events", month=MONTH)
    of_all = int(everything.last.request.path.rsplit("/", 1)[-1])
    browser = filled.browser("operator", link_ids=[2])
    browser.get(f"/admin/exports/{of_all}", status=404)
    browser.get("/admin/exports/")
    browser.post("/admin/exports/", how="job", table="events", format="jsonl", month=MONTH)
    own = int(browser.last.request.path.rsplit("/", 1)[-1])
    run_worker(filled)
    run_worker(filled)
    with filled.db.read() as session:
        (file,) = store.get(session, own).result["manifest"]["files"]
    body = fetch(browser, f"/admin/exports/{own}/files/{file['name']}")
    assert {json.loads(line)["link"] for line in body.splitlines()} == {"two"}
    browser.get("/admin/exports/")
    browser.post("/admin/exports/", status=403, how="job", table="postings", month=MONTH)


def test_what_was_made_is_sent_by_the_machine_it_lies_on(filled):
    owner = filled.browser("finance")
    owner.get("/admin/exports/")
    owner.post("/admin/exports/", how="job", table="postings", month=MONTH)
    number = int(owner.last.request.path.rsplit("/", 1)[-1])
    path = f"/admin/exports/{number}"
    program = filled.program("ledger:read", "deliveries:read", "deliveries:write")
    where = program.post("/destinations", {"name": "disk", "kind": "directory", "path": "fin"})
    to = {"destination_id": where["destination"]["id"]}
    program.post(f"/export-jobs/{number}/deliveries", to, status=404)  # it is not made yet
    run_worker(filled)
    assert "Send to" in owner.get(path)
    assert "on their way to disk" in owner.post(f"{path}/send", **to)
    shutil.rmtree(filled.settings.service.data_dir / "delivered", ignore_errors=True)
    post = build_post(filled.runtime, lambda: datetime.now(UTC))
    sending.send_due(post, None)
    made = program.get(f"/export-jobs/{number}")
    (delivery,) = made["deliveries"]
    assert made["deliveries"] == {delivery: "delivered"}
    folder = filled.settings.service.data_dir / "delivered" / "fin"
    told = json.loads((folder / "postings-2026-11.csv.manifest.json").read_bytes())
    assert verifying.check_files(folder, told) == []
    assert f"/admin/deliveries/{delivery}" in owner.get(path)
    again = program.post(f"/export-jobs/{number}/deliveries", to, status=202)
    assert (str(again["id"]), again["status"]) == (delivery, "pending")
    with filled.db.begin() as session:  # as on another machine of several
        job = store.get(session, number)
        job.result = {**job.result, "host": "other", "home": "f" * 32, "folder": "/nowhere/7"}
    shelf_in(filled.settings.service.data_dir).remove(number)
    assert "lie on other" in owner.get(path)
    sent = program.post(f"/export-jobs/{number}/deliveries", to, status=202)
    with filled.db.read() as session:
        kept = delivery_store.get_delivery(session, sent["id"])
        assert (kept.home, kept.files[0]["path"]) == (
            "f" * 32,
            "/nowhere/7/postings-2026-11.csv",
        )
    filled.program("ledger:read").post(f"/export-jobs/{number}/deliveries", to, status=403)


def test_the_pages_say_which_months_are_closed(filled):
    browser = filled.browser("owner")
    assert "No month is closed yet" in browser.get("/admin/exports/?month=2026-11")
    order = Order(202610, SHANGHAI, "CNY", None, timedelta(0), ACTOR, filled.now)
    list(closing.close(filled.db, order))
    with filled.db.read() as session:
        hash_ = closing_store.get(session, 202610).hash
    page = browser.get("/admin/exports/?month=2026-10")
    assert "Closed up to 2026-10" in page
    assert "/admin/closings/2026-10" in page
    assert "not closed yet" in browser.get("/admin/exports/?month=2026-12")
    browser.post("/admin/exports/", how="job", table="events", month="2026-10")
    run_worker(filled)
    number = int(browser.last.request.path.rsplit("/", 1)[-1])
    assert hash_ in browser.get(f"/admin/exports/{number}")
    program = filled.program("usage:read")
    program.call("GET", "/exports/events?month=2026-10")
    assert program.last.headers["X-Export-Closing"] == f"2026-10 {hash_}"
