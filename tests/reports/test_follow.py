"""The sums count every event once: whatever the order of commits, and whoever is killed when."""

import random
import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app import schema
from app.audit.journal import Actor
from app.funding import changes
from app.funding.changes import Change, Reversal
from app.ledger.models import Transaction
from app.metering.models import UsageArchive, UsageEvent, UsageLine
from app.reports import overview as overviews
from app.reports import store as store_of_reports
from app.reports.explore import LinesGone, explore
from app.reports.models import (
    ReportPosition,
    UsageByLink,
    UsageByModel,
    UsageBySegment,
    UsageByUser,
    UsageCorrection,
    UsageFirstAnswers,
    UsageModelTotals,
    UsageName,
    UsageReturns,
    UsageSegmentModels,
    UsageTimesByLink,
    UsageTimesBySegment,
    UsageTotals,
    UsageUserModels,
    UsageUserTotals,
)
from app.reports.proof import check
from app.reports.query import Query
from app.reports.rollup import follow, store
from app.reports.spans import HOUR
from app.turns.settle import settle_turns

from books import make_link, make_users
from reports_builders import (
    SHANGHAI,
    Answer,
    Line,
    count,
    make_answers,
    make_around,
    spread,
    write,
)
from turn_builders import RULES, Stage

ACTOR = Actor("alice", "cli")
TABLES = (
    UsageByLink,
    UsageByUser,
    UsageByModel,
    UsageBySegment,
    UsageTimesByLink,
    UsageTimesBySegment,
    UsageTotals,
    UsageUserTotals,
    UsageModelTotals,
    UsageUserModels,
    UsageSegmentModels,
    UsageReturns,
    UsageCorrection,
    UsageFirstAnswers,
)
BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")


@pytest.fixture
def books(db, now):
    with db.begin() as session:
        make_users(session, now, 3)
        make_link(session, now, "one")
        make_link(session, now, "two")
        make_around(session, now)
    return db


def contents(db):
    with db.read() as session:
        return [
            sorted(tuple(row) for row in session.execute(sa.select(table.__table__)))
            for table in TABLES
        ]


def some(now, number=60, seed=3):
    rng = random.Random(seed)
    return make_answers(rng, spread(rng, [now], 40, number), [1, 2, 3], [1, 2], has_more=True)


def position(db):
    with db.read() as session:
        return session.get(ReportPosition, 1)


def test_counting_little_by_little_equals_counting_at_once(books, now):
    write(books, some(now))
    steps = count(books, now, events_max=7)
    assert [step.events for step in steps] == [7] * 8 + [4]
    bit_by_bit = contents(books)
    with books.begin() as session:
        follow.restart(session, zone=SHANGHAI, now=now)
    assert contents(books) == [[]] * len(TABLES)
    count(books, now)
    assert contents(books) == bit_by_bit
    assert count(books, now)[0] == follow.Advanced(0, 0, is_done=True)
    assert contents(books) == bit_by_bit


def test_who_is_killed_between_sums_and_position_has_done_neither(books, now, monkeypatch):
    write(books, some(now, 20))
    count(books, now, events_max=8)
    before = contents(books)
    write(books, some(now, 20, seed=4), first=21)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(follow, "_count_moved", killed)
        with pytest.raises(KeyboardInterrupt):
            count(books, now, events_max=8)
    assert contents(books) == before
    count(books, now, events_max=8)
    with books.begin() as session:
        expected = contents(books)
        follow.restart(session, zone=SHANGHAI, now=now)
    count(books, now)
    assert contents(books) == expected


