"""``shareauth codes``."""

import stat

import pytest
from app.codes import notation

CREATE = ("codes", "create", "spring", "--amount", "20", "--count", "3")


@pytest.fixture
def batch(shell):
    shell.json("users", "add", "alice")
    return shell.json(*CREATE, "--for", "90d", "--per-user", "2")


def texts(shell):
    return [one["code"] for one in shell.json("codes", "print", "spring")["codes"]]


def test_a_batch_from_its_making_to_the_wallet(shell, batch):
    assert (batch["amount"], batch["currency"], batch["count"]) == ("20", "CNY", 3)
    first, *_ = texts(shell)
    assert first in shell.text("codes", "print", "spring")
    done = shell.json("codes", "redeem", "alice", first)
    assert (done["balance"], done["serial"], done["is_replay"]) == ("20", 1, False)
    assert "Redeemed before" in shell.text("codes", "redeem", "alice", first)
    assert len(texts(shell)) == 2
    shown = shell.json("codes", "show", "spring")
    assert (shown["redeemed"], [one["redeemed_by"] for one in shown["codes"]]) == (1, ["alice"])
    assert "alice" in shell.text("codes", "show", "spring")
    assert shell.json("codes", "show", "spring", "--after", 1)["codes"] == []
    found = shell.json("codes", "find", first.lower())
    assert (found["batch"], found["serial"], found["redeemed_by"]) == ("spring", 1, "alice")
    assert "nobody" in shell.text("codes", "find", texts(shell)[0])
    assert shell.error("codes", "find", notation.new_code())["code"] == "code_unknown"
    (listed,) = shell.json("codes", "list")["batches"]
    assert (listed["name"], listed["redeemed"]) == ("spring", 1)
    assert "spring" in shell.text("codes", "list")
    assert shell.json("ledger", "statement", "alice")["entries"][0]["kind"] == "redemption"
    assert shell.json("ledger", "verify")["ok"] is True


def test_codes_of_granted_credit_say_so_from_the_sheet_to_the_wallet(shell, batch):
    words = ("codes", "create", "trial", "--amount", "5", "--count", "2", "--until", "2099-06-30")
    assert "want --granted" in shell.error(*words, "--credit-days", "9", exit_code=2)["message"]
    ends = ("--granted", "--credit-until", "2099-12-31", "--priority", "3")
    assert "not both" in shell.error(*words, *ends, "--credit-days", "9", exit_code=2)["message"]
    made = shell.json(*words, *ends)
    assert made["credit"]["expires_at"] == "2099-12-31T16:00:00+00:00"
    assert (made["credit"]["priority"], made["credit"]["days"]) == (3, None)
    said = "granted credit of priority 3, good until and including 2099-12-31"
    sheet = shell.text("codes", "print", "trial")
    assert f"Each: 5 CNY, {said}. To be redeemed until and including 2099-06-30." in sheet
    assert said in shell.text("codes", "show", "trial")
    code = shell.json("codes", "print", "trial")["codes"][0]["code"]
    done = shell.json("codes", "redeem", "alice", code)
    assert (done["is_granted"], done["expires_at"]) == (True, "2099-12-31T16:00:00Z")
    (grant,) = shell.json("grants", "list", "--user", "alice")["grants"]
    assert (grant["source"], grant["left"], grant["reason"]) == ("code", "5", "code 1 of trial")
    assert shell.json("ledger", "verify")["ok"] is True


def test_codes_are_written_to_a_file_of_their_own(shell, batch, tmp_path):
    place = tmp_path / "codes.txt"
    shell.text("codes", "print", "spring", "--out", place)
    assert place.read_text().split() == texts(shell)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert shell.error("codes", "print", "spring", "--out", place)["code"] == "file_exists"


def test_printed_codes_are_not_shown_again(shell, batch):
    code = texts(shell)[0]
    shell.text("codes", "print", "spring", "--done")
    assert shell.error("codes", "print", "spring")["code"] == "codes_not_printable"
    assert shell.json("codes", "redeem", "alice", code)["balance"] == "20"


def test_paused_and_cancelled_batches_refuse(shell, batch):
    code = texts(shell)[0]
    shell.text("codes", "pause", "spring", "--reason", "stolen")
    assert shell.error("codes", "redeem", "alice", code)["code"] == "code_paused"
    shell.text("codes", "resume", "spring")
    assert "for good?" in shell.run("codes", "cancel", "spring", exit_code=1).stderr
    shell.text("codes", "cancel", "spring", "--yes")
    assert shell.error("codes", "redeem", "alice", code)["code"] == "code_cancelled"
    assert shell.error("codes", "show", "summer")["code"] == "code_batch_not_found"
