"""``shareauth issuers``."""

import json

import pytest

from fakes.signers import signer


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "portal.key"
    path.write_text("s" * 64 + "\n")
    return path


@pytest.fixture
def portal(shell, secret):
    return shell.json("issuers", "add", "portal", "--algorithm", "HS256", "--secret-file", secret)


def test_built_in_issuers_are_there_from_the_first_command(shell):
    listed = shell.json("issuers", "list")["issuers"]

    assert [(one["name"], one["kind"], one["origin"]) for one in listed] == [
        ("local", "opaque", "builtin"),
        ("guest", "guest", "builtin"),
    ]


def test_secret_is_taken_from_a_file_and_never_shown(shell, portal):
    for command in (["list"], ["show", "portal"]):
        assert "s" * 64 not in shell.run("issuers", *command, "--json").stdout
    assert portal["keys"] == "1 secret"
    assert portal["spec"]["algorithms"] == ["HS256"]
    assert portal["is_usable"] is True


def test_public_keys_claims_and_times_can_be_given(shell, tmp_path):
    pem = tmp_path / "sso.pem"
    pem.write_text(signer("ES256").pem)
    made = shell.json(
        *("issuers", "add", "sso", "--algorithm", "ES256", "--public-key-file", pem),
        *("--iss", "https://sso.example", "--audience", "chat", "--max-lifetime", "600"),
        *("--claim", "subject=user.id", "--claim", "name=nick", "--known-users-only"),
    )

    spec = made["spec"]
    assert made["keys"] == "1 public key"
    assert (spec["issuer"], spec["audience"]) == ("https://sso.example", ["chat"])
    assert spec["max_lifetime_s"] == 600
    assert spec["creates_users"] is False
    assert (spec["claims"]["subject"], spec["claims"]["name"]) == ("user.id", "nick")
    assert spec["claims"]["locale"] == "locale"


@pytest.mark.parametrize("name", ["wecom.toml", "wecom.json"])
def test_issuer_can_come_from_a_file(shell, tmp_path, name):
    path = tmp_path / name
    document = {"kind": "channel", "pattern": "wx-[a-z]+"}
    toml = 'kind = "channel"\npattern = "wx-[a-z]+"\n'
    path.write_text(toml if name.endswith("toml") else json.dumps(document))
    made = shell.json("issuers", "add", "wecom", "--file", path)

    assert made["kind"] == "channel"
    assert made["spec"]["pattern"] == "wx-[a-z]+"


def test_file_that_cannot_be_read_is_an_error_that_names_it(shell, tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("kind = ")
    problem = shell.error("issuers", "add", "wecom", "--file", path)

    assert problem["code"] == "document_unreadable"
    assert "broken.toml" in problem["message"]


def test_what_is_missing_is_said_in_words(shell):
    problem = shell.error("issuers", "add", "portal", "--algorithm", "HS256")

    assert problem["code"] == "invalid"
    assert "exactly one of secrets, public_keys and jwks_url" in problem["message"]


def test_weak_secret_is_refused_without_being_repeated(shell, tmp_path):
    weak = tmp_path / "weak.key"
    weak.write_text("hunter2")
    result = shell.run(
        *("issuers", "add", "portal", "--algorithm", "HS256", "--secret-file", weak), exit_code=1
    )

    assert "hunter2" not in result.output


def test_names_are_taken_once(shell, portal, secret):
    words = ("--algorithm", "HS256", "--secret-file", secret)

    assert shell.error("issuers", "add", "portal", *words)["code"] == "issuer_exists"
    assert shell.error("issuers", "add", "local", *words)["code"] == "issuer_reserved"


def test_update_keeps_what_is_not_given(shell, portal, tmp_path):
    pem = tmp_path / "new.pem"
    pem.write_text(signer("RS256").pem)
    shell.json("issuers", "update", "portal", "--claim", "name=nick", "--max-lifetime", "60")
    changed = shell.json(
        "issuers", "update", "portal", "--algorithm", "RS256", "--public-key-file", pem
    )

    assert changed["keys"] == "1 public key"
    assert changed["spec"]["max_lifetime_s"] == 60
    assert changed["spec"]["claims"]["name"] == "nick"


def test_secret_survives_an_update_of_something_else(shell, portal):
    changed = shell.json("issuers", "update", "portal", "--audience", "chat")

    assert changed["keys"] == "1 secret"


def test_claim_that_nobody_reads_is_a_usage_error(shell, portal):
    words = ("issuers", "update", "portal", "--claim", "colour=eyes")

    assert "subject" in shell.error(*words, exit_code=2)["message"]


def test_built_in_issuer_cannot_be_changed(shell):
    words = ("issuers", "update", "local", "--audience", "chat")

    assert shell.error(*words)["code"] == "issuer_fixed"


def test_issuer_is_switched_off_and_on(shell, portal):
    assert shell.json("issuers", "disable", "portal")["status"] == "disabled"
    assert shell.json("issuers", "show", "portal")["status"] == "disabled"
    assert shell.json("issuers", "enable", "portal")["status"] == "active"


def test_unknown_issuer_is_an_error(shell):
    assert shell.error("issuers", "show", "nobody")["code"] == "issuer_not_found"


def test_issuers_of_the_settings_are_listed_and_changed_there_only(shell, tmp_path):
    settings = tmp_path / "with-issuer.toml"
    settings.write_text(
        f'[[issuers]]\nname = "sso"\nalgorithms = ["HS256"]\nsecrets = ["{"k" * 40}"]\n'
    )
    shell.environ["SHAREAUTH_CONFIG"] = str(settings)
    shown = shell.json("issuers", "show", "sso")

    assert (shown["origin"], shown["keys"], shown["is_usable"]) == ("config", "1 secret", True)
    assert shell.error("issuers", "update", "sso", "--audience", "x")["code"] == "issuer_fixed"
    settings.write_text("")
    assert shell.json("issuers", "show", "sso")["is_usable"] is False