def test_event_that_is_committed_after_a_later_one_is_counted(books, now):
    """On SQLite the second writer would have to wait: there is no such order."""
    if books.dialect == "sqlite":
        pytest.skip("one writer at a time")
    early, late = threading.Event(), threading.Event()

    def slow():
        with books.begin() as session:
            session.execute(_insert(1, now))
            early.set()
            assert late.wait(20)

    writing = threading.Thread(target=slow)
    writing.start()
    assert early.wait(20)
    with books.begin() as session:
        session.execute(_insert(2, now))

    assert count(books, now) == [follow.Advanced(0, 0, is_done=True)]
    assert position(books).event_id == 0
    with books.read() as session:
        assert explore(session, _month(now)).counted.is_behind
    late.set()
    writing.join()
    (step,) = count(books, now)
    assert (step.events, position(books).event_id) == (2, 2)


def test_event_that_is_never_committed_holds_nobody_up(books, now):
    if books.dialect == "sqlite":
        pytest.skip("one writer at a time")
    with books.engine.connect() as connection:
        connection.execute(_insert(1, now))
        connection.rollback()
    with books.begin() as session:
        session.execute(_insert(2, now))
    (step,) = count(books, now)
    assert (step.events, position(books).event_id) == (1, 2)


@pytest.mark.parametrize("zone", [BERLIN, KOLKATA], ids=str)
def test_another_clock_makes_days_and_months_anew(books, now, zone):
    write(books, some(now))
    count(books, now)
    in_shanghai = contents(books)
    count(books, now, zone=zone)
    moved = contents(books)
    assert moved != in_shanghai
    with books.begin() as session:
        follow.restart(session, zone=zone, now=now)
    count(books, now, zone=zone)
    assert contents(books) == moved


def forget_what_is_new(session):
    """As an older version left it: neither costs nor segments nor times, and no totals."""
    for table in (UsageByLink, UsageByUser, UsageByModel):
        session.execute(sa.update(table).values(cost=0, costed_points=0))
    for table in TABLES[3:-1]:
        session.execute(sa.delete(table))
    forgotten = {"wide_event_id": 0, "totals_event_id": 0, "models_event_id": 0}
    unknown = {"totals_from": None, "models_from": None}
    session.execute(sa.update(ReportPosition).values(forgotten | unknown))


def test_what_an_older_version_left_out_is_filled_in(books, now):
    write(books, some(now))
    count(books, now)
    expected = contents(books)
    with books.begin() as session:
        forget_what_is_new(session)
    write(books, some(now, 20, seed=4), first=61)
    steps = count(books, now, events_max=16)
    counted = [(step.events, step.filled) for step in steps]
    assert counted[:7] == [*[(16, 0), (4, 0)], *[(0, 16)] * 5]
    assert set(counted[7:]) == {(0, 0)}  # a day of totals each
    filled = contents(books)
    assert filled != expected
    with books.begin() as session:
        follow.restart(session, zone=SHANGHAI, now=now)
    count(books, now)
    assert contents(books) == filled


@pytest.mark.parametrize("zone", [SHANGHAI, KOLKATA], ids=str)
@pytest.mark.parametrize("kind", ["totals_event_id", "firsts_event_id", "hours_event_id"])
def test_totals_are_made_of_what_another_version_counted(books, now, kind, zone):
    """It counts on without them, beside this one, when some are there already."""
    write(books, some(now))
    count(books, now, zone=zone)
    with books.begin() as session:
        session.execute(sa.update(ReportPosition).values({kind: 0, "totals_from": None}))
        follow.advance(session, zone=zone, now=now)
    since = position(books).totals_from
    assert since > 0
    write(books, some(now, 20, seed=4), first=61)
    with books.begin() as session:
        follow.advance(session, zone=zone, now=now)
        assert list(check.differences(session, **_around(now))) == []
    write(books, some(now, 20, seed=5), first=81)
    with books.begin() as session:
        follow.advance(session, zone=zone, now=now)
        session.execute(sa.update(ReportPosition).values({kind: 70}))
        assert store_of_reports.position(session).totals_from is None
    count(books, now, zone=zone)
    expected = contents(books)
    with books.begin() as session:
        follow.restart(session, zone=zone, now=now)
    count(books, now, zone=zone)
    assert contents(books) == expected
    assert position(books).totals_from == 0


