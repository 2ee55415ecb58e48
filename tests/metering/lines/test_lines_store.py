"""Partitions of usage lines: there before they are needed, and append-only like the others."""

import contextlib
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from app import schema
from app.archives import partitions
from app.db import Database, DatabaseAway
from app.metering import store as metering_store
from app.metering.lines import store
from app.metering.lines.store import Partitions
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_after, month_of
from app.turns.settle import settle_turns

from books import make_event, make_link, make_users
from turn_builders import RULES, Stage

LONG_AGO = datetime(2019, 5, 31, 23, 59, tzinfo=UTC)


@pytest.fixture
def late(db: Database, now) -> tuple[int, ...]:
    """Finishes of months that nobody made a partition for, each with two lines; their ids."""
    with db.begin() as session:
        user_id, link_id = make_users(session, now)[0], make_link(session, now)
        return tuple(
            make_event(
                session,
                key=f"e{days}",
                user_id=user_id,
                link_id=link_id,
                now=LONG_AGO + timedelta(days=days),
                lines=(("a", 1), ("b", 2)),
            )
            for days in (0, 1, 2)
        )


def examined(db: Database, now: datetime) -> Partitions:
    with db.read() as session:
        return store.examine_partitions(session, now)


def partition_of(db: Database, event_id: int) -> set[str]:
    with db.read() as session:
        return set(
            session.scalars(
                sa.text("SELECT tableoid::regclass::text FROM usage_lines WHERE event_id = :id"),
                {"id": event_id},
            )
        )


def test_upgrade_makes_this_month_and_three_more(db: Database):
    assert examined(db, datetime.now(UTC)).are_right


def test_job_makes_the_months_ahead_once(db: Database):
    then = datetime(2031, 11, 30, 23, tzinfo=UTC)
    made = partitions.prepare(db, then)
    if db.dialect == "sqlite":
        assert made == ()
        return
    assert made == (203111, 203112, 203201, 203202)
    assert partitions.prepare(db, then) == ()
    assert examined(db, then).are_right
    assert examined(db, then + timedelta(hours=1)).missing == (203203,)
    assert schema.differences(db) == []


def test_lines_of_a_month_without_a_partition_are_kept_and_then_put_in_their_place(
    db: Database, late, now
):
    partitions.prepare(db, now)
    with db.read() as session:
        kept = session.scalar(sa.select(sa.func.count()).select_from(UsageLine))
        lines = metering_store.load_lines(session, dict.fromkeys(late[1:], LONG_AGO))
    assert kept == 6
    if db.dialect == "sqlite":
        return
    assert lines[late[1]] == []  # asked for in the wrong month: the partition is pruned
    assert partition_of(db, late[0]) == {"usage_lines_201905"}
    assert partition_of(db, late[2]) == {"usage_lines_201906"}
    assert examined(db, now).are_right
    assert schema.differences(db) == []


def test_lines_in_the_default_partition_are_seen(db: Database, late, now):
    if db.dialect == "sqlite":
        assert examined(db, now).are_right
        return
    assert examined(db, now).astray == (201905, 201906)
    assert partition_of(db, late[0]) == {"usage_lines_default"}


@pytest.mark.parametrize("statement", ["DELETE FROM", "TRUNCATE", "UPDATE"])
def test_partitions_refuse_changes_whenever_they_were_made(db: Database, late, now, statement):
    if db.dialect == "sqlite":
        return
    partitions.prepare(db, now)
    with db.begin() as session:
        store.add_partition(session, month_of(now))
        event = session.get(UsageEvent, late[0])
        make_event(session, key="new", user_id=event.user_id, link_id=event.link_id, now=now)
        make_event(
            session,
            key="astray",
            user_id=event.user_id,
            link_id=event.link_id,
            now=LONG_AGO - timedelta(days=99),
        )
    for name in (f"usage_lines_{month_of(now)}", "usage_lines_201905", "usage_lines_default"):
        what = f"{name} SET points = 9" if statement == "UPDATE" else name
        with (
            pytest.raises(sa.exc.IntegrityError, match="append-only"),
            db.begin() as session,
        ):
            session.execute(sa.text(f"{statement} {what}"))


def test_question_for_an_event_reads_one_partition(db: Database, late, now):
    if db.dialect == "sqlite":
        return
    partitions.prepare(db, now)
    (condition,) = metering_store.lines_of({late[0]: LONG_AGO})
    asked = sa.select(UsageLine.event_id).where(condition)
    text = str(asked.compile(db.engine, compile_kwargs={"literal_binds": True}))
    with db.read() as session:
        plan = "\n".join(session.scalars(sa.text(f"EXPLAIN {text}")))
    assert "usage_lines_201905" in plan
    assert plan.count("Scan") == 1


def test_partitions_are_made_while_finishes_are_written(db: Database, now):
    stage, stop = Stage(db, now), threading.Event()
    written: list[str] = []

    def write() -> None:
        while not stop.is_set():
            turn = stage.turn(f"t{len(written)}", received_at=LONG_AGO)
            db.run(lambda session, turn=turn: settle_turns(session, [turn], RULES))
            written.append(turn.reference)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for years in range(1, 6):
            partitions.prepare(db, now + timedelta(days=365 * years))
    finally:
        stop.set()
        writer.join()
    partitions.prepare(db, now)
    with db.read() as session:
        assert len(metering_store.list_events(session, stage.user_ids[0], limit=10**6)) == len(
            written
        )
    assert examined(db, now).are_right
    assert stage.findings() == []


def test_several_processes_may_prepare_at_once(db: Database, late, now):
    failures: list[Exception] = []

    def prepare() -> None:
        try:
            partitions.prepare(db, now)
        except DatabaseAway as failure:
            failures.append(failure)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert examined(db, now).are_right


class Enough(Exception):
    """Ends a transaction without a trace."""


def test_service_that_owns_no_table_makes_partitions_and_sees_what_is_astray(
    db: Database, late, now
):
    if db.dialect == "sqlite":
        return
    then = datetime(2031, 11, 30, tzinfo=UTC)
    with contextlib.suppress(Enough), db.begin() as session:
        session.execute(sa.text("CREATE ROLE shareauth_stranger"))
        session.execute(sa.text("GRANT SELECT, INSERT ON usage_lines TO shareauth_stranger"))
        session.execute(sa.text("SET LOCAL ROLE shareauth_stranger"))
        astray = store.examine_partitions(session, then).astray
        is_made = store.add_partition(session, month_of(then))
        missing = store.examine_partitions(session, then).missing
        raise Enough
    assert (astray, is_made) == ((201905, 201906), True)
    assert missing == (203112, 203201, 203202)


def test_looking_for_what_is_astray_reads_the_default_partition_alone(db: Database, late, now):
    if db.dialect == "sqlite":
        return
    asked: list[str] = []
    sa.event.listen(db.engine, "after_cursor_execute", lambda *call: asked.append(call[2]))
    examined(db, now)
    with db.read() as session:
        plan = "\n".join(session.scalars(sa.text(f"EXPLAIN {asked[-1]}")))
    assert plan.count("Scan on") == 1
    assert "usage_lines_default" in plan


def test_months_with_lines_are_those_before(db: Database, late, now):
    with db.read() as session:
        assert store.months_with_lines(session, before=month_of(now)) == [201905, 201906]
        assert store.months_with_lines(session, before=201906) == [201905]
        span = store.span_of(session, 201906)
        assert (span.line_count, span.first_event, span.last_event) == (4, late[1], late[2])
        assert store.span_of(session, month_after(201906)).line_count == 0
