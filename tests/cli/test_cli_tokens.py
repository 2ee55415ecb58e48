"""``shareauth tokens``."""

from datetime import UTC, datetime, timedelta

import pytest

from fakes.signers import signer

SHARE_URL = "https://fastgpt.example/chat/share?shareId=abc&theme=dark"


@pytest.fixture
def link(shell):
    return shell.json("links", "create", "support", "--share-url", SHARE_URL)


@pytest.fixture
def portal(shell, tmp_path):
    """An issuer that signs with HS256, and its signer."""
    signs = signer("HS256")
    secret = tmp_path / "portal.key"
    secret.write_text(signs.private)
    shell.json("issuers", "add", "portal", "--algorithm", "HS256", "--secret-file", secret)
    return signs


def claims(**more):
    now = datetime.now(UTC)
    return {"iss": "portal", "sub": "alice", "iat": now, "exp": now + timedelta(hours=1), **more}


def mint(shell, *more):
    return shell.json("tokens", "mint", "--link", "support", "--subject", "alice", *more)


def test_mint_gives_token_and_visitor_url(shell, link):
    made = mint(shell)

    assert made["token"].startswith("sat_")
    assert made["visitor_url"] == f"{SHARE_URL}&authToken={made['token']}"
    assert made["link"] == "support"
    assert made["subject"] == "alice"


def test_mint_takes_the_links_key_and_id(shell, link):
    for reference in (link["key"], link["id"]):
        made = shell.json("tokens", "mint", "--link", reference, "--subject", "alice")
        assert made["link"] == "support"


def test_mint_makes_a_local_user_once(shell, link):
    first, second = mint(shell), mint(shell)

    assert first["uid"] == second["uid"]
    assert first["token"] != second["token"]
    assert shell.json("users", "show", "alice")["issuer"] == "local"


def test_mint_for_another_issuer_needs_a_user_that_is_there(shell, link, portal):
    words = ("tokens", "mint", "--link", "support", "--subject", "bob", "--issuer", "portal")

    assert shell.error(*words)["code"] == "user_not_found"
    shell.json("users", "add", "bob", "--issuer", "portal")
    assert shell.json(*words)["subject"] == "bob"


def test_mint_takes_expiry_binding_and_label(shell, link):
    made = mint(shell, "--expires-in", "90s", "--one-time", "--label", "kiosk")
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)

    assert timedelta(0) < left <= timedelta(seconds=90)
    assert made["is_one_time"] is True
    assert made["label"] == "kiosk"
    eternal = mint(shell, "--expires-in", "never", "--any-link")
    assert eternal["expires_at"] is None
    assert eternal["link"] is None


def test_mint_without_share_url_says_that_the_url_is_a_placeholder(shell):
    shell.json("links", "create", "bare")

    assert "placeholder" in shell.text("tokens", "mint", "--link", "bare", "--subject", "alice")


def test_mint_for_an_unknown_link_changes_nothing(shell):
    problem = shell.error("tokens", "mint", "--link", "nothing", "--subject", "alice")

    assert problem["code"] == "link_not_found"
    assert shell.json("users", "list")["users"] == []


def test_url_adds_the_token_to_the_share_url(shell, link):
    made = shell.json("tokens", "url", "--link", "support", "a.b.c")

    assert made["visitor_url"] == f"{SHARE_URL}&authToken=a.b.c"


def test_list_shows_state_and_never_the_token(shell, link):
    active = mint(shell)
    revoked = mint(shell)
    shell.json("tokens", "revoke", revoked["id"])
    listed = shell.run("tokens", "list", "--subject", "alice", "--json")

    assert active["token"] not in listed.stdout
    tokens = shell.json("tokens", "list")["tokens"]
    assert [(one["id"], one["status"]) for one in tokens] == [
        (revoked["id"], "revoked"),
        (active["id"], "active"),
    ]


def test_list_pages(shell, link):
    ids = [mint(shell)["id"] for _ in range(3)]
    page = shell.json("tokens", "list", "--limit", "2")
    rest = shell.json("tokens", "list", "--limit", "2", "--before", page["next"])

    assert [one["id"] for one in page["tokens"] + rest["tokens"]] == ids[::-1]
    assert rest["next"] is None


