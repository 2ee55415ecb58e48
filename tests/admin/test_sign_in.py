"""Signing in: guesses, half-done sign-ins, cookies, what must be done first, outages."""

import re
import uuid
from datetime import timedelta

import pyotp
import pytest
from app.admin import bad_tokens
from app.db import DatabaseAway
from app.operators import commands, store
from app.operators.models import LoginFailure, Operator, OperatorSession
from app.pagekit.minutes import Minutes
from sqlalchemy import delete, select

from admin_builders import ACTOR, PASSWORD, Browser, House, text_of

PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module")
def strict_house(tmp_path_factory, sqlite_template, valkey_url):
    made = House(
        tmp_path_factory.mktemp("strict"),
        sqlite_template,
        valkey_url,
        f"h{uuid.uuid4().hex[:12]}",
        admin={"second_factor": "required"},
        service={"trusted_proxies": ["127.0.0.1/32"]},
    )
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _nothing_failed_yet(house):
    with house.db.begin() as session:
        session.execute(delete(LoginFailure))


def sign_in(house, name, password=PASSWORD, browser=None, **sent):
    browser = browser or house.stranger()
    page = browser.client.get("/admin/sign-in").get_data(as_text=True)
    browser.csrf = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    data = {"csrf_token": browser.csrf, "name": name, "password": password}
    return browser, browser.client.post("/admin/sign-in", data=data, **sent)


def with_second_factor(house, role="viewer"):
    """An operator with a second factor that is on, and its secret."""
    operator = house.add_operator(role)
    with house.db.begin() as session:
        row = session.get(Operator, operator.id)
        said = {"keys": house.runtime.keys, "actor": ACTOR, "now": house.now}
        secret = commands.begin_second_factor(session, row, **said)
        early = pyotp.TOTP(secret).at(house.now - timedelta(seconds=30))
        codes = commands.confirm_second_factor(session, row, early, **said)
    return operator, secret, codes


def enter_code(browser, code):
    page = browser.client.get("/admin/sign-in/code").get_data(as_text=True)
    browser.csrf = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    return browser.client.post(
        "/admin/sign-in/code", data={"csrf_token": browser.csrf, "code": code}
    )


def test_five_wrong_passwords_and_the_right_one_has_to_wait(house):
    operator = house.add_operator()
    for _ in range(5):
        _, response = sign_in(house, operator.name, "not the password")
        assert response.status_code == 401
    _, response = sign_in(house, operator.name)
    assert response.status_code == 429
    assert "Try again in" in text_of(response)
    assert sign_in(house, house.add_operator().name)[1].status_code == 303  # others are not


@pytest.mark.parametrize("name", ["nobody", "", "a\0b", "x" * 5000, "' or 1=1 --", "名字"])
def test_names_that_nobody_has_are_judged_like_wrong_passwords(house, name):
    _, response = sign_in(house, name)
    assert response.status_code in {401, 422}
    if "\0" not in name:
        assert "The name or the password is wrong" in text_of(response)


def test_a_disabled_operator_is_out_at_once_and_a_new_role_holds_at_once(house):
    operator = house.add_operator("owner")
    browser, _ = sign_in(house, operator.name)
    boss = house.program("operators:write", "operators:read")
    assert browser.client.get("/admin/operators/").status_code == 200
    boss.patch(f"/operators/{operator.name}", {"role": "viewer"})
    assert browser.client.get("/admin/operators/").status_code == 403
    boss.post(f"/operators/{operator.name}/disable", {"reason": "left"}, status=200)
    assert browser.client.get("/admin/account").status_code == 302
    assert sign_in(house, operator.name)[1].status_code == 401


def test_signing_in_again_gives_another_session_and_ends_the_older(house):
    operator = house.add_operator()
    browser, _ = sign_in(house, operator.name)
    with browser.client.session_transaction(path="/admin/") as cookie:
        first = cookie["sid"]
    browser.client.get("/admin/account")
    page = browser.client.get("/admin/account").get_data(as_text=True)
    csrf = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    data = {"csrf_token": csrf, "name": operator.name, "password": PASSWORD}
    browser.client.post("/admin/sign-in", data=data)
    with browser.client.session_transaction(path="/admin/") as cookie:
        assert cookie["sid"] != first
    with house.db.read() as session:
        found = session.scalars(select(OperatorSession).filter_by(operator_id=operator.id)).all()
    assert len(found) == 1


def test_half_a_sign_in_opens_nothing_but_the_second_step(house):
    operator, secret, _ = with_second_factor(house, "owner")
    browser, response = sign_in(house, operator.name)
    assert response.location.startswith("/admin/sign-in/code")
    for path in ("/admin/", "/admin/account", "/admin/operators/", "/admin/api/docs"):
        assert browser.client.get(path).location.startswith("/admin/sign-in"), path
    assert browser.client.get("/admin/api/v1/me").status_code == 401
    code = pyotp.TOTP(secret).at(house.now)
    assert enter_code(browser, "１２３ ４５６").status_code == 401
    assert enter_code(browser, code).status_code == 303
    assert browser.client.get("/admin/account").status_code == 200
    again = enter_code(browser, code)  # a session that is complete is not prolonged by a code
    assert again.status_code == 401
    other, _ = sign_in(house, operator.name)
    assert enter_code(other, code).status_code == 401  # and no code is taken twice


def test_recovery_codes_let_in_once_each(house):
    operator, _, codes = with_second_factor(house)
    browser, _ = sign_in(house, operator.name)
    assert enter_code(browser, codes[0].lower().replace("-", " ")).status_code == 303
    other, _ = sign_in(house, operator.name)
    assert enter_code(other, codes[0]).status_code == 401
    assert enter_code(other, codes[1]).status_code == 303


