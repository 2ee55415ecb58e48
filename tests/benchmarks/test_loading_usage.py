"""What the benchmarks load is what the service would have made of the same answers."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from app import schema
from app.db import Database
from app.ledger.chain import Head
from app.ledger.transactions import Entry, Record
from app.reports.models import (
    UsageByLink,
    UsageByModel,
    UsageBySegment,
    UsageByUser,
    UsageCorrection,
    UsageModelTotals,
    UsageReturns,
    UsageSegmentModels,
    UsageTimesByLink,
    UsageTimesBySegment,
    UsageTotals,
    UsageUserModels,
    UsageUserTotals,
)
from app.reports.proof import check
from app.reports.rollup.follow import advance, restart
from app.statements import verification
from bulk import ledger
from bulk.clock import ZONE
from bulk.crowd import Crowd, Size
from bulk.filling import TABLES, fill

from moments import NOW

SIZE = Size(events=400, days=5, users=12, links=5, models=6)
SUMS = (
    UsageByLink,
    UsageByUser,
    UsageByModel,
    UsageBySegment,
    UsageTimesByLink,
    UsageTimesBySegment,
    UsageTotals,
    UsageUserTotals,
    UsageModelTotals,
    UsageReturns,
    UsageUserModels,
    UsageSegmentModels,
    UsageCorrection,
)


@pytest.fixture
def loaded(db: Database) -> Database:
    fill(db.url.render_as_string(hide_password=False), SIZE, until=NOW, is_parallel=False)
    return db


def kept(db: Database) -> dict[str, set[tuple[Any, ...]]]:
    with db.read() as session:
        return {
            table.__tablename__: {tuple(row) for row in session.execute(sa.select(table.__table__))}
            for table in SUMS
        }


def test_loaded_books_are_right(loaded: Database):
    found = verification.verify(loaded, zone=ZONE)
    assert (found.findings, found.events, found.wallets) == ((), SIZE.events, SIZE.users)
    assert found.sums["funding"] < 0 < found.sums["revenue"] == found.sums["charged"]
    # Every index and constraint is there again.
    assert schema.differences(loaded) == []


def test_loaded_sums_are_those_of_the_service(loaded: Database):
    before = kept(loaded)
    with loaded.begin() as session:
        restart(session, zone=ZONE, now=NOW)
    is_done = False
    while not is_done:
        with loaded.begin() as session:
            is_done = advance(session, zone=ZONE, now=NOW).is_done
    assert all(before.values())
    assert kept(loaded) == before
    with loaded.read() as session:
        window: Mapping[str, datetime] = {"since": NOW - timedelta(days=9), "until": NOW}
        assert list(check.differences(session, **window)) == []


def test_loaded_tables_are_guarded_and_numbered_again(loaded: Database):
    with loaded.begin() as session, pytest.raises(sa.exc.DBAPIError, match="append-only"):
        session.execute(sa.text("UPDATE ledger_transactions SET amount = amount WHERE id = 1"))
    with loaded.read() as session:
        counts = {name: session.scalar(sa.text(f"SELECT count(*) FROM {name}")) for name in TABLES}
        for name, events in (("refusals", 20), ("audit_entries", 50)):
            found = session.scalar(sa.text(f"SELECT count(*) FROM {name}"))
            assert found == SIZE.events // events
    assert counts["ledger_postings"] == 2 * counts["ledger_transactions"]
    assert min(counts.values()) > 0


def test_a_link_that_the_service_would_not_have_made_ends_the_load(monkeypatch):
    made = ledger.chain.link

    def differently(head: Head, entry: Entry, *, posted_at: datetime) -> Record:
        return made(dataclasses.replace(head, balance=head.balance + 1), entry, posted_at=posted_at)

    monkeypatch.setattr(ledger.chain, "link", differently)
    crowd = Crowd(SIZE, NOW)
    with pytest.raises(ledger.LinkDiffers):
        list(ledger.Ledger(crowd).rows(crowd.day(0)))
