"""What needs somebody: the spool, the quarantine, questions without a finish, the checks."""

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from app.metering import store
from app.metering.store import QuarantineRow
from app.spool.record import Record
from app.unfinished import store as unfinished_store
from app.unfinished.store import UnfinishedRow

from books import NANO, make_link, make_users

BODY = json.dumps({"responseData": [{"moduleType": "chatNode", "query": "a secret"}]}).encode()


@pytest.fixture(scope="module", autouse=True)
def troubles(house):
    now = house.now
    with house.db.begin() as session:
        users, link = make_users(session, now, 1), make_link(session, now, "troubled")
        for number in range(3):
            row = QuarantineRow(f"kept{number}", link, now, "token_rejected", len(BODY), BODY)
            store.quarantine(session, row, keys=house.runtime.keys)
            turn = UnfinishedRow(
                ticket=f"t{number}",
                user_id=users[0],
                link_id=link,
                plan_id=None,
                is_guest=False,
                asked_at=now - timedelta(hours=number + 1),
                expired_at=now,
                hold=NANO,
                points_hold=2 * NANO,
                recorded_at=now,
            )
            unfinished_store.record(session, [turn])
    finish = Record("aside1", now, "a key", None, BODY)
    spool = house.runtime.spool
    spool.append(finish, lane="known", now=now)
    with spool.drain() as batch:
        for entry in batch.entries:
            batch.reject(entry, "link_unknown", now)


def test_overview_counts_what_waits(house):
    browser = house.browser("viewer")
    browser.get("/admin/findings/")
    read = browser.text()
    assert "Waiting in the spool" in read
    assert re.search(r"In quarantine [23] may be money", read)
    assert "Without a finish, 7 days 3 expected: 3.00 CNY" in read


def test_kept_finish_is_looked_at_without_its_words_and_resolved(house):
    assert "Body" not in house.browser("viewer").get("/admin/findings/quarantine/kept1")
    browser = house.browser("operator")
    shown = browser.get("/admin/findings/quarantine/kept1")
    assert "chatNode" in shown
    assert "a secret" not in shown
    browser.post("/admin/findings/quarantine/kept1", 422, resolution="")
    browser.post("/admin/findings/quarantine/kept1", resolution="adjusted by 1.20")
    assert "kept1 is resolved." in browser.text()
    browser.get("/admin/findings/quarantine/kept1")
    browser.post("/admin/findings/quarantine/kept1", 409, resolution="again")
    program = house.program("findings:read")
    assert [one["reference"] for one in program.get("/quarantine")["items"]] == ["kept2", "kept0"]
    first = program.get("/quarantine?with_resolved=true&limit=2")
    rest = program.get(f"/quarantine?with_resolved=true&cursor={first['next']}")
    assert [one["resolution"] for one in first["items"] + rest["items"]] == [
        None,
        "adjusted by 1.20",
        None,
    ]
    program.get("/quarantine/kept0/body", status=403)


def test_unfinished_turns_are_filtered_and_paged(house):
    program = house.program("findings:read")
    first = program.get("/unfinished?link=troubled&limit=2&is_late=false")
    rest = program.get(f"/unfinished?link=troubled&limit=2&cursor={first['next']}")
    assert [one["ticket"] for one in first["items"] + rest["items"]] == ["t0", "t1", "t2"]
    assert (first["unfinished"], Decimal(first["expected_charge"])) == (3, 3)
    assert program.get("/unfinished?is_late=true")["items"] == []
    program.get("/unfinished?link=nowhere", status=404)
    program.get("/unfinished?since=9999-12-31T23:59:59-14:00", status=422)
    browser = house.browser("support")
    browser.get("/admin/findings/unfinished?link=troubled&finish=open")
    assert "Without a finish 3 Expected to cost 3.00 CNY" in browser.text()
    browser.get("/admin/findings/unfinished?user=nobody&since=x")
    assert "This is no date" in browser.text()


def test_set_aside_finish_is_put_back(house):
    browser = house.browser("operator")
    browser.get("/admin/findings/spool")
    assert "link_unknown" in browser.text()
    program = house.program("findings:write", "findings:read", "audit:read")
    program.post("/spool/replay", {"references": ["other"]}, status=404)
    browser.post("/admin/findings/spool/replay", reference="aside1")
    assert "1 put back" in browser.text()
    assert program.get("/spool/aside") == {"items": [], "total": 0}
    assert program.get("/spool")["records"] == 1
    entry = program.get("/audit?action=spool.replay")["items"][0]
    assert entry["after"] == {"references": ["aside1"]}


def test_checks_are_those_of_the_doctor(house):
    browser = house.browser("viewer")
    browser.get("/admin/findings/checks")
    assert "SA101" in browser.text()
    found = {one["id"]: one for one in house.program("findings:read").get("/checks")["items"]}
    assert found["SA101"]["status"] == "ok"
    assert found["SA504"]["status"] == "warning"
    assert "SA402" not in found
