"""``shareauth users``."""

import json
from datetime import UTC, date, datetime

from app.metering.models import UsageDay
from app.turns import page_pass


def test_show_has_uid_balance_and_points(shell, db):
    added = shell.json("users", "add", "alice", "--name", "Alice Li")
    link = shell.json("links", "create", "support")
    shell.json("ledger", "top-up", "alice", "12.5", "--reason", "first")
    with db.begin() as session:
        session.add(
            UsageDay(
                user_id=added["id"],
                day=date(2026, 11, 23),
                link_id=link["id"],
                is_guest=False,
                questions=2,
                points=1_500_000_000,
                charge=0,
                input_tokens=0,
                output_tokens=0,
            )
        )
    shown = shell.json("users", "show", "alice")

    assert shown["uid"] == added["uid"]
    assert shown["balance"] == "12.5"
    assert shown["currency"] == "CNY"
    assert shown["points_used"] == "1.5"
    assert shown["issuer"] == "local"
    assert shown["status"] == "active"
    assert shown["plan"] == "default"
    assert shown["open_questions"] is None  # nobody knows while Redis is away


def test_user_without_wallet_has_nothing(shell):
    shell.json("users", "add", "alice")
    shown = shell.json("users", "show", "alice")

    assert (shown["balance"], shown["points_used"]) == ("0", "0")


def test_user_is_found_by_uid(shell):
    added = shell.json("users", "add", "alice")

    assert shell.json("users", "show", added["uid"])["subject"] == "alice"


def test_unknown_user_is_an_error_that_says_where_to_look(shell):
    problem = shell.error("users", "show", "nobody")

    assert problem["code"] == "user_not_found"
    assert "users list" in problem["message"]


def test_subject_of_two_issuers_needs_the_issuer(shell, tmp_path):
    secret = tmp_path / "key"
    secret.write_text("s" * 64)
    shell.json("issuers", "add", "portal", "--algorithm", "HS256", "--secret-file", secret)
    ours = shell.json("users", "add", "alice")
    theirs = shell.json("users", "add", "alice", "--issuer", "portal")

    assert ours["uid"] != theirs["uid"]
    problem = shell.error("users", "show", "alice")
    assert problem["code"] == "subject_ambiguous"
    assert "local, portal" in problem["message"]
    assert shell.json("users", "show", "alice", "--issuer", "portal")["uid"] == theirs["uid"]


def test_user_is_added_once(shell):
    shell.json("users", "add", "alice")

    assert shell.error("users", "add", "alice")["code"] == "user_exists"


def test_update_changes_only_what_is_given(shell):
    shell.json("plans", "create", "staff")
    shell.json("users", "add", "alice", "--name", "Alice", "--limit", "burst=3")
    changed = shell.json(
        *("users", "update", "alice", "--plan", "staff", "--locale", "en"),
        *("--limit", "points-per-day=10.5"),
    )

    assert changed["plan"] == "staff"
    assert changed["has_own_plan"] is True
    assert changed["name"] == "Alice"
    assert changed["limits"] == {"burst": 3, "points_per_day": "10.5"}
    back = shell.json("users", "update", "alice", "--plan", "", "--locale", "none")
    assert (back["plan"], back["has_own_plan"], back["locale"]) == ("default", False, None)


def test_unknown_plan_is_an_error(shell):
    shell.json("users", "add", "alice")

    assert shell.error("users", "update", "alice", "--plan", "gold")["code"] == "plan_not_found"


def test_users_of_an_issuer_show_its_plan(shell, tmp_path):
    secret = tmp_path / "key"
    secret.write_text("s" * 64)
    shell.json("plans", "create", "partner")
    shell.json(
        *("issuers", "add", "portal", "--algorithm", "HS256", "--secret-file", secret),
        *("--default-plan", "partner"),
    )
    added = shell.json("users", "add", "bob", "--issuer", "portal")

    assert (added["plan"], added["has_own_plan"]) == ("partner", False)


def test_suspension_is_audited_with_its_reason(shell):
    shell.json("users", "add", "alice")

    assert shell.json("users", "suspend", "alice", "--reason", "left")["status"] == "suspended"
    assert shell.json("users", "activate", "alice")["status"] == "active"
    entries = shell.json("audit", "list", "--object", "user")["entries"]
    assert [entry["action"] for entry in entries] == [
        "users.activate",
        "users.suspend",
        "users.create",
    ]
    assert entries[1]["reason"] == "left"
    assert entries[1]["source"] == "cli"


def test_list_pages_in_order_of_first_sight(shell):
    for name in ("alice", "bob", "carol"):
        shell.json("users", "add", name)
    page = shell.json("users", "list", "--limit", "2")
    rest = shell.json("users", "list", "--limit", "2", "--after", page["next"])

    assert [user["subject"] for user in page["users"]] == ["alice", "bob"]
    assert [user["subject"] for user in rest["users"]] == ["carol"]
    assert rest["next"] is None


def test_names_cannot_drive_the_terminal(shell):
    shell.json("users", "add", "mallory", "--name", "\x1b[31mred[bold]\u202e")
    shown = shell.text("users", "list")

    assert "\x1b" not in shown
    assert "\\x1b[31mred[bold]\\u202e" in shown


def test_erased_user_leaves_number_uid_and_wallet(shell, tmp_path):
    added = shell.json("users", "add", "alice", "--name", "Alice Li")
    shell.json("ledger", "top-up", "alice", "5", "--reason", "order 1")
    written = tmp_path / "alice.json"
    shell.json("users", "personal-data", "alice", "--out", str(written))
    assert json.loads(written.read_text("utf-8"))["profile"]["name"] == "Alice Li"
    problem = shell.error("users", "erase", "alice", "--subject", "alic")
    assert problem["code"] == "subject_differs"

    erased = shell.json("users", "erase", "alice", "--subject", "alice", "--reason", "asked")
    assert (erased["id"], erased["uid"]) == (added["id"], added["uid"])
    assert shell.error("users", "show", "alice")["code"] == "user_not_found"
    shown = shell.json("users", "show", erased["subject"])
    assert (shown["name"], shown["status"], shown["balance"]) == (None, "suspended", "5")
    assert shell.json("ledger", "verify")["ok"]
    journal = str(shell.json("audit", "list"))
    assert "Alice Li" not in journal
    assert shell.json("users", "add", "alice")["uid"] != added["uid"]


def test_a_link_to_the_page_of_a_user_lasts_as_long_as_is_said(shell, keys):
    shell.json("users", "add", "alice")
    made = shell.json("users", "page-link", "alice", "--ttl", "30m")
    assert made["url"].startswith("https://auth.example/me/s/")
    signed = made["url"].rpartition("/")[2]
    given = page_pass.read(signed, "link", keys=keys, now=datetime.now(UTC))
    assert given.expires_us - given.made_us == 1800 * 1_000_000
    for ttl in ("30s", "31d"):
        assert shell.error("users", "page-link", "alice", "--ttl", ttl)["code"] == "ttl_invalid"
