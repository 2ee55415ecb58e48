"""The pages of users, wallets and the ledger, as people use them."""

import re

import pytest

KEY = re.compile(r'name="idempotency_key" value="([^"]+)"')
VERSION = re.compile(r'name="version" value="([^"]+)"')


@pytest.fixture
def user(house, request):
    program = house.program("users:write")
    return program.post("/users", {"subject": f"s-{request.node.name}", "name": "Ann Li"})


def test_a_top_up_is_previewed_then_booked_once(house, user):
    browser = house.browser("finance")
    path = f"/admin/users/{user['id']}/money"
    page = browser.get(path)
    typed = {
        "movement": "top_up",
        "amount": "12.50",
        "reason": "order 4711",
        "idempotency_key": KEY.search(page)[1],
    }
    page = browser.post(path, step="preview", **typed)
    assert "Balance after 12.50" in browser.text()
    assert KEY.search(page)[1] == typed["idempotency_key"]
    browser.post(path, step="book", **typed)
    assert "It is booked. Balance: 12.50 CNY" in browser.text()
    browser.post(path, step="book", **typed)
    assert "It was booked before; nothing changed. Balance: 12.50 CNY" in browser.text()
    browser.get(f"/admin/users/{user['id']}/statement")
    assert "order 4711" in browser.text()
    assert "Closing balance 12.50" in browser.text()


def test_a_refused_amount_keeps_what_was_typed(house, user):
    browser = house.browser("finance")
    path = f"/admin/users/{user['id']}/money"
    typed = {"movement": "adjustment", "amount": "-5", "reason": "my reason", "step": "book"}
    key = KEY.search(browser.get(path))[1]
    page = browser.post(path, status=409, idempotency_key=key, **typed)
    assert "The balance would fall below zero." in browser.text()
    assert 'value="my reason"' in page
    assert 'value="-5"' in page


def test_a_viewer_may_look_and_not_top_up(house, user):
    browser = house.browser("viewer")
    page = browser.get(f"/admin/users/{user['id']}")
    assert "Balance 0.00" in browser.text()
    assert "/money" not in page
    assert "/suspend" not in page
    browser.get(f"/admin/users/{user['id']}/money", status=403)
    browser.post(f"/admin/users/{user['id']}/money", status=403, amount="1", reason="x")
    assert not house.runtime.gate.snapshot(user["id"], 0).balance


def test_who_saves_over_somebody_elses_change_is_told(house, user):
    path = f"/admin/users/{user['id']}/edit"
    first, second = house.browser("support"), house.browser("support")
    versions = [VERSION.search(browser.get(path))[1] for browser in (first, second)]
    first.post(path, version=versions[0], name="Anna")
    assert "User s-" in first.text()
    page = second.post(path, status=412, version=versions[1], name="Anne")
    assert "Somebody changed it" in second.text()
    assert 'value="Anne"' in page


def test_suspend_activate_and_erase(house, user):
    browser = house.browser("operator")
    path = f"/admin/users/{user['id']}"
    browser.get(path)
    browser.post(f"{path}/suspend", status=422, reason="")
    browser.post(f"{path}/suspend", reason="left the company")
    assert "The user is suspended." in browser.text()
    assert "left the company" in browser.text()
    browser.post(f"{path}/activate", reason="came back")
    assert "The user is active again." in browser.text()
    browser.get(f"{path}/erase")
    browser.post(f"{path}/erase", status=422, subject="not it", reason="asked")
    browser.post(f"{path}/erase", subject=user["subject"], reason="asked")
    assert f"delete the chats of {user['uid']}" in browser.text()
    assert "Ann Li" not in browser.text()
    assert user["subject"] not in browser.text()
    house.browser("finance").get(f"{path}/erase", status=403)


def test_lists_are_searched_in_both_languages(house, user):
    browser = house.browser("owner", locale="zh")
    browser.get(f"/admin/users/?q={user['subject']}&status=active")
    assert user["subject"] in browser.text()
    assert "首次出现" in browser.text()
    browser.get("/admin/users/?q=nobody-is-called-so")
    assert "没有符合条件的用户" in browser.text()
    for path in (
        "ledger/",
        "ledger/transactions",
        "ledger/transactions?kind=refund&since=2020-01-01",
    ):
        browser.get(f"/admin/{path}")
    browser.get("/admin/ledger/transactions?since=tomorrow", status=422)


def test_a_transaction_is_shown_and_reversed(house, user):
    browser = house.browser("finance")
    path = f"/admin/users/{user['id']}/money"
    key = KEY.search(browser.get(path))[1]
    browser.post(
        path, step="book", movement="top_up", amount="3", reason="oops", idempotency_key=key
    )
    browser.get(f"/admin/ledger/transactions?user_id={user['id']}")
    number = re.search(r"/ledger/transactions/(\d+)\"", browser.last.get_data(as_text=True))[1]
    page = browser.get(f"/admin/ledger/transactions/{number}/reverse")
    assert "Balance after 0.00" in browser.text()
    browser.post(
        f"/admin/ledger/transactions/{number}/reverse",
        reason="wrong customer",
        idempotency_key=KEY.search(page)[1],
    )
    assert "It is booked. Balance: 0.00 CNY" in browser.text()
    assert "Payments received" in browser.text()
    browser.get("/admin/ledger/verify")
    browser.post("/admin/ledger/verify", days="1")
    assert "All is right" in browser.text()
