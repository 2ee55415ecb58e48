"""``shareauth prices``."""

import json

import pytest

BOOK = """
per_point = 1.25
per_question = "0.01"
monthly_allowance = 5

[[models]]
pattern = "gpt-*"
applies = "zero_points"
input_per_1k = 0.1
output_per_1k = "0.4"
"""


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(BOOK)
    return path


def test_first_prices_charge_a_unit_a_point(shell):
    shown = shell.json("prices", "show")

    assert shown["version"] == 1
    assert shown["status"] == "active"
    assert shown["book"]["per_point"] == "1"
    assert shown["book"]["currency"] == "CNY"


def test_publishing_makes_a_new_version_in_exact_decimals(shell, book):
    made = shell.json("prices", "publish", book, "--note", "dearer")

    assert made["status"] == "active"
    assert made["book"]["per_point"] == "1.25"
    assert made["book"]["models"][0]["input_per_1k"] == "0.1"
    versions = shell.json("prices", "list")["versions"]
    assert [(one["version"], one["status"]) for one in versions] == [
        (made["version"], "active"),
        (1, "replaced"),
    ]
    assert versions[0]["note"] == "dearer"


def test_shown_book_can_be_published_again(shell, book, tmp_path):
    shell.json("prices", "publish", book)
    copied = tmp_path / "copy.json"
    copied.write_text(json.dumps(shell.json("prices", "show")["book"]))

    assert shell.error("prices", "publish", copied)["code"] == "prices_unchanged"


def test_version_may_wait_for_its_time(shell, book):
    made = shell.json("prices", "publish", book, "--effective-at", "2099-01-01T00:00:00+08:00")

    assert made["status"] == "planned"
    assert made["effective_at"] == "2098-12-31T16:00:00Z"
    assert shell.json("prices", "show")["version"] == 1
    assert shell.json("prices", "show", made["version"])["book"]["per_point"] == "1.25"


def test_prices_cannot_change_in_the_past(shell, book):
    words = ("prices", "publish", book, "--effective-at", "2020-01-01T00:00:00Z")

    assert shell.error(*words)["code"] == "too_late"


@pytest.mark.parametrize("time", ["tomorrow", "2099-01-01T00:00:00"])
def test_time_without_meaning_or_zone_is_a_usage_error(shell, book, time):
    words = ("prices", "publish", book, "--effective-at", time)

    assert shell.error(*words, exit_code=2)["code"] == "usage"


def test_wrong_book_names_every_problem(shell, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("per_point = -1\nper_token = 3\n")
    problem = shell.error("prices", "publish", path)

    assert "per_point" in problem["message"]
    assert "per_token: not known here" in problem["message"]


def test_book_in_another_currency_is_refused(shell, tmp_path):
    path = tmp_path / "usd.toml"
    path.write_text('currency = "USD"\n')

    assert shell.error("prices", "publish", path)["code"] == "currency_mismatch"


def test_preview_prices_points_by_the_book_in_force(shell):
    shown = shell.json("prices", "preview", "--points", "2.5")

    assert shown["charge"] == "2.5"
    assert shown["version"] == 1
    assert shown["arithmetic"]["per_point"] == "1"


def test_preview_of_a_file_prices_tokens_and_multipliers(shell, book):
    shell.json("links", "create", "support", "--multiplier", "2")
    shell.json("plans", "create", "half", "--multiplier", "0.5")
    words = ("prices", "preview", "--file", book, "--model", "GPT-4o")
    tokens = ("--input-tokens", "1000", "--output-tokens", "500")

    free = shell.json(*words, *tokens)
    assert free["charge"] == "0"  # the allowance takes it
    assert free["arithmetic"]["subtotal"] == "0.31"
    doubled = shell.json(*words, *tokens, "--link", "support")
    assert doubled["arithmetic"]["multiplied"] == "0.62"
    both = shell.json(*words, *tokens, "--link", "support", "--plan", "half")
    assert both["arithmetic"]["multiplied"] == "0.31"
    assert both["version"] is None


def test_preview_says_when_no_price_fits(shell):
    shown = shell.text("prices", "preview", "--model", "mystery", "--input-tokens", "1000")

    assert "No price fits the model mystery" in shown


def test_unknown_version_is_an_error(shell):
    assert shell.error("prices", "show", "99")["code"] == "price_version_not_found"