def test_codes_are_throttled_for_each_operator(house):
    operator, secret, _ = with_second_factor(house)
    browser, _ = sign_in(house, operator.name)
    for _ in range(5):
        assert enter_code(browser, "000000").status_code == 401
    assert enter_code(browser, pyotp.TOTP(secret).at(house.now)).status_code == 429


def test_a_first_password_is_changed_before_anything_else_also_by_the_api(house):
    operator = house.add_operator()
    with house.db.begin() as session:
        session.get(Operator, operator.id).must_change_password = True
    browser = house.browser_of(operator)
    assert browser.client.get("/admin/plans/").location == "/admin/account/password"
    refused = browser.client.get("/admin/api/v1/plans")
    assert (refused.status_code, refused.get_json()["code"]) == (403, "password_change_required")
    browser.get("/admin/account/password")
    new = "another good password"
    browser.post("/admin/account/password", old=PASSWORD, new=new, again=new)
    assert browser.client.get("/admin/api/v1/plans").status_code == 200


def test_a_required_second_factor_holds_for_pages_and_the_api(strict_house):
    browser = strict_house.browser()
    assert browser.client.get("/admin/plans/").location == "/admin/account/second-factor"
    assert browser.client.get("/admin/api/v1/plans").get_json()["code"] == "second_factor_required"
    assert strict_house.program("plans:read").get("/plans")["items"]


def test_cookies_are_for_the_admin_only_and_secure_behind_a_trusted_proxy(house, strict_house):
    operator = house.add_operator()
    _, response = sign_in(house, operator.name)
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/admin" in cookie
    assert "Secure" not in cookie
    there = house.stranger().client.get("/admin/sign-in", headers=PROXY)
    assert "Secure" not in there.headers["Set-Cookie"]  # anybody can say so
    there = strict_house.stranger().client.get("/admin/sign-in", headers=PROXY)
    assert "Secure" in there.headers["Set-Cookie"]


def test_the_host_header_leads_nowhere(house):
    client = house.stranger().client
    response = client.get("/admin/", headers={"Host": "evil.example"})
    assert response.location == "/admin/sign-in"
    assert "evil.example" not in client.get(
        "/admin/sign-in", headers={"Host": "evil.example"}
    ).get_data(as_text=True)


def test_the_language_wants_a_csrf_token_before_the_sign_in_too(house):
    browser = house.stranger()
    assert browser.client.post("/admin/language", data={"locale": "zh"}).status_code == 400
    browser.get("/admin/sign-in")
    assert "登录" in browser.post("/admin/language", locale="zh", next="/admin/sign-in")


def test_a_form_that_another_site_sends_is_refused(house):
    operator = house.add_operator()
    _, response = sign_in(house, operator.name, headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 400


def test_the_sign_in_page_says_that_the_database_is_away(house, monkeypatch):
    browser = house.stranger()
    browser.get("/admin/sign-in")

    def away(*_args, **_kwargs):
        raise DatabaseAway("the database is away: for a test")

    monkeypatch.setattr(type(house.db), "read", away)
    page = browser.client.get("/admin/sign-in")
    assert page.status_code == 503
    assert "The database does not answer" in text_of(page)
    data = {"csrf_token": browser.csrf, "name": "admin", "password": "x"}
    assert browser.client.post("/admin/sign-in", data=data).status_code == 503
    signed_in = Browser(house.app.test_client())
    with signed_in.client.session_transaction(path="/admin/") as cookie:
        cookie["sid"] = "whatever"
    assert signed_in.client.get("/admin/account").status_code == 503
    assert signed_in.client.get("/admin/api/v1/me").status_code == 503


def test_pages_take_no_api_tokens(house):
    program = house.program("usage:read")
    headers = {"Authorization": f"Bearer {program.token}"}
    for path in ("/admin/account", "/admin/account/second-factor", "/admin/api-tokens/new"):
        assert program.client.get(path, headers=headers).status_code == 302


def test_addresses_with_bad_tokens_have_to_wait_and_good_tokens_go_on(house, monkeypatch):
    monkeypatch.setattr(bad_tokens, "_bad", Minutes())
    client, good = house.app.test_client(), house.program("plans:read")
    good.get("/plans")
    answers = [
        client.get("/admin/api/v1/plans", headers={"Authorization": f"Bearer saa_{number}"})
        for number in range(35)
    ]
    assert answers[0].status_code == 401
    assert answers[-1].status_code in {401, 429}  # the minute may turn meanwhile
    assert any(answer.status_code == 429 for answer in answers)
    good.get("/plans")


def test_sessions_end_when_nobody_uses_them_and_in_any_case(house):
    operator = house.add_operator()
    for age in ({"last_seen_at": timedelta(hours=9)}, {"created_at": timedelta(days=8)}):
        browser, _ = sign_in(house, operator.name)
        with house.db.begin() as session:
            row = session.scalars(
                select(OperatorSession)
                .filter_by(operator_id=operator.id)
                .order_by(OperatorSession.id.desc())
            ).first()
            for name, since in age.items():
                setattr(row, name, house.now - since)
        assert browser.client.get("/admin/account").status_code == 302


def test_what_has_ended_is_pruned(house):
    operator = house.add_operator()
    sign_in(house, operator.name)
    sign_in(house, operator.name, "wrong")
    later = house.now + timedelta(hours=10)
    with house.db.begin() as session:
        idle = later - timedelta(hours=8)
        store.prune(session, now=later, idle_since=idle, failures_before=later)
        assert not store.list_sessions(session, operator_id=operator.id, now=house.now)
        assert session.scalar(select(LoginFailure)) is None
