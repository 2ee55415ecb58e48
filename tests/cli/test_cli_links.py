"""``shareauth links``."""

from datetime import UTC, datetime, timedelta

SHARE_URL = "https://fastgpt.example/chat/share?shareId=abc"


def test_create_shows_key_and_root_url(shell):
    made = shell.json("links", "create", "support", "--share-url", SHARE_URL)

    assert made["name"] == "support"
    assert made["status"] == "active"
    assert made["root_url"] == f"https://auth.example/l/{made['key']}"
    assert len(made["key"]) >= 32
    assert made["share_url"] == SHARE_URL


def test_create_for_people_shows_the_root_url_and_what_to_do(shell):
    said = shell.text("links", "create", "support")

    assert "https://auth.example/l/" in said
    assert "identity verification" in said


def test_second_link_of_a_name_is_refused(shell):
    shell.json("links", "create", "support")

    assert shell.error("links", "create", "support")["code"] == "link_exists"


def test_every_setting_can_be_given_at_creation(shell):
    shell.json("plans", "create", "trial")
    made = shell.json(
        *("links", "create", "all"),
        *("--locale", "en", "--guests", "--guest-plan", "trial", "--multiplier", "1.5"),
        *("--counting", "exclusive", "--issuer", "local", "--limit", "points-total=1000.5"),
        *("--visitor-limit", "questions_per_day=20", "--visitor-limit", "burst=unlimited"),
        *("--guest-limit", "questions-per-day=100", "--message", "visitor_rate:zh=慢一点。"),
    )

    assert made["locale"] == "en"
    assert made["allows_guests"] is True
    assert made["guest_plan"] == "trial"
    assert made["price_multiplier"] == "1.5"
    assert made["counting"] == "exclusive"
    assert made["issuers"] == ["local"]
    assert made["limits"] == {"points_total": "1000.5"}
    assert made["visitor_limits"] == {"questions_per_day": 20, "burst": -1}
    assert made["guest_limits"] == {"questions_per_day": 100}
    assert made["messages"] == {"visitor_rate": {"zh": "慢一点。"}}


def test_update_changes_only_what_is_given(shell):
    shell.json(
        *("links", "create", "support", "--share-url", SHARE_URL, "--locale", "zh"),
        *("--visitor-limit", "burst=5", "--visitor-limit", "questions-per-day=9"),
    )
    changed = shell.json(
        "links", "update", "support", "--visitor-limit", "burst=inherit", "--guests"
    )

    assert changed["visitor_limits"] == {"questions_per_day": 9}
    assert changed["allows_guests"] is True
    assert changed["share_url"] == SHARE_URL
    assert changed["locale"] == "zh"


def test_update_takes_values_away(shell):
    shell.json(
        *("links", "create", "support", "--share-url", SHARE_URL, "--locale", "zh"),
        *("--issuer", "local", "--message", "visitor_rate:en=Slow down."),
    )
    changed = shell.json(
        *("links", "update", "support", "--share-url", "", "--locale", "none", "--any-issuer"),
        *("--message", "visitor_rate:en="),
    )

    assert changed["share_url"] is None
    assert changed["locale"] is None
    assert changed["issuers"] is None
    assert changed["messages"] == {}


def test_message_that_fastgpt_would_mask_is_refused(shell):
    problem = shell.error(
        "links", "create", "bad", "--message", "visitor_rate:en=See https://pay.example"
    )

    assert problem["code"] == "invalid"
    assert "masks web addresses" in problem["message"]


def test_limit_that_does_not_exist_is_a_usage_error_that_lists_those_that_do(shell):
    problem = shell.error("links", "create", "x", "--limit", "questions=5", exit_code=2)

    assert problem["code"] == "usage"
    assert "questions-per-minute" in problem["message"]


def test_list_shows_links_without_their_secrets(shell):
    made = shell.json("links", "create", "support")
    listed = shell.run("links", "list", "--json")

    assert made["key"] not in listed.stdout
    assert [link["name"] for link in shell.json("links", "list")["links"]] == ["support"]


def test_empty_list_says_what_to_do(shell):
    assert "links create" in shell.text("links", "list")


def test_link_is_found_by_name_key_and_id(shell):
    made = shell.json("links", "create", "support")

    for reference in ("support", made["key"], made["id"]):
        assert shell.json("links", "show", reference)["root_url"] == made["root_url"]


def test_unknown_link_is_an_error_that_says_where_to_look(shell):
    problem = shell.error("links", "show", "nothing")

    assert problem["code"] == "link_not_found"
    assert "links list" in problem["message"]


def test_link_is_switched_off_and_on(shell):
    shell.json("links", "create", "support")

    assert shell.json("links", "disable", "support")["status"] == "disabled"
    assert shell.json("links", "show", "support")["status"] == "disabled"
    assert shell.json("links", "enable", "support")["status"] == "active"


def test_rotation_keeps_the_old_key_for_the_overlap(shell):
    old = shell.json("links", "create", "support")
    new = shell.json("links", "rotate-key", "support", "--overlap", "2d")

    assert new["key"] != old["key"]
    ends = datetime.fromisoformat(new["old_keys_expire_at"])
    assert timedelta(hours=47) < ends - datetime.now(UTC) <= timedelta(days=2)
    assert shell.json("links", "show", old["key"])["name"] == "support"
    keys = shell.json("links", "show", "support")["keys"]
    assert [key["expires_at"] is None for key in keys] == [True, False]


def test_rotation_without_overlap_ends_the_old_key(shell):
    shell.json("links", "create", "support")
    shell.json("links", "rotate-key", "support", "--overlap", "0s")

    assert len(shell.json("links", "show", "support")["keys"]) == 1


def test_duration_that_is_none_is_a_usage_error(shell):
    shell.json("links", "create", "support")
    problem = shell.error("links", "rotate-key", "support", "--overlap", "soon", exit_code=2)

    assert "1d12h" in problem["message"]
