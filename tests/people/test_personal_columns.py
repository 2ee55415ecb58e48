"""Every column that may tell of a visitor is in the register, and an erasure does what it says."""

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from app import housekeeping
from app.alerts.models import Alert, Delivery, Destination
from app.audit.journal import Actor
from app.background import periodic
from app.closings.models import FrozenStatement, StatementMail
from app.config import Settings
from app.deliveries.models import Delivery as FileDelivery
from app.deliveries.models import FileDestination
from app.funding import grants
from app.funding.grants import Grace
from app.jobs.models import BackgroundJob
from app.metering.models import UsageSegment
from app.metering.segments import store as segments
from app.metering.segments.document import digest, segment_of
from app.people import erasure, personal_data, receipt
from app.people.personal_columns import ABOUT_NOBODY, TABLES, WHY, columns
from app.people.receipt import NotErased
from app.reports.explore import explore
from app.reports.query import Query
from app.retention.kinds import KINDS
from app.retention.report import report
from app.saved_views.models import SavedView
from app.schedules.models import Schedule, ScheduleRun
from app.sightings.models import Refusal
from app.tables import metadata
from app.tokens.models import Token, VisitorSession
from app.turns.segment_shelf import SegmentShelf
from app.turns.settle import settle_turns
from app.users.models import User
from app.worker import JOBS

from reports_builders import count as rollups
from turn_builders import RULES, Stage

ACTOR = Actor("alice", "cli")
SUBJECT, NAME, DEPARTMENT = "li.lei@example", "李雷-unmistakable", "physics-unmistakable"
NO_GATE = SimpleNamespace(snapshot=lambda *_: None)


def is_text(column):
    return isinstance(column.type, sa.String | sa.JSON | sa.LargeBinary)


def test_every_column_of_text_is_in_the_register():
    """A new one: say in app/people/personal_columns.py what an erasure does to it, and see that
    app/people/erasure.py does it; or that its table tells of no visitor."""
    texts = {
        name: {column.name for column in table.columns if is_text(column)}
        for name, table in metadata.tables.items()
    }
    assert {name for name, found in texts.items() if found} - set(TABLES) - set(
        ABOUT_NOBODY
    ) == set()
    assert not set(TABLES) & set(ABOUT_NOBODY)
    for name, handled in TABLES.items():
        assert set(handled) == texts[name], name
    assert set(ABOUT_NOBODY) <= set(metadata.tables)
    assert {one.handling.why for one in columns()} | set(ABOUT_NOBODY.values()) == {None, *WHY}
    assert all(
        (one.handling.why is None)
        == (one.handling.effect in {"pseudonymised", "removed", "forgotten"})
        for one in columns()
    )


WORDS = {"subject": SUBJECT, "deep": [{"who": NAME}], "other": 7}


@pytest.fixture
def known(db, now):
    """A user whose words stand wherever they may."""
    stage = Stage(db, now)
    user_id = stage.user_ids[1]
    with db.begin() as session:
        alone = segments.ensure(session, (("department", DEPARTMENT),))
        turns = [replace(stage.turn(f"t{n}", 1), segment_id=alone) for n in range(2)]
        settle_turns(session, turns, RULES)
        user = session.get(User, user_id)
        user.subject, user.name, user.locale = SUBJECT, NAME, "zh"
        user.attributes = {"department": DEPARTMENT}
        theirs = {"link_id": stage.link_id, "user_id": user_id}
        session.add_all([*_kept_by_operators(now), *_alerts(now, user_id)])
        over = {"expires_at": now, **theirs}
        session.add(Token(digest="d", is_one_time=False, label=NAME, created_at=now, **over))
        session.add(VisitorSession(token_digest="d", opened_at=now, **over))
        session.add(
            Refusal(
                reference="r",
                at=now,
                hook="start",
                code="balance",
                uid=user.uid,
                issuer="portal",
                subject=SUBJECT,
                address="192.0.2.1",
                called="",
                message=f"{SUBJECT} owes",
                details={"who": NAME},
                **theirs,
            )
        )
        session.flush()
        session.add_all(_messages(now))
    _keep_statement(db, now, user_id)
    return user_id


