"""``shareauth operators``."""

import pytest
from app.operators import passwords

from admin_builders import CHEAP


@pytest.fixture(autouse=True)
def _passwords_are_cheap(monkeypatch):
    monkeypatch.setattr(passwords, "_hasher", CHEAP)


@pytest.fixture
def owned(shell):
    shell.json("operators", "add", "root", "--role", "owner")
    return shell


def test_add_prints_a_password_once(owned):
    made = owned.json(
        *("operators", "add", "Anna", "--role", "finance", "--email", "anna@corp.example"),
        *("--display-name", "Anna A.", "--locale", "zh"),
    )
    assert (made["name"], made["role"], made["locale"]) == ("anna", "finance", "zh")
    assert made["must_change_password"]
    assert len(made["password"]) == 20
    assert made["password"] not in owned.text("operators", "list")
    assert owned.error("operators", "add", "anna", "--role", "viewer")["code"] == "operator_exists"


def test_update_changes_what_is_given_and_links_go_by_name(owned):
    owned.json("links", "create", "support")
    owned.json("operators", "add", "anna", "--role", "viewer", "--link", "support")
    assert owned.json("operators", "update", "anna", "--role", "support")["link_ids"] == [1]
    assert owned.json("operators", "update", "anna", "--all-links")["link_ids"] is None
    lost = owned.error("operators", "update", "anna", "--link", "nowhere")
    assert lost["code"] == "link_not_found"
    assert owned.error("operators", "update", "nobody", "--all-links")["code"] == (
        "operator_not_found"
    )


def test_disable_enable_reset_and_remove_are_told_to_the_audit(owned):
    owned.json("operators", "add", "anna", "--role", "viewer")
    gone = owned.json("operators", "disable", "anna", "--reason", "left the company")
    assert gone["status"] == "disabled"
    assert owned.json("operators", "enable", "anna")["status"] == "active"
    assert len(owned.json("operators", "reset-password", "anna")["password"]) == 20
    off = owned.json("operators", "remove-second-factor", "anna", "--reason", "lost the phone")
    assert not off["has_second_factor"]
    told = owned.text("audit", "list")
    assert "operators.disable" in told
    assert "left the company" in told
    assert owned.error("operators", "disable", "root")["code"] == "last_owner"


def test_tokens_are_made_listed_and_revoked(owned):
    made = owned.json(
        *("operators", "tokens", "create", "root", "--name", "shop"),
        *("--scope", "wallets:write", "--scope", "tokens:mint", "--expires-at", "2030-01-01"),
    )
    assert made["token"].startswith("saa_")
    assert made["expires_at"] == "2030-01-01T00:00:00+00:00"
    assert made["token"] not in owned.text("operators", "tokens", "list")
    gone = owned.json("operators", "tokens", "revoke", made["id"], "--reason", "leaked")
    assert gone["revoked_at"]
    owned.json("operators", "add", "anna", "--role", "viewer")
    refused = owned.error(
        *("operators", "tokens", "create", "anna", "--name", "x", "--scope", "wallets:write")
    )
    assert refused["code"] == "scope_not_held"
    assert owned.error("operators", "tokens", "revoke", 99)["code"] == "api_token_not_found"
