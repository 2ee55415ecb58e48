"""Granted credit by pages and by the JSON API."""

import re
from datetime import timedelta

import pytest
from app.statements.verification import verify


@pytest.fixture(scope="module")
def program(house):
    return house.program("wallets:read", "wallets:write", "ledger:read")


def sums(program) -> list[float]:
    """What operators granted, and of what ended was spent, lapsed and taken back this month."""
    found = [one for one in program.get("/breakage")["items"] if one["plan"] is None]
    names = ("granted", "spent", "lapsed", "revoked")
    return [float(found[0][name]) if found else 0 for name in names]


def test_credit_is_given_once_shown_and_taken_back_by_the_api(house, scene, program):
    ann, sums_before = scene.users[0], sums(program)
    until = (house.now + timedelta(days=30)).isoformat()
    body = {"amount": "5", "reason": "welcome", "expires_at": until, "priority": 7}
    headers = {"Idempotency-Key": "gift-1"}
    given = program.post(f"/users/{ann}/grants", body, headers=headers)
    again = program.post(f"/users/{ann}/grants", body, headers=headers)
    assert (again["transaction"], given["balance"]) == (given["transaction"], "5")
    credit = program.get(f"/users/{ann}/credit")
    assert (credit["granted"], credit["paid"], credit["lapsing"]) == ("5", "0", "0")
    (grant,) = credit["grants"]
    assert (grant["left"], grant["priority"], grant["state"]) == ("5", 7, "in_force")
    path = f"/grants/{given['transaction']}"
    revoked = program.post(f"{path}/revocation", {"reason": "by mistake"}, status=200)
    assert (revoked["lapsed"], revoked["balance"]) == ("5", "0")
    shown = program.get(path)
    assert (shown["state"], shown["left"], shown["lapsed"]) == ("revoked", "0", "5")
    assert program.get("/grants?is_open=false")["items"][0]["transaction"] == given["transaction"]
    assert program.get(f"/grants?is_open=true&user_id={ann}")["items"] == []
    assert [after - before for before, after in zip(sums_before, sums(program), strict=True)] == [
        5,
        0,
        5,
        5,
    ]
    past = {**body, "expires_at": "2020-01-01T00:00:00Z"}
    other = {"Idempotency-Key": "gift-2"}
    problem = program.post(f"/users/{ann}/grants", past, status=422, headers=other)
    assert problem["code"] == "grant_over_already"
    assert program.get("/grants/999999", status=404)["code"] == "grant_not_found"
    assert verify(house.db, zone=house.settings.zone).ok


def test_credit_is_given_shown_and_taken_back_by_the_pages(house, scene):
    browser, bob = house.browser("finance"), scene.users[1]
    page = browser.get(f"/admin/grants/new/{bob}")
    key = re.search(r'name="idempotency_key" value="([^"]+)"', page)[1]
    last_day = (house.now + timedelta(days=9)).date().isoformat()
    form = {"idempotency_key": key, "amount": "8", "reason": "sorry for the outage"}
    browser.post(f"/admin/grants/new/{bob}", status=422, **{**form, "last_day": "2020-01-01"})
    assert "over already" in browser.text()
    assert "sorry for the outage" in browser.post(
        f"/admin/grants/new/{bob}", last_day=last_day, **form
    )
    assert "It is spent in this order" in browser.text()
    browser.post(f"/admin/grants/new/{bob}", last_day=last_day, **form)
    assert "It was booked before" in browser.text()
    assert last_day in browser.text()
    page = browser.get("/admin/grants/")
    assert "Granted and expired in" in browser.text()
    number = re.search(r'href="/admin/grants/(\d+)"', page)[1]
    browser.get(f"/admin/grants/{number}")
    assert f"Good until and including {last_day} " in browser.text()
    browser.post(f"/admin/grants/{number}/revoke", reason="given twice")
    assert "CNY of it were taken back" in browser.text(), browser.text()[500:1500]
    assert "revoked" in browser.text()
    assert "Reverse it" not in browser.get(f"/admin/ledger/transactions/{number}")


def test_what_is_used_up_cannot_be_taken_back(house, scene, program):
    carl = scene.users[2]
    headers = {"Idempotency-Key": "gift-3"}
    program.post(
        f"/users/{carl}/adjustments",
        {"amount": "-5", "reason": "debt", "allow_negative": True},
        headers=headers,
    )
    gift = {"amount": "4", "reason": "welcome", "expires_at": "2099-12-31T16:00:00Z"}
    headers = {"Idempotency-Key": "gift-4"}
    number = program.post(f"/users/{carl}/grants", gift, headers=headers)["transaction"]
    path = f"/grants/{number}"
    assert program.get(path)["state"] == "used_up"
    problem = program.post(f"{path}/revocation", {"reason": "by mistake"}, status=409)
    assert problem["code"] == "grant_used_up"
    assert program.get(path)["expires_at"] == "2099-12-31T16:00:00Z"
    browser = house.browser("finance")
    assert f"/admin/grants/{number}/revoke" not in browser.get(f"/admin/grants/{number}")
    assert "nothing is left to take back" in browser.text()
    assert "Good until and including 2099-12-31 " in browser.text()
    browser.post(f"/admin/grants/{number}/revoke", status=409, reason="by mistake")


def test_a_plan_s_credit_is_announced_until_the_user_comes(house, scene, program):
    plan = house.program("plans:write", "users:write")
    plan.post("/plans", {"name": "monthly", "monthly_credit": "6"})
    plan.patch(f"/users/{scene.users[0]}", {"plan": "monthly"})
    assert program.get(f"/users/{scene.users[0]}/credit")["coming"] == "6"
    browser = house.browser("finance")
    browser.get(f"/admin/users/{scene.users[0]}")
    assert "Their plan gives 6.00 this month" in browser.text()


def test_plans_say_what_they_give_every_month(house):
    browser = house.browser("owner")
    browser.get("/admin/plans/new")
    browser.post(
        "/admin/plans/new",
        name="gold",
        monthly_credit="12.5",
        monthly_priority="3",
        credit_limit="0",
    )
    assert "12.5" in browser.get("/admin/plans/")
    shown = house.program("plans:read").get("/plans/gold")
    assert (shown["monthly_credit"], shown["monthly_priority"]) == ("12.5", 3)
