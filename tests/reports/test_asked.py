"""Who asked which models: sums that are made of lines, as far back as there are any."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app.metering.models import UsageArchive, UsageLine
from app.reports import store as store_of_reports
from app.reports.explore import LinesGone, explore
from app.reports.models import ReportPosition, UsageSegmentModels, UsageUserModels
from app.reports.proof import check
from app.reports.query import Filters, Query
from app.reports.rollup import follow, store
from app.reports.rollup.asked import store as asked
from app.reports.spans import begin_of

from books import make_link, make_users
from reports_builders import SHANGHAI, Answer, Line, count, make_around, write

TABLES = (UsageUserModels, UsageSegmentModels)
BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = datetime(2026, 10, 29, tzinfo=SHANGHAI)
NOVEMBER = datetime(2026, 11, 1, tzinfo=SHANGHAI)
DAYS = 6


def _answers(number, seed):
    rng = random.Random(seed)
    return [
        Answer(
            BEGIN + timedelta(seconds=rng.randrange(DAYS * 86400)),
            rng.randrange(1, 4),
            1,
            lines=[
                Line(rng.choice(["a", "b", "c", "d", "", "m" * 130]), kind, rng.randrange(9**9), 5)
                for kind in rng.choices(["chatNode", "tools", "other"], k=rng.randrange(4))
            ],
            segment_id=rng.choice([None, 1, 3]),
            plan_id=rng.choice([None, 1, 2]),
            version_id=rng.choice([None, 1, 2, 3]),
        )
        for _ in range(number)
    ]


@pytest.fixture
def books(db, now, monkeypatch):
    """Of models beyond the third all are counted as one."""
    monkeypatch.setattr(store, "NAMES_MAX", 4)
    with db.begin() as session:
        make_users(session, now, 3)
        make_link(session, now, "one")
        make_around(session, now)
    write(db, _answers(60, 1))
    count(db, now)
    return db


def _contents(db):
    with db.read() as session:
        return [
            sorted(tuple(row) for row in session.execute(sa.select(table.__table__)))
            for table in TABLES
        ]


def _position(db):
    with db.read() as session:
        return session.get(ReportPosition, 1)


def _by_user(since, until, **more):
    return Query(since, until, SHANGHAI, by=("user", "model"), **more)


def test_what_is_made_of_lines_is_what_is_counted(books, now, monkeypatch):
    """Some answers at a time, while more are asked: of days that are made, half made, and not."""
    monkeypatch.setattr(asked, "ANSWERS_AT_ONCE", 7)
    with books.begin() as session:
        session.execute(sa.update(ReportPosition).values(models_event_id=0, models_from=None))
    seen, first, is_done = [], 61, False
    while not is_done:
        if len(seen) % 2 and first < 120:
            write(books, _answers(8, first), first=first)
            first += 8
        with books.begin() as session:
            is_done = follow.advance(session, zone=SHANGHAI, now=now).is_done
        with books.read() as session:
            position = store_of_reports.position(session)
            seen.append(position.models_from)
            whole = _by_user(BEGIN, BEGIN + timedelta(days=DAYS), per="day")
            for query in (whole, replace(whole, since=NOVEMBER))[len(seen) % 2 :]:
                without = explore(session, query, position=replace(position, models_from=None))
                report = explore(session, query, position=position)
                # What is beyond all names has its own in the books.
                assert (report.total, _points(report)) == (without.total, _points(without))
            around = {"since": BEGIN, "until": BEGIN + timedelta(days=DAYS)}
            assert list(check.differences(session, **around)) == []
    assert len({*seen}) > DAYS
    assert any(begin_of(since).astimezone(SHANGHAI).hour for since in seen if since)
    made = _contents(books)
    with books.begin() as session:
        follow.restart(session, zone=SHANGHAI, now=now)
    assert _contents(books) == [[], []]
    count(books, now)
    assert _contents(books) == made


def _points(report):
    found = {}
    for row in report.rows:
        place = row.at, (row.keys or (None,))[0]
        found[place] = found.get(place, 0) + row.amounts.points
    return found


def test_sums_of_models_end_where_lines_lie_in_archives(books, now):
    october, november = _by_user(BEGIN, NOVEMBER), _by_user(NOVEMBER + timedelta(days=1), _end())
    whole = _contents(books)
    with books.read() as session:
        expected = [explore(session, query) for query in (october, november)]
    with books.begin() as session:
        lines = _remove_october(session, books.dialect, now)
    with books.read() as session:
        assert [explore(session, query) for query in (october, november)] == expected
        with pytest.raises(LinesGone, match="2026-10"):
            explore(session, replace(october, filters=Filters(links=frozenset({1}))))

    count(books, now, zone=BERLIN)
    count(books, now)
    since = begin_of(_position(books).models_from).astimezone(SHANGHAI)
    assert since == NOVEMBER + timedelta(days=1)  # the first begins in October of UTC
    with books.read() as session:
        position = store_of_reports.position(session)
        assert explore(session, november) == expected[1]
        with pytest.raises(LinesGone, match="2026-10"):
            explore(session, october, position=position)

    with books.begin() as session:
        session.execute(sa.insert(UsageLine), lines)
        session.add(_archive(now, "restored"))
    count(books, now)
    assert _position(books).models_from == 0
    assert _contents(books) == whole


def test_sums_of_models_that_differ_are_found(books):
    for table in TABLES:
        with books.begin() as session:
            session.execute(sa.update(table).where(table.width == 1).values(cost=table.cost + 1))
            differences = check.differences(session, since=BEGIN, until=_end())
            assert [one.table for one in differences] == [table.__tablename__]
            session.rollback()


def test_who_asked_a_model_is_counted_once(books):
    """An answer with two nodes of a model is one, and so is a user who asked twice."""
    query = Query(BEGIN, _end(), SHANGHAI, by=("model",), with_visitors=True)
    both = Filters(models=frozenset({"a", "b"}))
    with books.read() as session:
        position = store_of_reports.position(session)
        without = replace(position, models_from=None)
        for asked_for in (
            replace(query, filters=Filters(node_kinds=frozenset({"tools"}))),
            replace(query, by=("user",), filters=Filters(models=frozenset({"a"}))),
            replace(query, by=("user",), filters=both),
            replace(query, by=("plan", "model"), filters=both, with_visitors=False),
        ):
            report = explore(session, asked_for, position=position)
            plain = explore(session, asked_for, position=without)
            assert _known(report) == _known(plain)
            assert all(row.amounts.questions is not None for row in report.rows if row.keys)


def _known(report):
    """The rows but those of models that have no number of their own, which the books name."""
    place = report.query.by.index("model") if "model" in report.query.by else 0
    rows = {row.keys: row.amounts for row in report.rows if row.keys is not None}
    found = {keys: rows[keys] for keys in rows if keys[place] in {1, 2, 3, "a", "b"}}
    assert found
    return found


def _end():
    return BEGIN + timedelta(days=DAYS)


def _remove_october(session, dialect, now):
    """The lines that are gone then."""
    table = UsageLine.__table__
    gone = table.c.received_month == 202610
    lines = [dict(row) for row in session.execute(sa.select(table).where(gone)).mappings()]
    unguarded = {
        "sqlite": "DROP TRIGGER usage_lines_no_delete",
        "postgresql": "SET LOCAL session_replication_role = replica",
    }
    session.execute(sa.text(unguarded[dialect]))
    for action in ("created", "removed"):
        session.add(_archive(now, action))
        session.flush()
    session.execute(sa.delete(table).where(gone))
    return lines


def _archive(now, action):
    return UsageArchive(
        received_month=202610,
        part=1,
        action=action,
        at=now,
        actor="test",
        after_event=0,
        last_event=500,
        line_count=1,
        sha256="",
        manifest={},
    )