def test_totals_that_differ_are_found(books, now):
    write(books, some(now))
    count(books, now)
    for table in (UsageTotals, UsageUserTotals, UsageModelTotals):
        with books.begin() as session:
            session.execute(sa.update(table).where(table.width == 1).values(charge=1))
            found = {one.table for one in check.differences(session, **_around(now))}
            assert found == {f"{table.__tablename__} of width 1"}
            session.rollback()


@pytest.mark.parametrize("table", [UsageTotals, UsageModelTotals])
def test_hours_that_differ_are_found(books, now, table):
    write(books, some(now))
    count(books, now)
    with books.begin() as session:
        hours = sa.update(table).where(table.width == HOUR)
        session.execute(hours.values(charge=table.charge + 1))
        found = {one.table for one in check.differences(session, **_around(now))}
        session.rollback()
    assert found == {f"{table.__tablename__} by the hour"}


@pytest.mark.parametrize("changed", ["users", "previous_start"])
def test_returns_that_differ_are_found(books, now, changed):
    write(books, some(now))
    count(books, now)
    with books.begin() as session:
        more = sa.update(UsageReturns).where(UsageReturns.previous_start > 0)
        session.execute(more.values({changed: getattr(UsageReturns, changed) + 1}))
        found = {one.table for one in check.differences(session, **_around(now))}
        session.rollback()
    assert found == {"usage_returns"}


def test_first_answers_that_differ_are_found(books, now):
    write(books, some(now))
    count(books, now)
    for table, said in (
        (UsageUserTotals, "usage_user_totals.first_start"),
        (UsageFirstAnswers, "usage_first_answers"),
    ):
        with books.begin() as session:
            later = {"first_start": table.first_start + 1}
            session.execute(sa.update(table).where(table.width == 1).values(later))
            found = {one.table for one in check.differences(session, **_around(now))}
            session.rollback()
        assert found == {said}


def _around(now):
    return {"since": now - timedelta(days=50), "until": now + timedelta(days=50)}


def test_books_of_the_version_before_go_on(books, now):
    answers = some(now)
    for answer in answers:
        answer.segment_id = None  # nobody wrote it down then
    write(books, answers)
    schema.downgrade(books, "0001")
    with books.begin() as session:
        row = "INSERT INTO report_positions VALUES (1, 0, 0, 'Asia/Shanghai', :at)"
        session.execute(sa.text(row), {"at": now.replace(tzinfo=None)})
    schema.upgrade(books)
    count(books, now)
    filled = contents(books)
    with books.begin() as session:
        follow.restart(session, zone=SHANGHAI, now=now)
    count(books, now)
    assert contents(books) == filled
    with books.read() as session:
        report = explore(session, _month(now, by=("attribute:department",)))
    assert {row.keys for row in report.rows} == {("",)}


def test_reports_say_how_far_what_is_filled_in_goes(books, now):
    answers = some(now)
    write(books, answers)
    count(books, now)
    with books.begin() as session:
        forget_what_is_new(session)
        follow.advance(session, zone=SHANGHAI, now=now, events_max=20)
    counted = [answer for answer in answers[:20] if abs(answer.at - now) < timedelta(days=14)]
    window = _around(now)
    with books.read() as session:
        assert explore(session, _month(now, by=("link",))).counted.event_id == 60
        for by in (("plan",), ("user", "plan"), ("attribute:department", "model")):
            report = explore(session, _month(now, by=by))
            assert (report.counted.event_id, report.counted.is_behind) == (20, True)
            added = sum(row.amounts.points for row in report.rows)
            assert added == report.total.points
        whole = explore(session, _month(now, by=("plan",))).total
        assert whole.points >= sum(answer.sums["points"] for answer in counted)
        assert list(check.differences(session, **window)) == []


