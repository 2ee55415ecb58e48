"""``shareauth usage``: reports, pages of answers, all about one, and the sums made anew."""

from datetime import UTC, datetime, timedelta

import pytest
from app.audit.journal import Actor
from app.funding import changes
from app.funding.changes import Reversal
from app.ledger.models import Transaction
from app.reports.events.listing import list_events
from app.reports.events.store import EventFilters
from app.turns.settle import settle_turns
from sqlalchemy import select

from books import make_link
from reports_builders import Answer, write
from turn_builders import RULES, Stage


@pytest.fixture
def stage(db):
    stage = Stage(db, datetime.now(UTC) - timedelta(hours=2))
    with db.begin() as session:
        turns = [stage.turn("a"), stage.turn("b", 1, points=4), stage.turn("c", points=6)]
        settle_turns(session, turns, RULES)
    return stage


def test_reports_say_what_was_used_and_how_far_they_count(shell, stage):
    empty = shell.json("usage", "explore")
    assert (empty["total"]["questions"], empty["is_behind"]) == (0, True)
    assert "There are newer ones, which are not counted yet." in shell.text("usage", "explore")

    assert shell.json("usage", "rebuild")["events"] == 3
    found = shell.json("usage", "explore", "--by", "user", "--limit", "1", "--visitors")
    assert found["total"]["charge"] == "6"
    assert (found["total"]["visitors"], found["counted_to"]["event"]) == (2, 3)
    top, others = found["rows"]
    assert (top["user"], top["user_id"], top["charge"]) == ("person-0", stage.user_ids[0], "4")
    assert (others["others"], others["charge"], others["questions"]) == (True, "2", 1)
    assert found["is_behind"] is False
    shown = shell.text(
        "usage", "explore", "--per", "day", "--by", "model", "--zone", "Asia/Kathmandu"
    )
    assert "gpt-4o" in shown
    assert "total" in shown
    assert "a margin here is of the charge alone" in shown
    assert "of the charge alone" not in shell.text("usage", "explore", "--by", "link")
    assert shell.error("usage", "explore", "--zone", "Mars/Olympus")["code"] == "zone_unknown"
    only = shell.json("usage", "explore", "--user", "person-1", "--link", "demo", "--app", "a")
    assert only["total"]["questions"] == 1


def test_rebuilding_leaves_an_audit_row_and_the_same_sums(shell, stage):
    del stage
    first = shell.json("usage", "rebuild", "--reason", "restored")
    report = shell.json("usage", "explore", "--per", "hour", "--by", "link")
    assert shell.json("usage", "rebuild")["events"] == first["events"] == 3
    assert shell.json("usage", "explore", "--per", "hour", "--by", "link")["rows"] == report["rows"]
    entries = shell.json("audit", "list")["entries"]
    reasons = [one["reason"] for one in entries if one["action"] == "usage.rebuild"]
    assert sorted(reasons, key=str) == [None, "restored"]


def test_one_answer_with_its_arithmetic_and_what_became_of_it(shell, db, stage):
    with db.read() as session:
        charge = session.scalars(select(Transaction.id).order_by(Transaction.id)).first()
    actor = Actor("alice", "cli")
    changes.reverse(db, Reversal(charge, "wrong", "undo"), actor=actor, now=stage.now)

    found = shell.json("usage", "show", "a")
    assert (found["subject"], found["link"], found["plan"]) == ("person-0", "demo", "p")
    assert (found["charge"], found["costs_now"]) == ("1", "0")
    assert [line["model"] for line in found["lines"]] == ["gpt-4o"]
    assert found["steps"][0] == {
        "code": "points",
        "formula": "2 × 0.5",
        "amount": "1",
        "of": "",
    }
    assert [one["kind"] for one in found["transactions"]] == ["charge", "reversal"]
    assert "gpt-4o" in shell.text("usage", "show", "a")
    assert shell.error("usage", "show", "nothing")["code"] == "event_not_found"


def test_pages_of_answers_go_on_where_the_last_one_ended(shell, db, stage):
    with db.begin() as session:
        other = make_link(session, stage.now, "other")
    later = stage.now + timedelta(minutes=1)
    answers = [
        Answer(stage.now, stage.user_ids[2], other, chat_id="chat-1"),
        Answer(later, stage.user_ids[2], other, warnings={"points_null": 1}),
    ]
    write(db, answers, first=4)

    first = shell.json("usage", "events", "--limit", "2")
    assert [event["reference"] for event in first["events"]] == ["r5", "r4"]
    rest = shell.json("usage", "events", "--cursor", first["cursor"])
    assert [event["reference"] for event in rest["events"]] == ["c", "b", "a"]
    assert rest["cursor"] is None

    def references(*words):
        found = shell.json("usage", "events", *words)["events"]
        return [event["reference"] for event in found]

    assert references("--warnings") == ["r5"]
    assert references("--chat", "chat-1") == ["r4"]
    assert references("--model", "gpt-4o", "--user", "person-0") == ["c", "a"]
    assert references("--link", "other", "--app", "bot") == ["r5", "r4"]
    assert references("--plan", "default", "--issuer", "local") == []
    assert references("--attribute", "department=") == ["r5", "r4", "c", "b", "a"]
    assert references("--attribute", "department=Sales") == []
    assert shell.error("usage", "events", "--plan", "none")["code"] == "plan_not_found"
    assert references("--until", "2020-01-01") == []
    assert shell.error("usage", "events", "--cursor", "x")["code"] == "cursor_invalid"
    assert "points_null" in shell.text("usage", "events")
    with db.read() as session:
        seen = list_events(session, EventFilters(), link_ids=frozenset({other})).events
        assert {event.link_name for event in seen} == {"other"}
