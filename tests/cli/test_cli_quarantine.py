"""``shareauth quarantine`` and ``shareauth audit``."""

import pytest
from app.keys import Keys
from app.metering import store
from app.metering.store import QuarantineRow

SECRET = "a secret that is only good for tests, 32+"
BODY = '{"token":"x","responseData":[{"问":1'.encode()


@pytest.fixture
def kept(shell, db, now):
    link = shell.json("links", "create", "support")
    keys = Keys(SECRET)
    with db.begin() as session:
        for reference, body in (("aaaaaaaaaa", BODY), ("bbbbbbbbbb", None)):
            row = QuarantineRow(
                reference=reference,
                link_id=link["id"],
                received_at=now,
                reason="request_malformed",
                body_bytes=len(BODY),
                body=body,
            )
            store.quarantine(session, row, keys=keys)


def test_list_shows_what_is_open(shell, kept):
    listed = shell.json("quarantine", "list")["finishes"]

    assert [one["reference"] for one in listed] == ["bbbbbbbbbb", "aaaaaaaaaa"]
    assert listed[0]["link"] == "support"
    assert listed[0]["received_at"] == "2026-11-23T04:00:00Z"


def test_empty_quarantine_says_so(shell):
    assert "Nothing is kept" in shell.text("quarantine", "list")


def test_show_opens_the_body(shell, kept):
    assert shell.json("quarantine", "show", "aaaaaaaaaa")["body"] == BODY.decode()
    assert "responseData" in shell.text("quarantine", "show", "aaaaaaaaaa")


def test_body_goes_to_stdout_byte_by_byte(shell, kept):
    result = shell.run("quarantine", "show", "aaaaaaaaaa", "--body")

    assert result.stdout_bytes == BODY


def test_body_that_was_not_kept_is_said_to_be_gone(shell, kept):
    assert shell.json("quarantine", "show", "bbbbbbbbbb")["body"] is None
    shell.run("quarantine", "show", "bbbbbbbbbb", "--body", exit_code=1)


def test_resolved_finish_leaves_the_list_and_is_audited(shell, kept):
    words = ("quarantine", "resolve", "aaaaaaaaaa", "--resolution", "adjusted by hand")
    resolved = shell.json(*words)

    assert resolved["resolution"] == "adjusted by hand"
    assert [one["reference"] for one in shell.json("quarantine", "list")["finishes"]] == [
        "bbbbbbbbbb"
    ]
    assert len(shell.json("quarantine", "list", "--all")["finishes"]) == 2
    assert shell.error(*words)["code"] == "already_resolved"
    newest = shell.json("audit", "list", "--limit", "1")["entries"][0]
    assert (newest["action"], newest["reason"]) == ("quarantine.resolve", "adjusted by hand")


def test_unknown_reference_is_an_error(shell):
    assert shell.error("quarantine", "show", "cccccccccc")["code"] == "quarantined_not_found"


def test_audit_shows_what_changed_and_by_whom(shell):
    shell.json("links", "create", "support")
    shell.json("links", "update", "support", "--multiplier", "2")
    link_entries = shell.json("audit", "list", "--object", "link", "--id", "1")["entries"]

    assert [entry["action"] for entry in link_entries] == ["links.update", "links.create"]
    assert link_entries[0]["before"]["price_multiplier"] == "1"
    assert link_entries[0]["after"]["price_multiplier"] == "2"
    assert "price_multiplier 2" in shell.text("audit", "list", "--object", "link")
    nobody = shell.json("audit", "list", "--actor", "nobody at all")
    assert nobody == {"entries": [], "next": None}


def test_audit_pages(shell):
    for name in ("a", "b", "c"):
        shell.json("links", "create", name)
    page = shell.json("audit", "list", "--object", "link", "--limit", "2")
    rest = shell.json("audit", "list", "--object", "link", "--before", page["next"])

    names = [entry["after"]["name"] for entry in page["entries"] + rest["entries"]]
    assert names == ["c", "b", "a"]
    assert rest["next"] is None
