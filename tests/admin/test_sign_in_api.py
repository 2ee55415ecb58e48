"""Signing in for scripts: the page's rules, a token that lasts hours and can be ended."""

from datetime import UTC, datetime, timedelta

import pyotp
from app.operators import commands
from app.operators.models import Operator, OperatorSession

from admin_builders import ACTOR, PASSWORD, Program


def sign_in(house, status, **body):
    client = house.app.test_client()
    response = client.post("/admin/api/v1/sign-in", json=body)
    assert response.status_code == status, response.get_data()
    return response.get_json()


def test_a_script_signs_in_works_and_signs_out(house):
    operator = house.add_operator("support")
    given = sign_in(house, 201, name=operator.name.upper(), password=PASSWORD)
    lasts = datetime.fromisoformat(given["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < lasts <= timedelta(hours=12)
    assert "users:write" in given["scopes"]
    script = Program(house.app.test_client(), given["token"])
    script.get("/plans")
    script.post("/plans", {"name": "x"}, 403)
    script.post("/sign-out", status=204)
    script.get("/plans", 401)
    with house.db.read() as session:
        assert session.query(OperatorSession).filter_by(operator_id=operator.id).all() == []


def test_a_programs_own_token_is_not_signed_out(house):
    program = house.program("plans:read")
    program.post("/sign-out", status=409)
    program.get("/plans")


def test_a_second_factor_has_to_come_along(house):
    operator = house.add_operator("owner")
    with house.db.begin() as session:
        row = session.get(Operator, operator.id)
        secret = commands.begin_second_factor(row, keys=house.runtime.keys)
        code = pyotp.TOTP(secret).at(house.now - timedelta(seconds=30))
        commands.confirm_second_factor(
            session, row, code, keys=house.runtime.keys, actor=ACTOR, now=house.now
        )
    wanted = {"name": operator.name, "password": PASSWORD}
    assert sign_in(house, 401, **wanted)["code"] == "code_required"
    assert sign_in(house, 401, **wanted, code="000000")["code"] == "sign_in_failed"
    now_code = pyotp.TOTP(secret).at(house.now)
    assert sign_in(house, 201, **wanted, code=now_code)["token"].startswith("saa_")
    assert sign_in(house, 401, **wanted, code=now_code)["code"] == "sign_in_failed"


def test_guesses_are_throttled_and_first_passwords_are_for_the_console(house):
    operator = house.add_operator("viewer")
    with house.db.begin() as session:
        session.get(Operator, operator.id).must_change_password = True
    wanted = {"name": operator.name, "password": PASSWORD}
    assert sign_in(house, 403, **wanted)["code"] == "sign_in_unfinished"
    for _ in range(5):
        sign_in(house, 401, name=operator.name, password="wrong")
    assert sign_in(house, 429, **wanted)["retry_after_s"] > 0


def test_no_cookie_is_needed_none_is_set_and_odd_bodies_are_refused(house):
    client = house.app.test_client()
    for body in ({}, {"name": "a\0", "password": "b"}, {"name": "a", "password": "b\0"}):
        response = client.post("/admin/api/v1/sign-in", json=body)
        assert response.status_code == 422
        assert "Set-Cookie" not in response.headers
    document = client.get("/admin/api/v1/openapi.json").get_json()
    assert document["paths"]["/sign-in"]["post"]["security"] == []
