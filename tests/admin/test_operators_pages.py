"""Operators and API tokens in the console: add, change, disable, reset; make and revoke tokens."""

import re

import pytest
from app.admin import permission_words
from app.audit.models import AuditEntry
from app.links import commands as link_commands
from app.links.commands import LinkSpec
from app.operators import store
from app.operators.roles import PERMISSIONS, ROLES
from sqlalchemy import select

from admin_builders import ACTOR, Program


@pytest.fixture(scope="module")
def link(house):
    spec = LinkSpec.model_validate({"name": "support"})
    with house.db.begin() as session:
        return link_commands.create(
            session, spec, keys=house.runtime.keys, actor=ACTOR, now=house.now
        ).link.id


def found(house, name):
    with house.db.read() as session:
        return store.find_by_name(session, name)


def test_an_operator_is_added_and_signs_in_with_the_password_that_is_shown_once(house, link):
    owner = house.browser("owner")
    owner.get("/admin/operators/new")
    page = owner.post(
        "/admin/operators/new", name="Anna", role="support", sees="some", link_ids=[str(link)]
    )
    password = re.search(r'readonly value="([^"]{20})"', page)[1]
    assert (found(house, "anna").role, found(house, "anna").link_ids) == ("support", [link])
    assert "support" in owner.get("/admin/operators/@anna")
    assert password not in owner.get("/admin/operators/@anna")
    anna = house.stranger()
    anna.get("/admin/sign-in")
    anna.post("/admin/sign-in", name="anna", password=password)
    assert "Choose a password of your own" in anna.text()


def test_what_was_typed_stays_when_it_is_refused(house, link):
    owner = house.browser("owner")
    owner.get("/admin/operators/new")
    page = owner.post(
        "/admin/operators/new",
        status=422,
        name="not a name",
        role="finance",
        sees="some",
        link_ids=[str(link)],
        email="anna@corp.example",
    )
    assert 'value="not a name"' in page
    assert 'value="anna@corp.example"' in page
    assert re.search(r'value="finance" selected', page)
    assert re.search(rf'value="{link}" checked', page)


def test_the_last_owner_stays_one_and_lost_updates_are_seen(house):
    house.add_operator("viewer", name="vic")
    first, second = house.browser("owner"), house.browser("owner")
    versions = [
        re.search(r'name="version" value="(\w+)"', one.get("/admin/operators/@vic/edit"))[1]
        for one in (first, second)
    ]
    first.post("/admin/operators/@vic/edit", role="finance", version=versions[0])
    page = second.post("/admin/operators/@vic/edit", status=412, role="viewer", version=versions[1])
    assert "Somebody changed it since you opened the page" in page
    assert found(house, "vic").role == "finance"


def test_a_second_factor_is_removed_with_a_reason_only_and_the_audit_keeps_it(house):
    house.add_operator("viewer", name="lost")
    with house.db.begin() as session:
        store.find_by_name(session, "lost").totp_confirmed_at = house.now
    owner = house.browser("owner")
    owner.get("/admin/operators/@lost")
    owner.post("/admin/operators/@lost/remove-second-factor", status=422, reason=" ")
    owner.post("/admin/operators/@lost/remove-second-factor", reason="lost the phone")
    assert found(house, "lost").totp_confirmed_at is None
    with house.db.read() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.action, entry.reason) == ("operators.second_factor_off", "lost the phone")
    assert "lost" in owner.get("/admin/operators/?role=viewer&status=active")


def test_sessions_of_others_are_seen_and_ended(house):
    guest = house.browser("viewer")
    guest.get("/admin/account")
    owner = house.browser("owner")
    page = owner.get("/admin/operators/sessions")
    ids = re.findall(r"/admin/operators/sessions/(\d+)/end", page)
    assert ids
    owner.post(f"/admin/operators/sessions/{ids[0]}/end")
    assert guest.client.get("/admin/account").status_code == 302


def test_everybody_makes_tokens_with_their_own_rights_and_no_more(house):
    viewer = house.browser("viewer")
    page = viewer.get("/admin/api-tokens/new")
    assert 'value="plans:read"' in page
    assert 'value="plans:write"' not in page
    viewer.post("/admin/api-tokens/new", status=422, name="shop", days="30")
    viewer.post("/admin/api-tokens/new", status=422, name="s", days="30", scopes=["plans:write"])
    page = viewer.post("/admin/api-tokens/new", name="shop", days="30", scopes=["plans:read"])
    token = re.search(r"saa_[\w-]{43}", page)[0]
    assert "shop" in viewer.get("/admin/account")
    assert token not in viewer.get("/admin/api-tokens/")
    program = Program(house.app.test_client(), token)
    assert program.get("/me")["permissions"] == ["plans:read"]
    program.get("/operators", status=403)
    mine = program.get("/api-tokens")["items"]
    assert [one["name"] for one in mine] == ["shop"]
    owner = house.browser("owner")
    assert "shop" in owner.get("/admin/api-tokens/")
    owner.post(f"/admin/api-tokens/{mine[0]['id']}/revoke")
    program.get("/me", status=401)


def test_a_token_makes_none_that_may_more_than_itself(house):
    program = house.program("plans:read")
    refused = program.post(
        "/api-tokens", {"name": "more", "scopes": ["operators:write"]}, status=422
    )
    assert refused["code"] == "scope_not_held"
    made = program.post("/api-tokens", {"name": "same", "scopes": ["plans:read"]})
    program.call("DELETE", f"/api-tokens/{made['id']}", status=404)  # nor stops it another


def test_the_matrix_shows_every_role_and_permission(house):
    page = house.browser("viewer").get("/admin/operators/roles")
    for permission in PERMISSIONS:
        assert f"<code>{permission}</code>" in page
    assert page.count("bi-check-lg") == sum(len(held) for held in ROLES.values())
    assert set(permission_words.PERMISSIONS) == set(PERMISSIONS)
    assert {name.partition(":")[0] for name in PERMISSIONS} == set(permission_words.AREAS)


def test_operators_by_the_api(house):
    program = house.program("operators:read", "operators:write")
    made = program.post("/operators", {"name": "Api.Made", "role": "viewer"})
    assert made["name"] == "api.made"
    assert len(made["password"]) == 20
    tag = program.last.headers["ETag"]
    assert program.post("/operators", {"name": "api.made", "role": "viewer"}, status=409)
    changed = program.patch("/operators/api.made", {"role": "support"}, headers={"If-Match": tag})
    assert changed["role"] == "support"
    program.patch("/operators/api.made", {"role": "owner"}, 412, headers={"If-Match": tag})
    program.patch("/operators/api.made", {"link_ids": [10**9]}, status=422)
    assert len(program.post("/operators/api.made/reset-password", status=200)["password"]) == 20
    names, cursor = [], ""
    while cursor is not None:
        page = program.get(f"/operators?limit=2{cursor and f'&cursor={cursor}'}")
        names += [one["name"] for one in page["items"]]
        cursor = page["next"]
    assert names == sorted(set(names))
    assert "api.made" in names