def test_list_filters_by_link(shell, link):
    mint(shell)
    shell.json("links", "create", "other")

    assert len(shell.json("tokens", "list", "--link", "support")["tokens"]) == 1
    assert shell.json("tokens", "list", "--link", "other")["tokens"] == []


def test_fresh_token_is_accepted(shell, link):
    verdict = shell.json("tokens", "check", "--link", "support", mint(shell)["token"])

    assert verdict["accepted"] is True
    assert verdict["code"] == "ok"
    assert verdict["subject"] == "alice"
    assert verdict["is_known_user"] is True


@pytest.mark.parametrize("by", ["text", "id", "subject"])
def test_revoked_token_is_refused(shell, link, by):
    made = mint(shell)
    words = {"text": [made["token"]], "id": [made["id"]], "subject": ["--subject", "alice"]}[by]
    shell.json("tokens", "revoke", *words, "--reason", "lost")
    verdict = shell.json("tokens", "check", "--link", "support", made["token"], exit_code=1)

    assert verdict["code"] == "token_revoked"


def test_revoking_needs_one_target(shell, link):
    assert shell.error("tokens", "revoke", exit_code=2)["code"] == "usage"
    assert (
        shell.error("tokens", "revoke", "1", "--subject", "alice", exit_code=2)["code"] == "usage"
    )


def test_revoking_what_is_no_token_is_an_error(shell):
    assert shell.error("tokens", "revoke", "alice")["code"] == "token_invalid"
    assert shell.error("tokens", "revoke", "77")["code"] == "token_not_found"


def test_token_of_another_link_is_refused(shell, link):
    shell.json("links", "create", "other")
    verdict = shell.json("tokens", "check", "--link", "other", mint(shell)["token"], exit_code=1)

    assert verdict["code"] == "token_wrong_link"
    assert verdict["accepted"] is False


def test_disabled_link_and_suspended_user_refuse(shell, link):
    token = mint(shell)["token"]
    shell.json("users", "suspend", "alice")
    check = ("tokens", "check", "--link", "support", token)

    assert shell.json(*check, exit_code=1)["code"] == "user_suspended"
    shell.json("links", "disable", "support")
    assert shell.json(*check, exit_code=1)["code"] == "link_disabled"


def test_signed_token_is_checked_and_nobody_becomes_a_user(shell, link, portal):
    token = portal.sign(claims())
    verdict = shell.json("tokens", "check", "--link", "support", token)

    assert verdict["accepted"] is True
    assert verdict["issuer"] == "portal"
    assert verdict["is_known_user"] is False
    assert shell.json("users", "list")["users"] == []


def test_check_says_in_words_what_is_wrong_with_a_signed_token(shell, link, portal):
    stale = datetime.now(UTC) - timedelta(hours=5)
    expired = portal.sign(claims(iat=stale, exp=stale + timedelta(hours=1)))
    forged = signer("HS256-2").sign(claims())

    verdict = shell.json("tokens", "check", "--link", "support", expired, exit_code=1)
    assert verdict["code"] == "token_expired"
    verdict = shell.json("tokens", "check", "--link", "support", forged, exit_code=1)
    assert verdict["code"] == "token_rejected"
    assert "signature" in verdict["reason"]


def test_signed_token_can_be_revoked_as_text(shell, link, portal):
    token = portal.sign(claims())

    assert shell.json("tokens", "revoke", token)["revoked"] == "foreign"
    verdict = shell.json("tokens", "check", "--link", "support", token, exit_code=1)
    assert verdict["code"] == "token_revoked"


def test_guests_id_is_refused_until_the_link_takes_guests(shell, link):
    guest = "shareChat-1790000000000-abcdefghijklmnopqrstuvwx"
    check = ("tokens", "check", "--link", "support", guest)

    assert shell.json(*check, exit_code=1)["code"] == "guests_refused"
    shell.json("links", "update", "support", "--guests")
    assert shell.json(*check)["accepted"] is True
