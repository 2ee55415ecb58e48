"""``shareauth refusals`` and ``links calls``: what support and whoever sets up FastGPT ask."""

from datetime import UTC, datetime, timedelta

import pytest
from app.errors import Person
from app.sightings import store
from app.sightings.tally import Tally

from sighting_builders import refused, seen

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def place(shell, db):
    """Refusals of alice on the link support, and one call to no link."""
    link, user = shell.json("links", "create", "support"), shell.json("users", "add", "alice")
    alice = Person(user["id"], user["uid"], "local", "alice")
    sightings = [
        refused(
            "visitor_rate",
            link["id"],
            NOW - HOUR,
            reference="abc",
            person=alice,
            message="for visitor.questions_per_minute is 3",
            details={"limit": 3, "wait_s": 20},
        ),
        refused("balance_too_low", link["id"], NOW - 2 * HOUR, reference="def", person=alice),
        refused("link_unknown", None, NOW - 3 * HOUR, reference="ghi", called="POST /wrong"),
        seen("init", link["id"], NOW - 2 * HOUR),
        seen("start", link["id"], NOW - 2 * HOUR),
    ]
    tally = Tally(on_dropped=lambda *_: None)
    tally.add(sightings)
    with db.begin() as session:
        store.write(session, calls=tally.calls({}), refusals=tally.refusals, links={})
    return link


def test_support_finds_out_why_by_the_reference(shell, place):
    found = shell.json("refusals", "show", "ABC")
    assert (found["code"], found["link"], found["subject"]) == ("visitor_rate", "support", "alice")
    assert found["details"] == {"limit": 3, "wait_s": 20}
    shown = shell.text("refusals", "show", "abc")
    assert "for visitor.questions_per_minute is 3" in shown
    assert "limit 3, wait_s 20" in shown
    assert shell.error("refusals", "show", "xyz")["code"] == "refusal_not_found"


def test_refusals_are_listed_newest_first_and_by_what_is_wanted(shell, place):
    def references(*words):
        return [one["reference"] for one in shell.json("refusals", "list", *words)["refusals"]]

    assert references() == ["abc", "def", "ghi"]
    assert references("--limit", "1", "--after", "abc") == ["def"]
    assert references("--user", "alice", "--code", "balance_too_low") == ["def"]
    assert references("--link", "support", "--since", "90m") == ["abc"]
    assert references("--until", (NOW - 2 * HOUR).isoformat()) == ["ghi"]
    assert references("--no-link") == ["ghi"]
    assert references("--hook", "finish") == []
    assert "nobody was refused" in shell.text("refusals", "list", "--hook", "finish")
    assert "support" in shell.text("refusals", "list", "--user", "alice")
    error = shell.error("refusals", "list", "--no-link", "--link", "support")
    assert error["code"] == "invalid"


def test_calls_of_a_link_say_what_is_wrong_with_its_set_up(shell, place):
    found = shell.json("links", "calls", "support")
    assert [(one["hook"], one["code"], one["count"]) for one in found["calls"]] == [
        ("init", "ok", 1),
        ("start", "balance_too_low", 1),
        ("start", "ok", 1),
        ("start", "visitor_rate", 1),
    ]
    assert [one["code"] for one in found["findings"]] == ["finish_never_seen"]
    shown = shell.text("links", "calls", "support")
    assert "problem: FastGPT calls init and start but finish was never seen" in shown


def test_link_that_was_never_called_shows_the_calls_that_went_astray(shell, place):
    shell.json("links", "create", "other")
    shown = shell.text("links", "calls", "other")
    assert "No call yet." in shown
    assert "come from 192.0.2.1 to POST /wrong, which belongs to no link" in shown
