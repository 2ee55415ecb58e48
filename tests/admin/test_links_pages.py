"""Links in the console: the wizard, the test, the key, and what operators of one link may."""

import re
import threading

import pytest
from app.config import Settings
from app.metering.models import UsageEvent
from app.turns import visitor_urls
from app.turns.visitor_urls import TESTER
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from admin_builders import ACTOR

SHARE_URL = "https://fastgpt.example/chat/share?shareId=abc123"
ROOT = re.compile(r'value="(https://auth\.example/l/[^"]+)"')


@pytest.fixture
def owner(house):
    return house.browser("owner")


class Serving:
    """A WSGI application on a port of its own, on a thread."""

    def __init__(self, app):
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self.url

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def serving(house):
    """The house itself, reached over HTTP."""
    with Serving(house.app) as url:
        yield url


@pytest.fixture
def served():
    """Another service that answers everything with a page."""
    with Serving(Response("<h1>Welcome</h1>")) as url:
        yield url


def make(browser, name, **more):
    """A link out of the wizard: its id and the page it ends in."""
    browser.get("/admin/links/new")
    page = browser.post("/admin/links/new", name=name, share_url=SHARE_URL, opened_by="any", **more)
    found = re.search(r"/admin/links/(\d+)/test", page)
    return int(found[1]), page


def call_hook(house, root, hook, **fields):
    path = root.removeprefix("https://auth.example")
    return house.app.test_client().post(f"{path}/shareAuth/{hook}", json=fields).get_json()


def events_of_tester(house):
    with house.db.read() as session:
        return session.query(UsageEvent).filter_by(app_name="shareauth link test").all()


def test_the_wizard_ends_in_a_root_url_that_works(house, owner):
    link_id, page = make(owner, "helpdesk")
    root = ROOT.search(page)[1]
    assert "Paste the whole root URL" in owner.text()

    page = owner.post(f"/admin/links/{link_id}/try")
    url = re.search(r'value="([^"]+authToken=[^"]+)"', page)[1]
    assert url.startswith(SHARE_URL.replace("&", "&amp;"))
    token = url.partition("authToken=")[2]
    answer = call_hook(house, root, "init", token=token)
    assert answer["success"] is True
    assert answer["data"]["uid"]

    owner.get(f"/admin/links/{link_id}")
    page = owner.post(f"/admin/links/{link_id}/test")
    assert "It works: all three hooks accept." in owner.text()
    assert "handed to the service without a connection" in owner.text()
    assert root.rpartition("/")[2] not in page


def test_testing_again_leaves_nothing_in_the_books_and_no_open_question(house, owner):
    link_id, _ = make(owner, "tested")
    for _ in range(2):
        owner.post(f"/admin/links/{link_id}/test")
        assert owner.text().count("Accepted.") == 3
    [event] = [one for one in events_of_tester(house) if one.link_id == link_id]
    assert (event.points, event.charge) == (0, 0)
    held = house.runtime.gate.snapshot(event.user_id, link_id)
    assert held.visitor_open == 0


def test_a_test_visitor_made_by_hand_is_free_all_the_same(house, owner):
    link_id, _ = make(owner, "by hand")
    with house.db.begin() as session:
        found = visitor_urls.find_local(session, TESTER)
        if found is None:
            parts = {"keys": house.runtime.keys, "actor": ACTOR, "now": house.now}
            visitor_urls.add_local(session, TESTER, **parts)
        else:
            found.plan_id, found.limits = None, {}
    owner.post(f"/admin/links/{link_id}/test")
    assert "It works" in owner.text()


def test_the_test_says_what_is_wrong(house, owner):
    link_id, _ = make(owner, "wrong")
    owner.get(f"/admin/links/{link_id}")
    owner.post(f"/admin/links/{link_id}/disable")
    owner.post(f"/admin/links/{link_id}/test")
    assert "The link is switched off." in owner.text()

    other, _ = make(owner, "guests only", allows_guests="on")
    owner.get(f"/admin/links/{other}/edit")
    owner.post(f"/admin/links/{other}/edit", opened_by="chosen", allows_guests="on")
    owner.post(f"/admin/links/{other}/test")
    assert "takes no tokens that are minted here" in owner.text()
    owner.get(f"/admin/links/{other}")
    owner.post(f"/admin/links/{other}/try", status=409)