def _keep_statement(db, now, user_id):
    """Credit that was granted, a statement, a letter that did not go, a report about them."""
    grace = Grace(user_id, 5, "CNY", "welcome", "gift")
    grants.grant(db, grace, actor=ACTOR, now=now)
    with db.begin() as session:
        said = {"year": 2026, "ordinal": 1, "month": 202611, "kind": "wallet", "currency": "CNY"}
        said |= {"opening": 0, "charged": 0, "closing": 5, "hash": "h", "content": '{"v": 1}'}
        session.add(FrozenStatement(id=1, user_id=user_id, **said))
        session.add(FileDestination(id=1, **WHERE, created_at=now))
        session.flush()
        letter = {"statement_id": 1, "copy": 1, "state": "failed", "sent_by": "o"}
        session.add(StatementMail(**letter, begun_at=now, error=f"no such user: {SUBJECT}"))
        sent = {"destination_id": 1, "key": "k", "subject": "Top users", "files": [], "home": "h"}
        sent |= {"asked_by": "o", "status": "delivered", "attempts": 1, "manifest": WORDS}
        sent |= {"summary": f"1. {NAME}", "summary_html": f"<td>{NAME}</td>"}
        session.add(FileDelivery(**sent, due_at=now, finished_at=now, created_at=now))
        made = {"kind": "report", "parameters": WORDS, "every": "day", "at": "06:00", "weekday": 0}
        made |= {"day": 1, "time_zone": "UTC", "destination_ids": [1], "is_enabled": True}
        made |= {"owner": "o", "name": "daily", "watches_from": now, "created_at": now}
        session.add(Schedule(id=1, **made))
        session.flush()
        ran = {"period": "2026-11-25", "since": now, "until": now, "due_at": now, "asked_by": "o"}
        ran |= {"state": "done", "is_again": False, "delivery_ids": [], "manifest": WORDS}
        session.add(ScheduleRun(schedule_id=1, **ran, finished_at=now))


WHERE = {"name": "archive", "kind": "directory", "is_enabled": True, "locale": "en"} | {
    "details": {},
    "sealed": "",
}


def _kept_by_operators(now):
    query = f"user={SUBJECT.replace('@', '%40')}&a="
    asked = {"operator_name": "o", "page": "usage", "name": "v", "is_shared": False}
    yield SavedView(query=query, created_at=now, changed_at=now, **asked)
    yield BackgroundJob(
        kind="rerate",
        parameters=WORDS,
        asked_by="o",
        state="done",
        done=1,
        message=NAME,
        result=WORDS,
        attempts=1,
        created_at=now,
        due_at=now,
        finished_at=now,
    )


def _alerts(now, user_id):
    yield Destination(
        id=1,
        name="d",
        kind="webhook",
        is_enabled=True,
        shown="",
        sealed="",
        locale="en",
        min_severity="info",
        time_zone="UTC",
        created_at=now,
    )
    yield Alert(
        id=1,
        condition="low_balance",
        subject=f"user:{user_id}",
        subject_name=NAME,
        severity="info",
        level=1,
        facts={"name": NAME},
        opened_at=now,
        last_seen_at=now,
        told_at=now,
    )


def _messages(now):
    known = {"status": "delivered", "due_at": now, "attempts": 1, "destination_id": 1}
    known |= {"finished_at": now, "created_at": now, "payload": WORDS}
    yield Delivery(message_id="m1", alert_id=1, event="opened", **known)
    yield Delivery(message_id="m2", event="digest", **known)


def everything(db):
    """All rows of all tables, as one text."""
    with db.read() as session:
        return "\n".join(
            str(tuple(row))
            for table in metadata.sorted_tables
            for row in session.execute(table.select())
        )


def test_nothing_of_the_person_is_left_and_the_books_are(db, now, known):
    data = json.loads("".join(personal_data.document(db, known, now=now)))
    assert data["refusals"][0]["subject"] == SUBJECT
    assert data["alerts"][0]["name"] == NAME
    assert data["answers"][0]["nodes"][0]["model"] == "gpt-4o"
    assert data["grants"][0]["reason"] == "welcome"
    (said,) = data["statements"]
    assert (said["number"], said["content"]) == ("2026-000001", {"v": 1})
    assert said["mailed"] == [{"at": now.isoformat(), "state": "failed"}]
    assert set(personal_data.SECTIONS) <= set(data)
    before = everything(db)
    assert all(word in before for word in (SUBJECT, NAME, DEPARTMENT))
    with db.begin() as session:
        user = session.get(User, known)
        with pytest.raises(NotErased):
            receipt.receipt(session, user, now=now)
        done = erasure.erase(
            session, user, typed=SUBJECT, gate=NO_GATE, actor=ACTOR, now=now, reason="asked"
        )
    # The alert and both of its messages, and one of each of the others.
    assert done.pseudonymised == {
        "refusals": 1,
        "alerts": 3,
        "jobs": 1,
        "saved_views": 1,
        "deliveries": 1,
        "schedules": 2,
        "statement_mails": 1,
        "usage_segments": 1,
    }
    after = everything(db)
    assert [
        word for word in (SUBJECT, "li.lei", NAME, DEPARTMENT, "192.0.2.1") if word in after
    ] == []
    with db.read() as session:
        user = session.get(User, known)
        made = receipt.receipt(session, user, now=now)
        (listed,) = receipt.erasures(session)
    assert (made["erased_by"], made["reason"]) == ("alice", "asked")
    assert made["removed"] == {"sessions": 1, "tokens": 1, **done.pseudonymised} == listed.removed
    assert made["kept"] == {
        "usage_events": 2,
        "usage_segments": 0,
        "ledger_transactions": 3,
        "grants": 1,
        "statements": 1,
        "audit_entries": 3,
    }
    assert {one["table"] for one in made["columns"]} == set(TABLES)
    assert json.loads(json.dumps(made)) == made


