"""``/links``, ``/issuers`` and ``/tokens`` of the JSON API."""

from datetime import timedelta

import pytest
from app.sightings import store as sighting_store
from app.sightings.tally import Tally
from app.turns.visitor_urls import TESTER

from sighting_builders import seen

SHARE_URL = "https://fastgpt.example/chat/share?shareId=api"
ALL = ("links:read", "links:write", "issuers:read", "issuers:write", "tokens:check")
SECRET = "s" * 40


@pytest.fixture(scope="module")
def program(house):
    return house.program(*ALL, "tokens:mint", "users:write")


@pytest.fixture(scope="module")
def link(program):
    return program.post("/links", {"name": "shop", "share_url": SHARE_URL})


@pytest.fixture(scope="module")
def portal(program):
    spec = {"name": "portal", "algorithms": ["HS256"], "secrets": [SECRET]}
    return program.post("/issuers", spec)


def test_links_come_in_pages_by_name(program, link):
    long = "长" * 120  # its cursor is as long as one gets
    for name in ("a first", "b second", long):
        program.post("/links", {"name": name})
    page = program.get("/links?limit=1")
    names = []
    while True:
        names += [one["name"] for one in page["items"]]
        if page["next"] is None:
            break
        page = program.get(f"/links?limit=1&cursor={page['next']}")
    assert names == sorted(names)
    assert {"a first", "b second", "shop", long} <= set(names)
    assert [one["name"] for one in program.get("/links?search=SHO")["items"]] == ["shop"]


def test_links_that_fastgpt_called_last_come_first(house, program, link):
    other = program.post("/links", {"name": "called 2"})
    # Later than what other tests called, which is written down a moment after it.
    for hours, link_id in ((1, link["id"]), (2, other["id"])):
        call = seen("start", link_id, at=house.now + timedelta(hours=hours))
        tally = Tally(on_dropped=lambda *_: None)
        tally.add([call])
        with house.db.begin() as session:
            sighting_store.write(session, calls=tally.calls({}), refusals=[], links={})
    page = program.get("/links?sort=last_call&limit=1")
    found = [one["id"] for one in page["items"]]
    while page["next"]:
        page = program.get(f"/links?sort=last_call&limit=1&cursor={page['next']}")
        found += [one["id"] for one in page["items"]]
    assert found[:2] == [other["id"], link["id"]]
    assert len(set(found)) == len(found) == len(program.get("/links")["items"])


def test_a_link_is_changed_under_its_version(program, link):
    program.get(f"/links/{link['id']}")
    tag = program.last.headers["ETag"]
    headers = {"If-Match": tag}
    changed = program.patch(f"/links/{link['id']}", {"locale": "zh"}, headers=headers)
    assert changed["locale"] == "zh"
    assert changed["share_id"] == "api"
    program.patch(f"/links/{link['id']}", {"locale": "en"}, 412, headers=headers)


def test_keys_are_for_writers(house, program, link):
    assert link["root_url"].startswith("https://auth.example/l/")
    assert "root_url" not in program.get(f"/links/{link['id']}")
    rotated = program.post(f"/links/{link['id']}/keys", {"overlap_s": 60})
    assert rotated["root_url"] != link["root_url"]
    assert [one["end"] for one in rotated["keys"]] == [
        rotated["root_url"][-4:],
        link["root_url"][-4:],
    ]
    assert program.get(f"/links/{link['id']}/keys") == rotated
    house.program("links:read").get(f"/links/{link['id']}/keys", 403)


def test_a_test_plays_the_hooks(program, link):
    result = program.post(f"/links/{link['id']}/test", status=200)
    assert (result["outcome"], result["via"]) == ("passed", "inside")
    assert [call["hook"] for call in result["calls"]] == ["init", "start", "finish"]
    assert all("sat_" in call["request"] for call in result["calls"])
    assert all(len(call["request"]) < 400 for call in result["calls"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x", "guest_plan_id": 2**70}, 422),
        ({"name": "x", "issuers": ["nobody\0"]}, 422),
        ({"name": "x\0"}, 422),
        ({"name": "x", "share_url": "https://x/\0"}, 422),
        ({"name": "x", "messages": {"link_rate": {"en": "a\0"}}}, 422),
    ],
)
def test_odd_links_are_refused(program, body, status):
    program.post("/links", body, status)


def test_odd_ids_are_not_found(program):
    for path in ("/links/99999999999999999999", "/links/0"):
        program.get(path, 404)
    program.post("/tokens/99999999999999999999/revoke", {}, 404)


