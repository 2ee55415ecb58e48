"""Who comes in, how, and what puts them out again."""

import re
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa
from app.audit.models import AuditEntry
from app.tokens import commands as token_commands
from app.tokens import issuer_commands
from app.tokens import store as token_store
from app.tokens.refusals import TokenExpired
from app.turns import page_pass
from app.users import commands as user_commands
from app.visitor import entry

GUEST = "shareChat-1760000000000-aB3dE5fG7hJ9kL1mN3pQ5rS7"


@pytest.fixture(autouse=True)
def _patience():
    """What one test got wrong does not count in the next."""
    entry._failures._counts.clear()


def cookies(response):
    return {line.split("=")[0]: line for line in response.headers.getlist("Set-Cookie")}


def is_in(browser):
    return browser.client.get("/me").status_code == 200


def test_a_token_is_exchanged_for_a_session_and_leaves_the_address(portal):
    token = portal.mint(portal.add_user(name="Alice Chen"))
    browser = portal.stranger()
    for name in ("token", "authToken"):
        response = browser.client.get(f"/me?{name}={token}")
        assert (response.status_code, response.location) == (303, "/me")
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
        cookie = cookies(response)["shareauth_visitor"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Path=/me"))
        assert token not in str(response.headers)
        body = browser.get("/me")
        assert "Alice Chen" in body
        assert token not in body


def test_a_form_of_the_portal_lets_in_without_a_token_in_any_address(portal):
    browser = portal.stranger()
    response = browser.client.post("/me/enter", data={"token": portal.jwt("emp-1", name="Bo Li")})
    assert response.status_code == 303
    assert "Bo Li" in browser.get("/me")


def test_over_tls_the_cookie_is_secure(portal):
    token = portal.mint(portal.add_user())
    response = portal.stranger().client.get(f"https://localhost/me?token={token}")
    assert "Secure" in cookies(response)["shareauth_visitor"]


def test_nobody_is_told_how_to_come_in_and_sees_nothing(portal):
    browser = portal.stranger()
    for path in ("/me", "/me/", "/me/usage", "/me/statement"):
        browser.get(path, status=401)
        assert "Open this page from your portal" in browser.text()
    browser.get("/me/somewhere", status=404)
    assert browser.client.post("/me/redeem", data={"code": "x"}).status_code == 401


@pytest.mark.parametrize(
    "token", ["junk", "sat_unknown", "a.b.c", GUEST, "\0", "张三", "x" * 70_000, " "]
)
def test_what_proves_nothing_lets_nobody_in(portal, token):
    response = portal.stranger().client.post("/me/enter", data={"token": token})
    assert response.status_code == 403
    assert "shareauth_visitor" not in cookies(response)


def test_a_bad_token_also_ends_the_visit_of_whoever_was_in(portal):
    browser = portal.visitor(portal.add_user(name="Alice Chen"))
    browser.get("/me?token=junk", status=403)
    assert "Alice" not in browser.text()
    assert not is_in(browser)


def refused(portal, token):
    """What the page says to a token, as the class of its answer and its text."""
    browser = portal.stranger()
    browser.get(f"/me?lang=en&token={token}", status=403)
    return browser.text()


def test_expired_revoked_and_single_use_tokens_are_refused_in_plain_words(portal):
    late = portal.house.now - timedelta(hours=2)
    assert "over" in refused(portal, portal.jwt("emp-2", iat=late, exp=late + timedelta(minutes=5)))
    user_id = portal.add_user()
    assert "one chat only" in refused(portal, portal.mint(user_id, is_one_time=True))
    token = portal.mint(user_id)
    portal.do(token_commands.revoke_text, token, keys=portal.keys)
    assert "taken back" in refused(portal, token)
    signed = portal.jwt("emp-2")
    portal.do(token_commands.revoke_text, signed, keys=portal.keys)
    assert "taken back" in refused(portal, signed)
    portal.change_user(user_commands.set_suspended, user_id, suspended=True)
    assert "suspended" in refused(portal, portal.mint(user_id))


def test_channels_whose_ids_prove_nothing_have_no_page(portal):
    spec = issuer_commands.IssuerSpec(name="wecom", kind="channel", pattern="wm-[a-z]+")
    portal.do(issuer_commands.create_issuer, spec, keys=portal.keys)
    portal.make_link("channel", issuers=("wecom",))
    refused(portal, "wm-alice")


def test_a_visit_ends_with_its_token_and_its_user(portal):
    user_id = portal.add_user()
    token, signed = portal.mint(user_id), portal.jwt("emp-3")
    by_token, by_jwt = portal.stranger(), portal.stranger()
    by_token.get(f"/me?token={token}")
    by_jwt.get(f"/me?token={signed}")
    others = portal.visitor(user_id)
    for text in (token, signed):
        portal.do(token_commands.revoke_text, text, keys=portal.keys)
    assert not is_in(by_token)
    assert not is_in(by_jwt)
    assert is_in(others)
    portal.change_user(user_commands.revoke_tokens, user_id)
    assert not is_in(others)
    again = portal.visitor(user_id)
    assert is_in(again)
    portal.change_user(user_commands.set_suspended, user_id, suspended=True)
    again.get("/me", status=403)
    assert "suspended" in again.text()


def test_a_visit_ends_when_its_time_is_over(portal):
    browser = portal.stranger(session_s=60)
    browser.get(f"/me?token={portal.mint(portal.add_user())}")
    cookie = browser.client.get_cookie("shareauth_visitor", path="/me")
    later = portal.house.now + timedelta(seconds=61)
    with pytest.raises(TokenExpired):
        page_pass.read(cookie.value, "session", keys=portal.keys, now=later)


def test_a_visit_ends_with_the_issuer_it_came_from(portal):
    browser = portal.stranger()
    browser.get(f"/me?token={portal.jwt('emp-4')}")
    assert is_in(browser)

    def switch(session, *, enabled, **known):
        row = token_store.get_issuer(session, "portal")
        issuer_commands.set_issuer_enabled(session, row, enabled=enabled, **known)

    portal.do(switch, enabled=False)
    try:
        assert not is_in(browser)
        refused(portal, portal.jwt("emp-4"))
    finally:
        portal.do(switch, enabled=True)


def test_leaving_takes_the_cookie_and_wants_the_form_of_this_visit(portal):
    browser = portal.visitor(portal.add_user())
    stolen = portal.visitor(portal.add_user())
    stolen.get("/me")
    for csrf in ("", "é", stolen.csrf):
        response = browser.client.post("/me/leave", data={"csrf_token": csrf})
        assert response.status_code == 400
    browser.get("/me")
    browser.post("/me/leave", status=401)
    assert not is_in(browser)


def test_what_is_sealed_for_other_ends_opens_nothing(portal):
    user_id = portal.add_user()
    url = portal.house.program("tokens:mint").post(f"/users/{user_id}/page-link", json={})["url"]
    signed = url.rpartition("/")[2]
    for text in (signed, portal.keys.seal(b'{"pass":{"kind":"session"}}'), "x", "é" * 9):
        browser = portal.stranger()
        browser.client.set_cookie("shareauth_visitor", text.encode().hex(), path="/me")
        assert not is_in(browser)
        browser.client.set_cookie("shareauth_visitor", text, path="/me")
        assert not is_in(browser)
    visitor = portal.visitor(user_id)
    cookie = visitor.client.get_cookie("shareauth_visitor", path="/me").value
    assert portal.stranger().client.get(f"/me/s/{cookie}").status_code == 403


def test_a_link_of_an_operator_opens_the_page_until_tokens_are_revoked(portal):
    user_id = portal.add_user(name="Alice Chen")
    program = portal.house.program("tokens:mint")
    made = program.post(f"/users/{user_id}/page-link", json={"ttl_s": 600})
    path = made["url"].removeprefix("https://auth.example")
    assert path.startswith("/me/s/")
    browser = portal.stranger()
    response = browser.client.get(path)
    assert (response.status_code, response.location) == (303, "/me")
    assert "Alice Chen" in browser.get("/me")
    with portal.house.db.read() as session:
        entries = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "users.page_link")
        ).all()
    assert entries[-1].object_id == str(user_id)
    assert path.rpartition("/")[2] not in str(entries[-1].after)
    portal.change_user(user_commands.revoke_tokens, user_id)
    assert not is_in(browser)
    assert portal.stranger().client.get(path).status_code == 403