def test_what_lies_in_archives_is_filled_in_from_events(books, now):
    answers = [
        Answer(now, 1, 1, plan_id=1, version_id=2, took_ms=41),
        Answer(now - timedelta(days=60), 1, 1, plan_id=1, version_id=2, took_ms=41),
    ]
    write(books, answers)
    count(books, now)
    with books.begin() as session:
        forget_what_is_new(session)
        unguarded = {
            "sqlite": "DROP TRIGGER usage_lines_no_delete",
            "postgresql": "SET LOCAL session_replication_role = replica",
        }
        session.execute(sa.text(unguarded[books.dialect]))
        session.add(_archive(now, "created"))
        session.flush()
        session.add(_archive(now, "removed"))
        session.flush()
        session.execute(sa.delete(UsageLine).where(UsageLine.event_id == 1))
    count(books, now)
    with books.read() as session:
        by_plan = explore(session, _month(now, by=("plan",), with_times=True)).total
        by_model = explore(session, _month(now, by=("model",))).rows[0].amounts
    assert (by_plan.points, by_plan.known_cost, by_plan.input_tokens) == (5, 2, 1)
    assert (by_plan.median_ms, by_plan.untimed) == (41, 0)
    assert (by_model.points, by_model.known_cost, by_model.margin) == (5, None, None)


def test_names_beyond_all_bounds_share_one(books, now, monkeypatch):
    monkeypatch.setattr(store, "NAMES_MAX", 3)
    models = ["a", "b", "c", "d", "a"]
    lines = [Line(model, "chatNode", 1, 1) for model in models]
    write(books, [Answer(now, 1, 1, lines=lines[:2]), Answer(now, 1, 1, lines=lines[2:])])
    count(books, now, events_max=1)
    with books.read() as session:
        report = explore(session, _month(now, by=("model",)))
        names = session.scalars(sa.select(UsageName.name).where(UsageName.kind == "model"))
        assert sorted(names) == ["a", "b", store.OTHER_NAME]
    found = {row.keys[0]: (row.amounts.points, row.amounts.questions) for row in report.rows}
    assert found == {"a": (2, 2), "b": (1, 1), store.OTHER_NAME: (2, 1)}


def test_corrections_are_of_their_answers_link_and_both_times(db, now):
    stage = Stage(db, now)
    with db.begin() as session:
        settle_turns(session, [stage.turn("a"), stage.turn("b", 1)], RULES)
        charge = session.scalars(sa.select(Transaction.id).order_by(Transaction.id)).first()
    later = now + timedelta(days=3)
    for number, work in enumerate((changes.refund, changes.top_up, changes.adjust)):
        change = Change(stage.user_ids[0], 5, "CNY", "x", f"k{number}")
        work(db, change, actor=ACTOR, now=later)
    changes.reverse(db, Reversal(charge, "wrong", "undo"), actor=ACTOR, now=later)
    count(db, now, zone=RULES.zone)

    with db.read() as session:
        kinds = {row.kind: (row.link_id, row.amount) for row in session.scalars(_corrections())}
        assert kinds == {
            "refunded": (0, 5),
            "topped_up": (0, 5),
            "adjusted": (0, 5),
            "reversed": (stage.link_id, 1_000_000_000),
        }
        day = timedelta(days=1)
        posted = explore(session, Query(since=later, until=later + day, zone=RULES.zone))
        used = explore(session, Query(since=now, until=now + day, zone=RULES.zone, basis="used"))
        by_link = explore(
            session, Query(since=now, until=later + day, zone=RULES.zone, by=("link",))
        )
        assert list(check.differences(session, since=now, until=later + day)) == []
    assert (posted.total.charge, posted.total.corrections) == (0, -1_000_000_005)
    assert (used.total.net, used.total.corrections) == (1_000_000_000, -1_000_000_000)
    assert [row.amounts.net for row in by_link.rows] == [1_000_000_000, -5]


