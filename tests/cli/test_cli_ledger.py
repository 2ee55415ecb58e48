"""``shareauth ledger``."""

import subprocess
import sys
from pathlib import Path

import pytest
from app.ledger import writer
from app.ledger.models import Account
from app.ledger.transactions import Entry
from app.statements import proof

from books import NANO, make_event, make_link


@pytest.fixture
def alice(shell):
    return shell.json("users", "add", "alice")


def charge(db, now, user_id, key, nano, models):
    """One answer that was charged, without its daily sums."""
    with db.begin() as session:
        link_id = make_link(session, now, name=f"link-{key}")
        event_id = make_event(
            session,
            key=key,
            user_id=user_id,
            link_id=link_id,
            now=now,
            charge=nano,
            lines=models,
        )
        wallet = writer.lock_wallet(session, user_id, currency="CNY", now=now)
        entry = Entry(
            kind="charge",
            amount=-nano,
            counter_account="revenue",
            idempotency_key=key,
            actor="hooks",
            event_id=event_id,
        )
        writer.post(session, wallet, entry, now=now)


def test_top_up_says_the_new_balance(shell, alice):
    first = shell.json("ledger", "top-up", "alice", "100", "--reason", "order 1")
    second = shell.json("ledger", "top-up", "alice", "0.000000001", "--reason", "order 2")

    assert first["amount"] == "100"
    assert first["balance"] == "100"
    assert second["balance"] == "100.000000001"
    assert first["uid"] == alice["uid"]
    assert first["key"] != second["key"]


def test_same_key_books_once(shell, alice):
    words = ("ledger", "top-up", "alice", "5", "--reason", "order 1", "--key", "order-1")
    first, again = shell.json(*words), shell.json(*words)

    assert (first["is_replay"], again["is_replay"]) == (False, True)
    assert again["transaction"] == first["transaction"]
    assert again["balance"] == "5"


def test_same_key_for_something_else_is_refused(shell, alice):
    shell.json("ledger", "top-up", "alice", "5", "--reason", "order 1", "--key", "k")
    problem = shell.error("ledger", "top-up", "alice", "6", "--reason", "order 1", "--key", "k")

    assert problem["code"] == "idempotency_conflict"


@pytest.mark.parametrize("amount", ["much", "1.0000000001", "1e400"])
def test_amount_that_the_ledger_cannot_hold_is_a_usage_error(shell, alice, amount):
    words = ("ledger", "top-up", "alice", amount, "--reason", "x")

    assert shell.error(*words, exit_code=2)["code"] == "usage"


def test_top_up_of_nothing_is_refused(shell, alice):
    words = ("ledger", "top-up", "alice", "0", "--reason", "x")

    assert shell.error(*words)["code"] == "ledger_entry_invalid"


def test_reason_is_required(shell, alice):
    assert "--reason" in shell.error("ledger", "top-up", "alice", "5", exit_code=2)["message"]


def test_top_up_of_an_unknown_user_is_an_error(shell):
    words = ("ledger", "top-up", "nobody", "5", "--reason", "x")

    assert shell.error(*words)["code"] == "user_not_found"


def test_adjustment_takes_a_negative_amount_but_not_below_zero(shell, alice):
    shell.json("ledger", "top-up", "alice", "5", "--reason", "x")

    assert shell.json("ledger", "adjust", "alice", "-2.5", "--reason", "x")["balance"] == "2.5"
    words = ("ledger", "adjust", "alice", "-3", "--reason", "x")
    assert shell.error(*words)["code"] == "balance_would_be_negative"
    assert shell.json(*words, "--allow-negative")["balance"] == "-0.5"


def test_refund_adds(shell, alice):
    assert shell.json("ledger", "refund", "alice", "3", "--reason", "x")["balance"] == "3"


def test_reversal_undoes_a_transaction_once(shell, alice):
    shell.json("ledger", "top-up", "alice", "5", "--reason", "stays")
    made = shell.json("ledger", "top-up", "alice", "5", "--reason", "x")
    undone = shell.json("ledger", "reverse", made["transaction"], "--reason", "wrong person")

    assert undone["amount"] == "-5"
    assert undone["balance"] == "5"
    again = ("ledger", "reverse", made["transaction"], "--reason", "wrong person")
    assert shell.error(*again)["code"] == "already_reversed"
    assert shell.error("ledger", "reverse", "999", "--reason", "x")["code"] == (
        "transaction_not_found"
    )


