"""Data and retention in the console: kinds of data, erasures, receipts."""

from types import SimpleNamespace

from app.audit.journal import Actor
from app.people import erasure
from app.users.models import User


def test_kinds_and_erasures_are_shown_with_receipts(house, scene):
    browser = house.browser("finance")
    assert "Nobody was erased" in browser.get("/admin/privacy/")
    gate = SimpleNamespace(snapshot=lambda *_: None)
    with house.db.begin() as session:
        user = session.get(User, scene.users[0])
        erasure.erase(
            session,
            user,
            typed="person-0",
            gate=gate,
            actor=Actor("bob", "cli"),
            now=house.now,
            reason="order 7",
        )
    browser.get("/admin/privacy/")
    assert "~erased:" in browser.text()
    assert "order 7" in browser.text()
    assert "90 days" in browser.text()
    assert "Receipt of the erasure" in browser.get(f"/admin/users/{scene.users[0]}")
    browser.get(f"/admin/privacy/erasures/{scene.users[0]}.json")
    assert browser.last.get_json()["erased_by"] == "bob"
    house.browser("support").get("/admin/privacy/", status=403)

    program = house.program("audit:read")
    kinds = {one["kind"]: one for one in program.get("/privacy/retention")["kinds"]}
    assert kinds["refusals"]["kept_days"] == 90
    assert kinds["ledger"]["kept_days"] is None
    (listed,) = program.get("/privacy/erasures")["items"]
    assert (listed["user_id"], listed["actor"]) == (scene.users[0], "bob")
    made = program.get(f"/privacy/erasures/{scene.users[0]}")
    assert made["format"] == "shareauth-erasure/1"
    program.get(f"/privacy/erasures/{scene.users[1]}", status=409)
    program.get("/privacy/erasures/999999", status=404)