def test_changed_sums_and_waiting_events_are_found(books, now):
    write(books, some(now))
    until = now + timedelta(days=50)
    window = {"since": now - timedelta(days=50), "until": until}
    with books.read() as session:
        assert list(check.differences(session, **window)) == []
        assert check.waits_since(session, now=until) is not None
    count(books, until)
    with books.begin() as session:
        assert list(check.differences(session, **window)) == []
        assert check.waits_since(session, now=until + timedelta(days=1)) is None
        session.execute(sa.update(UsageBySegment).where(UsageBySegment.width == 0).values(cost=7))
        session.execute(sa.update(UsageTimesByLink).values(answers=UsageTimesByLink.answers + 1))
        found = [difference.table for difference in check.differences(session, **window)]
        assert found == [
            "usage_by_segment",
            "usage_by_segment by the day",
            "usage_times_by_link",
        ]
        session.execute(
            sa.update(UsageByModel)
            .where(UsageByModel.width == 0)
            .values(points=UsageByModel.points + 1)
        )
        session.execute(sa.update(UsageByUser).where(UsageByUser.width == 1).values(questions=1))
        found = [difference.table for difference in check.differences(session, **window)]
    assert "usage_by_model" in found
    assert found[-2:] != ["usage_by_segment by the day", "usage_times_by_link"]
    assert {"usage_by_user by the day", "usage_by_model by the day"} & set(found)


def test_sums_whose_lines_are_archived_are_not_thrown_away(books, now):
    write(books, some(now, 5))
    count(books, now)
    with books.begin() as session:
        for action in ("created", "removed"):
            session.add(_archive(now, action))
            session.flush()
    before = contents(books)
    with pytest.raises(follow.LinesArchived, match="2026-11"), books.begin() as session:
        follow.restart(session, zone=SHANGHAI, now=now)
    assert contents(books) == before
    with books.read() as session:
        explore(session, _month(now, by=("model",)))
        with pytest.raises(LinesGone, match="2026-11"):
            explore(session, _month(now, by=("user", "model")))


def test_overview_compares_the_same_hours(books):
    now = datetime(2026, 11, 25, 4, 20, tzinfo=UTC)  # noon and twenty minutes in Shanghai
    minutes = [3, 26, 24 * 60 + 10, 24 * 60 - 60, 7 * 24 * 60 + 30, 7 * 24 * 60 - 30]
    answers = [Answer(now - timedelta(minutes=ago), 1 + ago % 2, 1) for ago in minutes]
    write(books, answers)
    count(books, now)
    with books.read() as session:
        found = overviews.overview(session, zone=SHANGHAI, now=now)
        hidden = overviews.overview(session, zone=SHANGHAI, now=now, link_ids=frozenset({2}))
    compared = found.compared
    assert (compared.at.hour, compared.at.minute) == (12, 15)
    assert (found.today.questions, found.today.visitors) == (2, 2)
    days = (compared.today, compared.yesterday, compared.week_ago)
    assert [day.questions for day in days] == [1, 1, 1]
    assert len(found.course.by_link.starts) == overviews.DAYS
    assert sum(row.amounts.questions for row in found.course.by_model.rows) == len(answers)
    assert [row.labels for row in found.course.users.rows] == [("person-0",), ("person-1",)]
    assert (hidden.today.questions, hidden.course.users.rows) == (0, ())


def _insert(number, now):
    return sa.insert(UsageEvent).values(
        id=number,
        reference=f"r{number}",
        idempotency_key=f"k{number}",
        fingerprint="f",
        link_id=1,
        user_id=1,
        received_at=now,
        generation="G5",
        billed_by="token",
        points=0,
        charge=0,
        node_count=0,
        body_bytes=1,
        warnings={},
        arithmetic={},
    )


def _corrections():
    return sa.select(UsageCorrection)


def _month(now, **more):
    return Query(
        since=now - timedelta(days=15), until=now + timedelta(days=15), zone=SHANGHAI, **more
    )


def _archive(now, action):
    return UsageArchive(
        received_month=202611,
        part=1,
        action=action,
        at=now,
        actor="test",
        after_event=0,
        last_event=5,
        line_count=1,
        sha256="",
        manifest={},
    )