def test_an_issuer_is_added_changed_and_never_tells_its_secret(program, portal):
    assert (portal["secrets"], portal["is_changeable"]) == (1, True)
    changed = program.patch("/issuers/portal", {"audience": ["shop"], "claims": {"plan": "tier"}})
    assert changed["spec"]["audience"] == ["shop"]
    assert changed["spec"]["claims"]["subject"] == "sub"
    assert changed["secrets"] == 1
    assert SECRET not in program.last.get_data(as_text=True)
    assert SECRET not in str(program.get("/issuers"))
    program.patch("/issuers/portal", {"algorithms": ["RS256"]}, 422)
    program.patch("/issuers/local", {"leeway_s": 1}, 422)
    program.post("/issuers", {"name": "portal", "algorithms": ["HS256"], "secrets": [SECRET]}, 409)
    assert program.post("/issuers/portal/disable", status=200)["status"] == "disabled"
    assert program.post("/issuers/portal/enable", status=200)["status"] == "active"


def test_a_visitor_url_makes_the_user_once(house, program, link):
    wanted = {"link_id": link["id"], "subject": "customer-7", "ttl_s": 300}
    program.post("/visitor-urls", wanted, 404)
    wanted |= {"create_user": True, "name": "Ann", "plan": "default"}
    house.program("tokens:mint").post("/visitor-urls", wanted, 403)
    first = program.post("/visitor-urls", wanted)
    assert first["visitor_url"] == f"{SHARE_URL}&authToken={first['token']}"
    again = house.program("tokens:mint").post("/visitor-urls", wanted)
    assert again["uid"] == first["uid"]
    program.post("/visitor-urls", {**wanted, "subject": "new", "plan": "gold"}, 404)


def test_a_token_is_judged_step_by_step(program, link):
    wanted = {"link_id": link["id"], "subject": "judged", "create_user": True}
    made = program.post("/visitor-urls", wanted)
    body = {"link_id": link["id"], "token": made["token"]}
    verdict = program.post("/tokens/check", body, 200)
    assert verdict["accepted"]
    assert {step["outcome"] for step in verdict["steps"]} == {"passed"}
    assert made["token"] not in str(verdict)
    assert program.get("/tokens?subject=judged")["items"][0]["status"] == "active"

    program.post(f"/tokens/{made['id']}/revoke", {"reason": "lost"}, 200)
    verdict = program.post("/tokens/check", body, 200)
    assert verdict["code"] == "token_revoked"
    failed = [step["step"] for step in verdict["steps"] if step["outcome"] == "failed"]
    assert failed == ["revocation"]
    assert program.get("/tokens?subject=judged")["items"][0]["status"] == "revoked"


def test_a_disabled_link_does_not_hide_what_else_is_wrong(program, portal):
    other = program.post("/links", {"name": "switched off", "issuers": ["portal"]})
    program.post(f"/links/{other['id']}/disable", status=200)
    minted = program.post(
        "/visitor-urls", {"link_id": other["id"], "subject": "judged2", "create_user": True}
    )
    verdict = program.post("/tokens/check", {"link_id": other["id"], "token": minted["token"]}, 200)
    assert verdict["code"] == "link_disabled"
    failed = [step["step"] for step in verdict["steps"] if step["outcome"] == "failed"]
    assert failed == ["link", "taken"]


def test_tokens_come_in_pages_and_by_link(house, program, link):
    other = program.post("/links", {"name": "quiet"})
    for _ in range(3):
        program.post(
            "/visitor-urls", {"link_id": other["id"], "subject": TESTER, "create_user": True}
        )
    page = program.get(f"/tokens?limit=2&link_id={other['id']}")
    rest = program.get(f"/tokens?limit=2&link_id={other['id']}&cursor={page['next']}")
    ids = [one["id"] for one in page["items"] + rest["items"]]
    assert len(ids) == 3
    assert ids == sorted(ids, reverse=True)
    browser = house.browser("support", link_ids=[link["id"]])
    assert "quiet" not in browser.get("/admin/tokens/")
    browser.post(f"/admin/tokens/{ids[0]}/revoke", 404)


def test_a_token_as_text_is_taken_back(program):
    text = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"
    assert program.post("/tokens/revoke", {"token": text}, 200) == {"revoked": "foreign"}
    program.post("/tokens/revoke", {"token": "short"}, 422)
