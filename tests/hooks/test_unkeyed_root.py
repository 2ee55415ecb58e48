"""The root without a key: only where the operator wants it, and never for a stranger's finish."""

from datetime import UTC, datetime

import pytest
from app.audit.journal import Actor
from app.cli.session import Desk
from app.config import Settings
from app.factory import create_app
from app.links import commands as link_commands
from app.links.commands import LinkSpec
from app.plans import commands as plan_commands
from app.tokens import commands as token_commands
from app.tokens import issuer_commands
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.users import commands as user_commands
from app.users.commands import UserSpec

ACTOR = Actor("tests", "cli")
FINISH = {"responseData": [{"id": "n", "totalPoints": 1}]}


@pytest.fixture
def now() -> datetime:
    """The service asked here reads the clock itself."""
    return datetime.now(UTC)


@pytest.fixture
def settings(db, valkey_url, namespace, tmp_path) -> Settings:
    return Settings.model_validate(
        {
            "service": {
                "data_dir": tmp_path,
                "secret_key": "x" * 40,
                "trusted_proxies": ["10.0.0.0/8"],
            },
            "database": {"url": db.url.render_as_string(hide_password=False)},
            "redis": {"url": valkey_url, "namespace": namespace},
            "hooks": {"unkeyed_link": "only", "unkeyed_finish_addresses": ["192.0.2.0/24"]},
        }
    )


@pytest.fixture
def token(settings, now) -> str:
    desk = Desk(settings)
    with desk.change() as session:
        plan_commands.ensure_builtin(session, actor=ACTOR, now=now)
        issuer_commands.ensure_builtin(session, actor=ACTOR, now=now)
        issuer = token_store.get_issuer(session, "local")
        spec = UserSpec(issuer_id=issuer.id, subject="ann")
        user = user_commands.create(session, spec, uid="u_ann", actor=ACTOR, now=now)
        link_commands.create(session, LinkSpec(name="only"), keys=desk.keys, actor=ACTOR, now=now)
        minted = token_commands.mint(
            session, MintSpec(user_id=user.id), keys=desk.keys, actor=ACTOR, now=now
        )
    desk.close()
    return minted.text


def ask(settings, hook, body, **environ) -> dict:
    app = create_app(settings)
    try:
        answer = app.test_client().post(
            f"/shareAuth/{hook}",
            json=body,
            environ_overrides={"REMOTE_ADDR": "127.0.0.1"} | environ,
        )
        assert answer.status_code == 200
        return answer.get_json()
    finally:
        app.extensions["shareauth"].close()


def test_init_is_answered_for_the_named_link(settings, token):
    assert ask(settings, "init", {"token": token})["data"]["uid"] == "u_ann"


def test_finish_is_taken_from_the_listed_addresses_only(settings, token):
    body = {"token": token, **FINISH}
    assert ask(settings, "finish", body)["code"] == "link_unknown"
    assert ask(settings, "finish", body, REMOTE_ADDR="192.0.2.7")["success"] is True


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(settings, token):
    body = {"token": token, **FINISH}
    forwarded = {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}
    assert ask(settings, "finish", body, **forwarded)["code"] == "link_unknown"
    assert ask(settings, "finish", body, REMOTE_ADDR="10.0.0.1", **forwarded)["success"] is True


def test_without_the_setting_there_is_no_such_root(settings, token):
    closed = settings.model_copy(
        update={"hooks": settings.hooks.model_copy(update={"unkeyed_link": None})}
    )
    assert ask(closed, "init", {"token": token})["code"] == "link_unknown"
