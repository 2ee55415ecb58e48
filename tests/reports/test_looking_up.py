"""How PostgreSQL is told to read: small tables do not show what it would do with large ones."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app.db import Database
from app.reports.explore import explore
from app.reports.models import ReportPosition
from app.reports.query import Query
from app.reports.rollup import follow

from books import make_link, make_users
from reports_builders import SHANGHAI, Answer, count, write

ALONE = {"enable_hashjoin": "off", "plan_cache_mode": "auto"}
TOGETHER = {"enable_hashjoin": "on", "plan_cache_mode": "force_custom_plan"}
USUAL = {"enable_hashjoin": "on", "plan_cache_mode": "auto"}


def told(session):
    return {name: session.scalar(sa.text(f"SHOW {name}")) for name in USUAL}


@pytest.mark.parametrize(("by", "expected"), [(("user",), ALONE), (("user", "model"), TOGETHER)])
def test_spans_of_sums_are_looked_up_and_books_are_joined(db: Database, now, by, expected):
    query = Query(since=now - timedelta(days=30), until=now, zone=ZoneInfo("UTC"), by=by)
    with db.read() as session:
        explore(session, query)
        if db.dialect == "postgresql":
            assert told(session) == expected
    if db.dialect == "postgresql":
        with db.read() as session:  # the connection of before
            assert told(session) == USUAL


@pytest.mark.parametrize("behind", ["totals_from", "models_from"])
def test_each_part_of_what_is_made_of_old_answers_is_planned_by_itself(db: Database, now, behind):
    with db.begin() as session:
        make_users(session, now, 1)
        make_link(session, now, "one")
    write(db, [Answer(now, 1, 1)])
    count(db, now)
    with db.begin() as session:
        session.execute(sa.update(ReportPosition).values({behind: None}))
    with db.begin() as session:
        follow.advance(session, zone=SHANGHAI, now=now)
        assert getattr(session.get_one(ReportPosition, 1), behind) is not None
        if db.dialect == "postgresql":
            assert told(session) == TOGETHER