def test_another_service_at_the_public_address_is_told(house, owner, served, monkeypatch):
    link_id, _ = make(owner, "proxied")
    monkeypatch.setattr(Settings, "public_url", served)
    owner.post(f"/admin/links/{link_id}/test")
    assert "FastGPT would not get through." in owner.text()
    assert "the public address leads elsewhere" in owner.text()


def test_over_http_when_the_address_is_reached(house, owner, serving, monkeypatch):
    link_id, _ = make(owner, "reached")
    monkeypatch.setattr(Settings, "public_url", serving)
    owner.post(f"/admin/links/{link_id}/test")
    assert "It works" in owner.text()
    assert "without a connection" not in owner.text()


def test_a_refused_form_keeps_what_was_typed(house, owner):
    make(owner, "taken")
    page = owner.post(
        "/admin/links/new",
        409,
        name="taken",
        share_url="https://fastgpt.example/other",
        opened_by="chosen",
        issuer="local",
    )
    assert 'value="https://fastgpt.example/other"' in page
    assert re.search(r'value="local"[^>]* checked', page)
    page = owner.post(
        "/admin/links/new", 422, name="x", **{"message.visitor_rate.en": "See https://x.example"}
    )
    assert "masks web addresses" in owner.text()
    assert "See https://x.example" in page


def test_a_share_url_without_an_id_is_warned_about(house, owner):
    owner.get("/admin/links/new")
    owner.post("/admin/links/new", name="odd", share_url="https://fastgpt.example/chat")
    assert "has no shareId in it" in owner.text()


def test_everything_can_be_changed_and_lost_updates_are_refused(house, owner):
    link_id, _ = make(owner, "changing")
    page = owner.get(f"/admin/links/{link_id}/edit")
    version = re.search(r'name="version" value="([^"]+)"', page)[1]
    form = {
        "version": version,
        "opened_by": "any",
        "price_multiplier": "0.5",
        "locale": "zh",
        "counting": "inclusive",
        "visitor_limits.questions_per_day": "7",
        "message.visitor_rate.zh": "请等 {wait}。",
    }
    owner.post(f"/admin/links/{link_id}/edit", **form)
    text = owner.text()
    assert "Questions a day: 7" in text
    assert "0.50" in text
    owner.get(f"/admin/links/{link_id}/edit")
    owner.post(f"/admin/links/{link_id}/edit", 412, **form)


def test_a_key_is_rotated_with_overlap(house, owner):
    link_id, page = make(owner, "rotated")
    old = ROOT.search(page)[1]
    owner.get(f"/admin/links/{link_id}")
    new = ROOT.search(owner.post(f"/admin/links/{link_id}/rotate", overlap_s="3600"))[1]
    assert new != old
    assert f"ending in {old[-4:]}, works until" in owner.text()
    for root in (old, new):
        assert call_hook(house, root, "init", token="nobody")["code"] == "token_rejected"


def test_readers_see_no_key(house, owner):
    link_id, page = make(owner, "read")
    viewer = house.browser("viewer")
    page = viewer.get(f"/admin/links/{link_id}")
    assert "/l/" not in page
    viewer.get(f"/admin/links/{link_id}/ready", 403)
    assert "read" in viewer.get("/admin/links/?search=REA")


def test_operators_of_one_link_work_with_that_one_only(house, owner):
    mine, _ = make(owner, "mine")
    theirs, _ = make(owner, "theirs")
    browser = house.browser("operator", link_ids=[mine])
    listed = browser.get("/admin/links/")
    assert "mine" in listed
    assert "theirs" not in listed
    browser.get("/admin/links/new", 403)
    browser.get(f"/admin/links/{theirs}", 404)
    browser.get(f"/admin/links/{mine}/edit")
    browser.post(f"/admin/links/{mine}/edit", opened_by="any", price_multiplier="2")
    browser.post(f"/admin/links/{theirs}/test", 404)
    browser.post(f"/admin/links/{mine}/test")
    assert "It works" in browser.text()
    assert TESTER in browser.text()


def test_pages_in_chinese(house, owner):
    link_id, _ = make(owner, "中文链接")
    browser = house.browser("owner", locale="zh")
    browser.get("/admin/links/")
    assert "身份" in browser.get(f"/admin/links/{link_id}/ready")
    browser.post(f"/admin/links/{link_id}/test")
    assert "三个钩子" in browser.text()