def test_making_page_links_needs_its_right_and_sensible_input(portal):
    user_id = portal.add_user()
    portal.house.program("users:read").post(f"/users/{user_id}/page-link", json={}, status=403)
    program = portal.house.program("tokens:mint")
    for ttl_s in (0, 31 * 86400, 10**30, "x", None):
        program.post(f"/users/{user_id}/page-link", json={"ttl_s": ttl_s}, status=422)
    for unknown in (10**6, 2**63, 10**40):
        program.post(f"/users/{unknown}/page-link", json={}, status=404)


def test_whoever_may_see_certain_links_only_makes_no_page_links(portal):
    browser = portal.house.browser("operator", link_ids=[portal.link_id])
    browser.get("/admin/account")
    response = browser.client.post(
        f"/admin/api/v1/users/{portal.add_user()}/page-link",
        headers={"X-CSRFToken": browser.csrf},
        json={},
    )
    assert response.status_code == 403


def test_one_address_brings_only_so_many_bad_tokens(portal):
    client = portal.stranger().client
    said = [client.post("/me/enter", data={"token": uuid.uuid4().hex}) for _ in range(21)]
    assert [one.status_code for one in said] == [403] * 20 + [429]
    token = portal.mint(portal.add_user())
    assert client.post("/me/enter", data={"token": token}).status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.9"}
    entered = client.post("/me/enter", data={"token": token}, environ_overrides=elsewhere)
    assert entered.status_code == 303