def test_statement_has_points_amount_and_models(shell, db, now, alice):
    shell.json("ledger", "top-up", "alice", "10", "--reason", "order 1")
    charge(
        db, now, alice["id"], "a", 2 * NANO, [("GPT-5", NANO), ("bge", NANO // 2), ("GPT-5", NANO)]
    )
    statement = shell.json("ledger", "statement", "alice")
    charged, topped_up = statement["entries"]

    assert statement["balance"] == "8"
    assert statement["next"] is None
    assert charged["kind"] == "charge"
    assert charged["points"] == "2.5"
    assert charged["amount"] == "-2"
    assert charged["balance_after"] == "8"
    assert charged["models"] == ["GPT-5", "bge"]
    assert charged["reference"] == "a"
    assert charged["at"].endswith("Z")
    assert topped_up["kind"] == "top_up"
    assert (topped_up["points"], topped_up["models"]) == ("0", [])
    assert topped_up["reason"] == "order 1"


def test_statement_is_whole_as_json_and_paged_for_people(shell, alice):
    for number in range(4):
        shell.json("ledger", "top-up", "alice", "1", "--reason", f"order {number}")
    page = shell.json("ledger", "statement", "alice", "--limit", "3")
    rest = shell.json("ledger", "statement", "alice", "--before", page["next"])

    assert len(shell.json("ledger", "statement", "alice")["entries"]) == 4
    reasons = [entry["reason"] for entry in page["entries"] + rest["entries"]]
    assert reasons == ["order 3", "order 2", "order 1", "order 0"]
    shown = shell.text("ledger", "statement", "alice", "--limit", "3")
    assert "order 3" in shown
    assert "order 0" not in shown
    assert f"--before {page['next']}" in shown
    assert "Balance of alice: 4 CNY" in shown


def test_statement_of_a_user_without_wallet_is_empty(shell, alice):
    statement = shell.json("ledger", "statement", "alice")

    assert (statement["balance"], statement["entries"]) == ("0", [])
    assert "Nothing was booked yet" in shell.text("ledger", "statement", "alice")


def test_sound_ledger_verifies(shell, alice):
    shell.json("ledger", "top-up", "alice", "5", "--reason", "x")
    verified = shell.json("ledger", "verify")

    assert verified["ok"] is True
    assert verified["findings"] == []
    assert verified["counts"]["transactions"] == 1
    assert "everything adds up" in shell.text("ledger", "verify")


def test_damaged_ledger_is_found_and_ends_with_one(shell, db, alice):
    shell.json("ledger", "top-up", "alice", "5", "--reason", "x")
    with db.begin() as session:
        wallet = session.query(Account).filter_by(user_id=alice["id"]).one()
        wallet.balance += 1
    verified = shell.json("ledger", "verify", exit_code=1)

    assert verified["ok"] is False
    assert [finding["code"] for finding in verified["findings"]] == ["account_differs"]
    assert "account_differs" in shell.text("ledger", "verify", exit_code=1)


def test_verify_since_believes_what_came_before(shell, db, alice):
    shell.json("ledger", "top-up", "alice", "5", "--reason", "x")
    with db.begin() as session:
        wallet = session.query(Account).filter_by(user_id=alice["id"]).one()
        wallet.balance += 1

    assert shell.json("ledger", "verify", "--since", "2099-01-01T00:00:00Z")["ok"] is True
    assert "heads" not in shell.text("ledger", "verify", "--since", "2099-01-01T00:00:00Z")
    recent = shell.json("ledger", "verify", "--since", "2020-01-01T00:00:00Z", exit_code=1)
    assert [finding["code"] for finding in recent["findings"]] == ["account_differs"]


def test_verify_warns_of_answers_without_a_price_and_still_ends_well(shell, db, now, alice):
    charge(db, now, alice["id"], "a", NANO, [("GPT-5", NANO)])
    since = shell.json("ledger", "verify", "--since", "2020-01-01T00:00:00Z")

    assert (since["ok"], since["findings"]) == (True, [])
    # No worker has followed the books here, so the reports are behind as well.
    warned = {warning["code"] for warning in since["warnings"]}
    assert warned == {"events_unpriced", "reports_behind"}
    assert "prices publish" in shell.text("ledger", "verify", "--since", "2020-01-01T00:00:00Z")


@pytest.mark.parametrize("name", ["books", "books.zip"])
def test_proof_of_what_commands_booked_is_ok(shell, tmp_path, alice, name):
    shell.json("ledger", "top-up", "alice", "5", "--reason", "order of Ms Chen")
    shell.json("ledger", "adjust", "alice", "-1.5", "--reason", "twice")
    place = tmp_path / name
    written = shell.json("ledger", "export-proof", "--out", place)
    checker = Path(proof.__file__).with_name("check_proof.py")
    ran = subprocess.run(
        [sys.executable, "-I", checker, place], capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert written["place"] == str(place)
    assert written["manifest"]["totals"]["wallets"] == 3_500_000_000
    assert written["manifest"]["heads"] == shell.json("ledger", "verify")["heads"]
    again = shell.error("ledger", "export-proof", "--out", place)
    assert again["code"] == "place_taken"


def test_proof_says_how_to_check_it(shell, tmp_path, alice):
    told = shell.text("ledger", "export-proof", "--out", tmp_path / "a", "--with-words")
    assert f"python3 {tmp_path}/a/check.py {tmp_path}/a" in told
    told = shell.text("ledger", "export-proof", "--out", tmp_path / "a.zip")
    assert f"unzip -p {tmp_path}/a.zip check.py > check.py" in told
