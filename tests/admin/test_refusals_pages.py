"""Why visitors were refused, in the console."""

from datetime import timedelta

import pytest
from app.admin.explaining import RULES
from app.i18n import MESSAGES


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


def test_pages_of_users_and_links_show_theirs(scene, told, support):
    support.get(f"/admin/users/{scene.users[0]}")
    assert "Latest refusals" in support.text()
    assert told.reference in support.text()
    support.get(f"/admin/links/{scene.link}")
    assert told.reference in support.text()
    assert "What FastGPT calls" in support.text()
    assert "FastGPT calls init and start" not in support.text()
    support.get(f"/admin/users/{scene.users[2]}")
    assert "This user was not refused lately." in support.text()
    body = support.get(f"/admin/refusals/{told.reference}")
    assert f'href="/admin/users/{scene.users[0]}"' in body
    assert f'href="/admin/links/{scene.link}"' in body