def erase(db, now, user_id):
    with db.begin() as session:
        user = session.get(User, user_id)
        done = erasure.erase(
            session, user, typed=user.subject, gate=NO_GATE, actor=ACTOR, now=now, reason="asked"
        )
    with db.read() as session:
        made = receipt.receipt(session, session.get(User, user_id), now=now)
    return done.pseudonymised["usage_segments"], made["kept"]["usage_segments"]


def by_department(db, now):
    """The charge of each department, as a report says it; the books prove it."""
    rollups(db, now)
    query = Query(
        since=now - timedelta(days=1), until=now + timedelta(days=1), zone=RULES.zone,
        by=("attribute:department",),
    )  # fmt: skip
    with db.read() as session:
        report = explore(session, query)
    return {row.labels[0]: row.amounts.charge for row in report.rows}


def test_what_a_group_was_goes_with_the_last_of_its_people(db, now):
    stage = Stage(db, now)
    numbers = {1: now}  # a revision that grows
    shelf = SegmentShelf(db=db, followed=("department", "site"), revision=lambda: len(numbers))
    physics, law = {"department": DEPARTMENT, "site": "A"}, {"department": "law"}
    worn = [(0, physics), (1, physics), (1, law), (2, law), (2, {})]
    turns = [
        replace(stage.turn(f"t{n}", user), segment_id=shelf.segment_of(wearing))
        for n, (user, wearing) in enumerate(worn)
    ]
    with db.begin() as session:
        settle_turns(session, turns, RULES)
    before = by_department(db, now)
    assert set(before) == {DEPARTMENT, "law", ""}
    assert erase(db, now, stage.user_ids[0]) == (0, 1)
    assert by_department(db, now) == before
    old = shelf.segment_of(physics)
    assert erase(db, now, stage.user_ids[1]) == (1, 1)
    after = by_department(db, now)
    assert after == {"~erased": before[DEPARTMENT], "law": before["law"], "": before[""]}
    assert DEPARTMENT not in everything(db)
    with db.read() as session:
        row = session.get(UsageSegment, old)
        assert row.attributes == {"department": "~erased", "site": "~erased"}
        assert row.digest != digest(segment_of(physics, ["department", "site"]))
    numbers[2] = now
    new = shelf.segment_of(physics)  # somebody else, who is of that department now
    assert new != old
    assert erase(db, now, stage.user_ids[2]) == (1, 0)
    assert set(by_department(db, now)) == {"~erased", ""}
    with db.read() as session:
        assert session.get(UsageSegment, new).attributes == physics


def test_what_is_old_goes_and_is_reported(db, now, known, tmp_path):
    settings = Settings.model_validate(
        {"retention": {"profiles_inactive_days": 30}, "service": {"data_dir": tmp_path}}
    )
    runtime = SimpleNamespace(db=db, settings=settings)
    names = {job.name for job in JOBS}
    assert {kind.job for kind in KINDS} - {None} <= names
    later = now + timedelta(days=500)
    for job in (housekeeping.forget_profiles, housekeeping.prune_tokens):
        job(runtime, now)
    assert NAME in everything(db)
    for job in (
        housekeeping.prune_sessions,
        housekeeping.prune_tokens,
        housekeeping.prune_refusals,
        housekeeping.prune_background_jobs,
        housekeeping.prune_alerts,
        housekeeping.forget_profiles,
        housekeeping.prune_operators,
        housekeeping.prune_quarantine,
        housekeeping.prune_unfinished,
        housekeeping.prune_exports,
        periodic.prune_deliveries,
    ):
        job(runtime, later)
    with db.read() as session:
        assert (session.get(User, known).name, session.get(User, known).attributes) == (None, {})
        rows = {row.kind.name: row for row in report(session, settings)}
    removed = {name for name, row in rows.items() if row.removed_ever}
    assert removed == {
        "visitor_sessions",
        "tokens",
        "refusals",
        "jobs",
        "alert_deliveries",
        "deliveries",  # and runs of schedules, but the last of each
        "profiles",
    }
    assert rows["tokens"].rows == 0
    assert rows["tokens"].last_removed_at == rows["tokens"].looked_at == later
    assert rows["tokens"].next_at == later + timedelta(hours=1)
    assert (rows["usage_events"].rows, rows["usage_events"].kept) == (2, None)
    assert rows["usage_events"].oldest == now
    pruned = {row.kind.name for row in rows.values() if row.kind.job}
    assert {name for name, row in rows.items() if row.looked_at} == pruned
