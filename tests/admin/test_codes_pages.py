"""Redemption codes in the console."""

import re

import pytest

CODE = re.compile(r"(?:[0-9A-Z]{4}-){4}[0-9A-Z]")
FIND = "/admin/codes/find"


@pytest.fixture(scope="module")
def owner(house):
    return house.browser("owner")


def make(browser, name, **fields):
    browser.get("/admin/codes/new")
    said = {"name": name, "amount": "20", "count": "3", **fields}
    return browser.post("/admin/codes/new", **said)


def sheet(browser, name):
    browser.get(f"/admin/codes/batches/{name}")
    return CODE.findall(browser.post(f"/admin/codes/batches/{name}/sheet"))


def test_the_first_batch_is_explained_made_and_listed(owner):
    assert "Make codes" in owner.get("/admin/codes/")
    body = make(owner, "spring", expires_at="2031-05-01T18:00", per_user_max="1")
    assert "3 codes are made" in body
    assert "2031-05-01 18:00" in body
    assert "spring" in owner.get("/admin/codes/?q=RING&status=active")


def test_cards_show_each_code_and_a_file_has_the_same(owner):
    make(owner, "cards")
    codes = sheet(owner, "cards")
    assert len(codes) == 3
    owner.get("/admin/codes/batches/cards")
    text = owner.post("/admin/codes/batches/cards/csv")
    assert CODE.findall(text) == codes
    assert text.startswith("serial,code,amount,currency")
    assert "attachment" in owner.last.headers["Content-Disposition"]
    assert owner.last.headers["Cache-Control"] == "no-store"


def test_cards_of_granted_credit_say_what_they_give_and_until_when(house, scene, owner):
    more = {"gives": "granted", "credit_priority": "4", "expires_at": "2100-01-01T00:00"}
    make(owner, "trial", credit_last_day="2099-12-31", **more)
    assert "granted credit, good until and including 2099-12-31 · Priority 4" in owner.text()
    (code, *_) = sheet(owner, "trial")
    assert owner.text().count("granted credit, good until and including 2099-12-31") == 3
    assert owner.text().count("to be redeemed until and including 2099-12-31") == 3
    owner.get("/admin/codes/batches/trial")
    text = owner.post("/admin/codes/batches/trial/csv")
    assert text.count("granted,2099-12-31,") == 3
    make(owner, "days", credit_days="1", **more)
    assert "granted credit, good for 1 day after redeeming" in owner.text()
    owner.get("/admin/codes/new")
    form = {"name": "both", "amount": "1", "count": "1", "credit_days": "1", **more}
    owner.post("/admin/codes/new", status=422, credit_last_day="2099-12-31", **form)
    owner.post("/admin/codes/new", status=422, **(form | {"credit_last_day": "2020-01-01"}))
    owner.get("/admin/codes/redeem")
    owner.post("/admin/codes/redeem", user="person-1", code=code)
    program = house.program("wallets:read", "ledger:read", "codes:read")
    (grant,) = program.get("/grants?source=code")["items"]
    assert (grant["source"], grant["priority"]) == ("code", 4)
    (broken,) = [one for one in program.get("/breakage")["items"] if one["source"] == "code"]
    assert (broken["given"], broken["granted"]) == (1, "20")
    assert program.get("/code-batches/trial")["credit"]["expires_at"] == "2099-12-31T16:00:00Z"
    page = owner.get(f"/admin/grants/{grant['transaction']}")
    assert "a redeemed code" in page


def test_saying_that_all_is_printed_forgets_the_text(owner):
    make(owner, "printed")
    body = owner.get("/admin/codes/batches/printed")
    assert 'data-typed="printed"' in body
    assert "nobody can be shown them again" in body
    owner.post("/admin/codes/batches/printed/printed")
    assert "The text of the codes is gone" in owner.text()
    assert CODE.findall(owner.post("/admin/codes/batches/printed/sheet", status=409)) == []


def test_a_code_is_redeemed_for_a_user_and_found_by_support(house, scene, owner):
    make(owner, "gift")
    code = sheet(owner, "gift")[0]
    owner.get("/admin/codes/redeem?user=person-0")
    owner.post("/admin/codes/redeem", user="person-0", code=code)
    assert "person-0 got 20.00. The balance is 20.00." in owner.text()
    owner.post("/admin/codes/redeem", user="person-0", code=code)
    assert "had redeemed this code before" in owner.text()
    support = house.browser("support")
    support.get(FIND)
    support.post(FIND, code=code)
    assert "Code 1 of gift" in support.text()
    assert "person-0" in support.text()
    assert "redeemed" in owner.get("/admin/codes/batches/gift?redeemed=true")


def test_what_is_refused_is_said_and_what_was_typed_stays(owner):
    owner.get("/admin/codes/new")
    body = owner.post("/admin/codes/new", status=422, name="kept", amount="-1", count="5")
    assert 'value="kept"' in body
    owner.get(FIND)
    owner.post(FIND, status=422, code="ABCD")
    assert "something in it is mistyped" in owner.text()
    owner.post("/admin/codes/redeem", status=404, user="nobody", code="ABCD")
    assert "There is no such user." in owner.text()


def test_a_batch_is_paused_resumed_and_cancelled(owner):
    make(owner, "states")
    for verb, said in (("pause", "paused"), ("resume", "valid"), ("cancel", "cancelled")):
        owner.get("/admin/codes/batches/states")
        owner.post(f"/admin/codes/batches/states/{verb}", reason="a reason")
        assert said in owner.text()
    assert "Cancel the batch" not in owner.text()


def test_who_may_only_look_is_offered_nothing_else(house, owner):
    make(owner, "looked-at")
    viewer = house.browser("viewer", locale="zh")
    body = viewer.get("/admin/codes/batches/looked-at")
    assert "<form" not in body.split("<main")[1].split("</main>")[0]
    assert "生成兑换码" not in viewer.get("/admin/codes/")
    viewer.post("/admin/codes/batches/looked-at/sheet", status=403)
    viewer.get("/admin/codes/redeem", status=403)
