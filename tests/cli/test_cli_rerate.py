"""``shareauth prices rerate``."""

import pytest
from app.admission.gate import Gate

from rerating_builders import Shop

PERIOD = ("--since", "2026-01-01", "--until", "2027-01-01")
PREVIEW = ("prices", "rerate", "preview", *PERIOD)
APPLY = ("prices", "rerate", "apply", *PERIOD, "--reason", "wrong price")


@pytest.fixture
def shop(db, now) -> Shop:
    """Two users, of whom one has an answer that was charged twice too high."""
    shop = Shop(db, now)
    shop.publish(per_point="2")
    shop.publish(per_point="1")
    shop.answer(1, points=2)
    shop.answer(2, user=1, points=3)
    return shop


def test_preview_says_what_would_change_for_whom(shell, shop):
    found = shell.json(*PREVIEW, "--price", 2)

    assert found["totals"] == {
        "users": 2,
        "events": 2,
        "changes": 1,
        "left": 0,
        "charged": "7",
        "would_be": "5",
        "difference": "-2",
        "below_zero": 0,
    }
    first, second = found["users"]
    assert (first["subject"], first["difference"], first["balance"], first["balance_after"]) == (
        "person-0",
        "-2",
        "-4",
        "-2",
    )
    assert (second["changes"], second["difference"]) == (0, "0")
    assert (found["since"], found["until"]) == ("2025-12-31T16:00:00Z", "2026-12-31T16:00:00Z")
    assert shop.adjustments() == []


def test_preview_reads_as_a_table_and_says_how_to_go_on(shell, shop):
    text = shell.text(*PREVIEW, "--price", 2)
    digest = shell.json(*PREVIEW, "--price", 2)["digest"]

    assert [line.split() for line in text.splitlines() if "person-0" in line] == [
        ["person-0", "1", "1", "4", "2", "-2", "-2"]
    ]
    assert "person-1" not in text
    assert "Without any change, and not shown: 1 users." in text
    assert f"--expect {digest}" in text


def test_preview_of_nothing_says_so(shell, shop):
    text = shell.text("prices", "rerate", "preview", *PERIOD, "--price", 2, "--since", "2026-12-01")

    assert "No user's charges would change." in text
    assert "Nothing to book." in text


def test_filters_are_names_as_everywhere(shell, shop):
    def events(*words) -> int:
        return shell.json(*PREVIEW, "--price", 2, *words)["totals"]["events"]

    assert events("--user", "person-1") == 1
    assert events("--link", "demo") == 2
    assert shell.error(*PREVIEW, "--price", 2, "--user", "nobody")["code"] == "user_not_found"
    assert shell.error(*PREVIEW, "--price", 2, "--link", "nothing")["code"] == "link_not_found"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--price", "9"), "price_version_not_found"),
        (("--price", "2", "--until", "2025-01-01"), "period_empty"),
    ],
)
def test_what_cannot_be_is_refused(shell, shop, words, code):
    assert shell.error(*PREVIEW, *words)["code"] == code


@pytest.mark.parametrize(
    "words",
    [
        ("--price", "newest"),
        ("--price", "٣"),
        ("--price", "2", "--since", "yesterday"),
        (),
    ],
)
def test_what_means_nothing_is_a_usage_error(shell, words):
    assert shell.error(*PREVIEW, *words, exit_code=2)["code"] == "usage"


def test_apply_books_what_was_looked_at_and_once(shell, shop):
    digest = shell.json(*PREVIEW, "--price", 2)["digest"]
    words = (*APPLY, "--price", 2, "--expect", digest, "--yes")

    done = shell.json(*words)
    assert done["booked"] == {"run": digest, "adjustments": 1, "wallets": 1, "amount": "2"}
    assert done["digest"] == digest
    assert shell.json(*words)["booked"]["adjustments"] == 0
    assert "Nothing to book" in shell.text(*words)
    assert shell.json("ledger", "verify")["findings"] == []


def test_apply_of_another_preview_is_refused(shell, shop):
    words = (*APPLY, "--price", 2, "--expect", "0123456789abcdef", "--yes")

    assert shell.error(*words)["code"] == "preview_changed"
    assert shop.adjustments() == []


def test_apply_shows_the_totals_and_asks(shell, shop):
    result = shell.run(*APPLY, "--price", 2, exit_code=1)

    assert "difference -2 CNY" in result.stdout
    assert "Book these adjustments?" in result.stderr
    assert shop.adjustments() == []


def test_apply_asked_and_answered_books(shell, shop, monkeypatch):
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    assert "Booked 1 adjustments in 1 wallets, 2 CNY in all." in shell.text(*APPLY, "--price", 2)
    assert shop.balance() == -2


def test_a_program_is_not_asked(shell, shop):
    problem = shell.error(*APPLY, "--price", 2, exit_code=2)

    assert "--yes" in problem["message"]
    assert shop.adjustments() == []


def test_wallets_below_zero_need_leave(shell, shop):
    words = (*APPLY, "--price", 1, "--yes")

    assert "below zero" in shell.text(*PREVIEW, "--price", 1)
    assert shell.error(*words)["code"] == "balance_would_be_negative"
    assert shell.json(*words, "--allow-negative")["booked"]["amount"] == "-3"


def test_the_gate_hears_of_every_wallet_that_changed(shell, shop, monkeypatch):
    heard = []
    monkeypatch.setattr(Gate, "set_balance", lambda _, *said: heard.append(said))
    shell.run(*APPLY, "--price", 2, "--yes")
    assert heard == [(shop.stage.user_ids[0], *shop.stage.balance(0))]


def test_in_force_is_the_version_of_the_time(shell, shop):
    assert shell.json(*PREVIEW, "--price", "in-force")["totals"]["changes"] == 1


def test_statement_says_what_an_adjustment_is_about(shell, shop):
    shell.run(*APPLY, "--price", 2, "--yes")

    newest = shell.json("ledger", "statement", "person-0")["entries"][0]
    assert newest["kind"] == "adjustment"
    assert newest["rerating"]["reference"] == "answer-1"
    assert newest["rerating"]["before"]["charge"] == "4"
    assert newest["rerating"]["after"]["charge"] == "2"
    text = shell.text("ledger", "statement", "person-0")
    assert "wrong price (answer answer-1: 4 → 2, prices 1 → 2)" in text


def test_answers_that_are_left_are_named_with_the_reason(shell, shop):
    charge = shop.transaction("answer-1")
    shell.run("ledger", "reverse", charge, "--reason", "a mistake")

    found = shell.json(*PREVIEW, "--price", 2)
    assert found["left"] == [
        {
            "reference": "answer-1",
            "problem": "charge_reversed",
            "subject": "person-0",
            "uid": "u_0",
        }
    ]
    assert "its charge was reversed" in shell.text(*PREVIEW, "--price", 2)
