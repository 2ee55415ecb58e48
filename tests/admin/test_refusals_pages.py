"""Why visitors were refused, in the console."""

from datetime import timedelta

import pytest
from app.admin.desk import Desk
from app.admin.explaining import RULES
from app.admin.resources import refusals
from app.i18n import MESSAGES
from flask import g, render_template


@pytest.fixture(scope="module")
def told(scene):
    return scene.refused("visitor_rate", details={"limit": 5, "wait_s": 40})


@pytest.fixture(scope="module")
def support(house):
    return house.browser("support")


def test_every_reason_is_explained():
    assert set(RULES) >= set(MESSAGES) - {"ok"}


def test_what_a_visitor_reads_out_leads_to_the_reason(scene, told, support):
    message = f"You are asking too fast. (ref. {told.reference.upper()})"
    support.get(f"/admin/refusals/find?reference={message}")
    text = support.text()
    assert "Asking too fast" in text
    assert "40 seconds" in text
    assert "person-0" in text
    assert "helpdesk" in text
    assert "Please wait 40 seconds." in text


def test_the_visitors_own_sentence_is_in_the_language_of_the_page(house, told):
    body = house.browser("support", locale="zh").get(f"/admin/refusals/{told.reference}")
    assert "请等待 40 秒 后再试" in body
    assert "提问过快" in body


def test_an_unknown_reference_leads_back(support, told):
    support.get("/admin/refusals/find?reference=nothing1234")
    assert "No refusal has this reference." in support.text()
    support.get("/admin/refusals/nothing1234", status=404)


def test_lists_are_filtered_counted_and_drawn(house, scene, told, support):
    scene.refused("balance_too_low", at=house.now - timedelta(days=1), details={"balance": "-1"})
    body = support.get("/admin/refusals/")
    assert "<svg" in body
    assert "Balance too low" in support.text()
    today = f"{house.now.astimezone(house.settings.zone):%Y-%m-%d}"
    filtered = f"/admin/refusals/?code=visitor_rate&link_id={scene.link}&since={today}"
    support.get(f"{filtered}&until={today}&uid=&hook=start")
    assert told.reference in support.text()
    assert "balance -1" not in support.text()
    support.get("/admin/refusals/?uid=u_1")
    assert "No refusal matches" in support.text()
    for odd in ("since=9999-12-31", "until=0001-01-01", "until=x", "code=%00", "link_id=x"):
        support.get(f"/admin/refusals/?{odd}", status=422)


def test_strays_say_what_to_do(scene, support):
    scene.refused("link_unknown", link_id=None, called="POST /l/abcd…/shareAuth/shareAuth/init")
    support.get("/admin/refusals/")
    assert "Calls that reached no link" in support.text()
    support.get("/admin/refusals/strays")
    assert "the root URL ends with the link's key" in support.text()


def test_operators_of_certain_links_see_only_theirs(house, scene, told):
    browser = house.browser("support", link_ids=[scene.silent_link])
    browser.get("/admin/refusals/")
    assert told.reference not in browser.text()
    assert "Calls that reached no link" not in browser.text()
    assert "helpdesk" not in browser.text()
    browser.get(f"/admin/refusals/{told.reference}", status=404)
    browser.get("/admin/refusals/strays", status=403)


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("refusals/_of_user.html", lambda desk, at: {"refusals": refusals.of_user(desk, at[0])}),
        ("refusals/_of_link.html", lambda desk, at: {"refusals": refusals.of_link(desk, at[1])}),
        ("links/_calls.html", lambda desk, at: {"calls": refusals.calls_of_link(desk, at[1])}),
    ],
)
def test_parts_for_other_pages(house, scene, told, template, values):
    with house.app.test_request_context("/admin/"):
        caller = caller_of(house)
        desk = g.desk = Desk(house.runtime, caller, house.now, address="")
        shown = values(desk, (scene.users[0], scene.link))
        page = render_template(template, **shown, refused_uid="u_0", refused_link_id=scene.link)
    assert told.reference in page


def caller_of(house):
    """Whom the desk of a request of support's says it is."""
    browser = house.browser("support")
    with browser.client:
        browser.client.get("/admin/account")
        return g.desk.caller
