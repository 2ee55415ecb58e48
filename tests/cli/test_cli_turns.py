"""``shareauth turns``, and what the doctor says of missing finishes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from app.checks.turns import check_turns
from app.metering.models import UsageDay
from app.unfinished import store
from app.unfinished.store import UnfinishedRow

from books import NANO

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def row(shell):
    """A turn of alice on the link support, asked an hour ago."""
    link, user = shell.json("links", "create", "support"), shell.json("users", "add", "alice")
    asked_at = datetime.now(UTC) - timedelta(hours=1)
    return UnfinishedRow(
        ticket="t0",
        user_id=user["id"],
        link_id=link["id"],
        plan_id=None,
        is_guest=False,
        asked_at=asked_at,
        expired_at=asked_at + timedelta(minutes=15),
        hold=NANO // 4,
        points_hold=2 * NANO,
        recorded_at=asked_at + timedelta(minutes=16),
    )


@pytest.fixture
def record(db):
    def insert(*rows):
        with db.begin() as session:
            assert store.record(session, rows).new == rows

    return insert


def test_none_is_said_to_be_none(shell):
    assert shell.json("turns", "unfinished")["turns"] == []
    assert "None: every question" in shell.text("turns", "unfinished")


def test_unfinished_turns_are_listed_newest_first_with_their_sum(shell, db, row, record):
    finished_at = row.expired_at + timedelta(minutes=1)
    record(row, replace(row, ticket="t1", asked_at=row.asked_at + timedelta(minutes=1)))
    record(replace(row, ticket="t2", asked_at=row.asked_at + timedelta(minutes=2)))
    with db.begin() as session:
        store.finish_late(
            session,
            user_id=row.user_id,
            link_id=row.link_id,
            received_at=finished_at,
            finished_by="digest:1",
        )
    found = shell.json("turns", "unfinished")

    assert [turn["ticket"] for turn in found["turns"]] == ["t2", "t1", "t0"]
    assert (found["unfinished"], found["finished_late"]) == (2, 1)
    assert (found["expected_charge"], found["expected_points"]) == ("0.5", "4")
    newest = found["turns"][0]
    assert (newest["link"], newest["subject"], newest["is_guest"]) == ("support", "alice", False)
    assert newest["finished_by"] == "digest:1"
    shown = shell.text("turns", "unfinished")
    assert "2 without a finish, expected to cost 0.5 CNY (4 points); 1 finished late" in shown


def test_turns_are_chosen_by_time_link_and_user(shell, row, record):
    shell.json("links", "create", "other")
    shell.json("users", "add", "bob")
    old = row.asked_at - timedelta(days=3)
    record(row, replace(row, ticket="old", asked_at=old))

    def tickets(*words):
        return [turn["ticket"] for turn in shell.json("turns", "unfinished", *words)["turns"]]

    assert tickets() == ["t0"]
    assert tickets("--since", "7d") == ["t0", "old"]
    assert tickets("--since", "7d", "--limit", "1") == ["t0"]
    assert tickets("--since", "5m") == []
    assert tickets("--link", "support", "--user", "alice") == ["t0"]
    assert tickets("--link", "other") == []
    assert tickets("--user", "bob") == []
    assert shell.error("turns", "unfinished", "--link", "nowhere")["code"] == "link_not_found"


@pytest.mark.parametrize(
    ("unfinished", "answered", "status"),
    [(0, 0, "ok"), (19, 0, "ok"), (20, 0, "warning"), (20, 80, "ok"), (20, 79, "warning")],
)
def test_doctor_warns_when_many_finishes_are_missing(db, row, record, unfinished, answered, status):
    now = datetime.now(UTC)
    record(*[replace(row, ticket=f"n{number}") for number in range(unfinished)])
    with db.begin() as session:
        day = UsageDay(
            user_id=row.user_id,
            day=now.astimezone(SHANGHAI).date(),
            link_id=row.link_id,
            is_guest=False,
            questions=answered,
            points=0,
            charge=0,
            input_tokens=0,
            output_tokens=0,
        )
        session.add(day)
    with db.read() as session:
        finding = check_turns(session, zone=SHANGHAI, now=now)
        assert (finding.id, finding.status) == ("SA701", status)
        later = check_turns(session, zone=SHANGHAI, now=now + timedelta(days=3))
    assert later.message == "0 of 0 questions since yesterday have none"


def test_doctor_looks_at_finishes(shell, row):
    found = {one["id"]: one for one in shell.json("doctor", "--offline")["findings"]}
    assert found["SA701"]["status"] == "ok"
