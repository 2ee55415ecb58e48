"""How PostgreSQL is told to read: small tables do not show what it would do with large ones."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app.db import Database
from app.reports.explore import explore
from app.reports.query import Query


@pytest.mark.parametrize(("by", "joins"), [(("user",), "off"), (("user", "model"), "on")])
def test_spans_of_sums_are_looked_up_and_books_are_joined(db: Database, now, by, joins):
    query = Query(since=now - timedelta(days=30), until=now, zone=ZoneInfo("UTC"), by=by)
    with db.read() as session:
        explore(session, query)
        if db.dialect == "postgresql":
            assert session.scalar(sa.text("SHOW enable_hashjoin")) == joins
    if db.dialect == "postgresql":
        with db.read() as session:  # the connection of before
            assert session.scalar(sa.text("SHOW enable_hashjoin")) == "on"