def test_only_named_sites_may_show_it_in_a_frame(portal):
    user_id = portal.add_user()
    alone = portal.visitor(user_id)
    alone.get("/me")
    assert "frame-ancestors 'none'" in alone.last.headers["Content-Security-Policy"]
    assert alone.last.headers["X-Frame-Options"] == "DENY"
    framed = portal.stranger(embed_origins=["https://portal.example"])
    response = framed.client.get(f"https://localhost/me?token={portal.mint(user_id)}")
    policy = response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self' https://portal.example" in policy
    assert "X-Frame-Options" not in response.headers
    cookie = cookies(response)["shareauth_visitor"]
    assert all(part in cookie for part in ("SameSite=None", "Secure", "Partitioned"))
    plain = portal.stranger(embed_origins=["https://portal.example"])
    response = plain.client.get(f"/me?token={portal.mint(user_id)}")
    assert "SameSite=Lax" in cookies(response)["shareauth_visitor"]


def test_the_page_leaves_the_cookie_of_the_admin_alone(portal):
    browser = portal.visitor(portal.add_user())
    assert not any("shareauth_admin" in name for name in cookies(browser.last))
    assert browser.client.get("/admin/sign-in").status_code == 200


def test_the_language_is_chosen_and_kept_and_no_token_with_it(portal):
    browser = portal.visitor(portal.add_user(locale="zh"), lang="en")
    assert "Balance" in browser.text()
    browser.get("/me?lang=zh")
    assert "余额" in browser.text()
    assert 'lang="zh-CN"' in browser.get("/me/usage")
    bad = portal.stranger()
    body = bad.get("/me?token=very-secret-token", status=403)
    assert "very-secret-token" not in body
    assert re.search(r'href="/me\?lang=(en|zh)"', body)
    theirs = portal.stranger()
    theirs.get(f"/me?token={portal.mint(portal.add_user(locale='zh'))}")
    assert "余额" in theirs.text()


def test_a_house_without_the_page_has_none(portal):
    assert portal.stranger(enabled=False).client.get("/me").status_code == 404
