"""Who may: every view by its permission, changes by their CSRF token, nobody by default."""

import re

import pytest
from app.admin import access
from app.operators.roles import PERMISSIONS, ROLES, SELF

ADMIN = "/admin"
STATIC = {"bootstrap.static", "site.static", "documents.viewer_static"}
BEFORE_SIGN_IN = {
    "account.sign_in",
    "account.do_sign_in",
    "account.language",
    "sso.begin",
    "sso.finish",
    "sso.leave",
    "documents.openapi_json",
    "documents.viewer_static",
    "api_signin.sign_in",
    "nowhere.nothing",
    "api_nowhere.nothing",
}


def admin_rules(house):
    rules = [rule for rule in house.app.url_map.iter_rules() if rule.rule.startswith(ADMIN)]
    return [rule for rule in rules if rule.endpoint not in STATIC]


def filled(rule):
    return re.sub(r"<(?:([a-z]+)(?:\([^)]*\))?:)?[^>]+>", lambda m: "1" if m[1] else "x", rule.rule)


def test_every_view_names_a_permission(house):
    for rule in admin_rules(house):
        permission = access.permission_of(house.app.view_functions[rule.endpoint])
        assert permission in {*PERMISSIONS, SELF, access.PUBLIC, access.HALF, access.CREDENTIALS}, (
            rule
        )
        assert (permission == access.PUBLIC) <= (rule.endpoint in BEFORE_SIGN_IN), rule


def test_nobody_gets_in_without_signing_in(house):
    for rule in admin_rules(house):
        if rule.endpoint in BEFORE_SIGN_IN:
            continue
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            response = house.stranger().client.open(filled(rule), method=method)
            if method == "GET" and not rule.endpoint.startswith("api_"):
                assert response.status_code == 302, rule
                assert response.location.startswith("/admin/sign-in"), rule
            else:
                assert response.status_code in {400, 401}, (rule, method, response.status_code)


def test_every_change_by_cookie_wants_a_csrf_token(house):
    browser = house.browser("owner")
    for rule in admin_rules(house):
        if access.permission_of(house.app.view_functions[rule.endpoint]) == access.CREDENTIALS:
            continue  # its credentials are in the body, and no cookie is looked at
        for method in rule.methods - {"GET", "HEAD", "OPTIONS"}:
            response = browser.client.open(filled(rule), method=method, json={})
            assert response.status_code == 400, (rule, method, response.status_code)


@pytest.mark.parametrize("role", list(ROLES))
def test_a_role_gets_what_it_may_and_nothing_else(house, role):
    """By the JSON API, which says 403 before it looks at anything else."""
    browser = house.browser(role)
    browser.get("/admin/account")
    for rule in admin_rules(house):
        permission = access.permission_of(house.app.view_functions[rule.endpoint])
        if permission not in PERMISSIONS:
            continue
        for method in rule.methods - {"HEAD", "OPTIONS", "GET"}:
            if permission in ROLES[role]:
                continue
            response = browser.client.open(
                filled(rule), method=method, headers={"X-CSRFToken": browser.csrf}, json={}
            )
            assert response.status_code == 403, (rule, method, response.status_code)
        if "GET" in rule.methods and permission not in ROLES[role]:
            assert browser.client.get(filled(rule)).status_code == 403, rule


def test_link_operators_have_none_of_the_shared_rights(house):
    browser = house.browser("owner", link_ids=[1])
    browser.get("/admin/account")
    browser.get("/admin/plans/", status=403)
    assert house.browser("viewer").get("/admin/plans/")


def test_pages_let_nothing_be_loaded_from_elsewhere(house):
    browser = house.browser()
    body = browser.get("/admin/account")
    headers = browser.last.headers
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert not re.search(r'(?:src|href)="(?:https?:)?//', body)
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", body)


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/elsewhere", "/admin/api/v1/x"],
)
def test_nobody_is_sent_elsewhere_after_signing_in(house, target):
    operator = house.add_operator("viewer")
    browser = house.stranger()
    browser.get("/admin/sign-in")
    response = browser.client.post(
        "/admin/sign-in",
        data={
            "csrf_token": browser.csrf,
            "name": operator.name,
            "password": "a password for tests",
            "next": target,
        },
    )
    assert response.status_code == 303
    assert response.location == "/admin/"
