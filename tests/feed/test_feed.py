"""Each row once, in the order of ids, none left out: whoever commits late, whoever is killed."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from app.audit.journal import Actor
from app.errors import Invalid
from app.feed import follow as feed
from app.feed.cursor import CursorUnknown
from app.funding import changes
from app.funding.changes import Change
from app.ledger.models import Posting, Transaction
from app.metering.models import UsageArchive, UsageEvent, UsageLine
from app.reports.rollup import follow as counting
from app.turns.settle import settle_turns
from werkzeug.serving import make_server

from books import NANO, make_event
from rerating_builders import Shop
from turn_builders import RULES, Stage

ACTOR = Actor("alice", "cli")
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "snippets" / "follow_into_duckdb.py"
LIMIT_S = 60


def settle(db, turns):
    with db.begin() as session:
        settle_turns(session, turns, RULES)


def follow_all(db, stream, after=None, limit=2):
    """Every row behind the cursor, and the last cursor."""
    rows, has_more = [], True
    while has_more:
        page = feed.page(db, stream, after=after, limit=limit)
        assert len(page.items) <= limit
        rows, after, has_more = rows + page.items, page.next, page.has_more
    return rows, after


def test_pages_hold_every_row_once_and_corrections_are_rows(db, now):
    shop = Shop(db, now)
    dear, cheap = (shop.publish(per_point=Decimal(price)) for price in ("1", "0.5"))
    names = [shop.answer(dear, user=n % 3) for n in range(5)]
    first, place = follow_all(db, "usage-events")
    assert [row["reference"] for row in first] == names
    assert [row["lines"][0]["points"] for row in first] == ["2"] * 5
    money, ledger_place = follow_all(db, "postings")
    assert feed.page(db, "usage-events", after=place, limit=9).items == []

    shop.apply(cheap)
    with db.begin() as session:
        counting.advance(session, zone=RULES.zone, now=now)
    assert follow_all(db, "usage-events", place) == ([], place)
    later, _ = follow_all(db, "postings", ledger_place)
    assert sorted(row["corrects"] for row in later) == names
    assert {(row["kind"], row["amount"]) for row in later} == {("adjustment", "1")}
    everything = money + later
    assert all(sum(Decimal(side["amount"]) for side in row["postings"]) == 0 for row in everything)
    assert [row["event_reference"] for row in money] == names
    assert follow_all(db, "postings", limit=3)[0] == everything


def test_cursor_of_other_books_is_refused(db, now):
    stage = Stage(db, now)
    settle(db, [stage.turn("one")])
    place = feed.page(db, "usage-events", after=None, limit=1).next
    parts = json.loads(base64.urlsafe_b64decode(place + "=="))
    for row_id, check in ((parts[2], "0" * 12), (parts[2] + 1, parts[3])):
        text = json.dumps([*parts[:2], row_id, check]).encode()
        other = base64.urlsafe_b64encode(text).decode().rstrip("=")
        with pytest.raises(CursorUnknown):
            feed.page(db, "usage-events", after=other, limit=1)
    for bad in ("x", place[:-3], ""):
        with pytest.raises(Invalid, match="cursor"):
            feed.page(db, "usage-events", after=bad, limit=1)
    with pytest.raises(Invalid, match="cursor"):
        feed.page(db, "postings", after=place, limit=1)


def test_row_that_is_committed_after_a_later_one_is_not_left_out(db, now):
    """On SQLite the second writer would have to wait: there is no such order."""
    if db.dialect == "sqlite":
        pytest.skip("one writer at a time")
    stage = Stage(db, now)
    known = {"user_id": stage.user_ids[0], "link_id": stage.link_id, "now": now}
    with contextlib.ExitStack() as held:
        slow = held.enter_context(db.begin())
        low = make_event(slow, key="low", **known)
        with db.begin() as session:
            high = make_event(session, key="high", **known)
        assert high > low
        page = feed.page(db, "usage-events", after=None, limit=9)
        assert (page.items, page.has_more) == ([], False)
    rows, _ = follow_all(db, "usage-events", page.next)
    assert [row["reference"] for row in rows] == ["low", "high"]


def test_lines_in_an_archive_are_named(db, now):
    stage = Stage(db, now)
    known = {"user_id": stage.user_ids[0], "link_id": stage.link_id}
    with db.begin() as session:
        old = make_event(session, key="old", now=now - timedelta(days=90), lines=(), **known)
        make_event(session, key="bare", now=now, lines=(), **known)
        facts = {"at": now, "actor": "a", "line_count": 1, "sha256": "", "manifest": {}}
        span = {"received_month": 202608, "part": 1, "after_event": 0, "last_event": old}
        session.add(UsageArchive(action="removed", **span, **facts))
    rows, _ = follow_all(db, "usage-events")
    assert [(row["lines"], row["lines_archive"]) for row in rows] == [
        (None, "usage-lines-2026-08.parquet"),
        ([], None),
    ]


@pytest.fixture
def served(house):
    """The address of the service, listening."""
    server = make_server("127.0.0.1", 0, house.app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


def test_worked_example_is_killed_and_goes_on_and_adds_up(house, served, tmp_path):
    stage = Stage(house.db, house.now)
    turns = [stage.turn(f"t{n}", n % 3, points=0.123456789) for n in range(60)]
    settle(house.db, turns[:40])
    follower = house.program("usage:read", "ledger:read")
    target = tmp_path / "usage.duckdb"
    environ = {**os.environ, "SHAREAUTH_URL": served, "SHAREAUTH_TOKEN": follower.token}

    def start(*more, page_rows):
        return subprocess.Popen(
            [sys.executable, str(EXAMPLE), str(target), *more],
            env={**environ, "PAGE_ROWS": str(page_rows)},
            stdout=subprocess.PIPE,
            text=True,
        )

    killed = start(page_rows=3)
    assert [killed.stdout.readline() for _ in range(5)]
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=LIMIT_S)
    settle(house.db, turns[40:])
    paid = Change(stage.user_ids[0], 7 * NANO, "CNY", "paid", "k")
    changes.top_up(house.db, paid, actor=ACTOR, now=house.now)
    finished = start("--once", page_rows=25)
    finished.communicate(timeout=LIMIT_S)
    assert finished.returncode == 0

    with duckdb.connect(str(target)) as copy, house.db.read() as session:

        def equal(theirs, ours):
            count, total = copy.execute(theirs).fetchone()
            assert (count, int(total * NANO)) == tuple(session.execute(ours).one())

        counted = sa.func.count()
        equal(
            "SELECT count(*), sum(charge) FROM usage_events",
            sa.select(counted, sa.func.sum(UsageEvent.charge)),
        )
        equal(
            "SELECT count(*), sum(points) FROM usage_lines",
            sa.select(counted, sa.func.sum(UsageLine.points)),
        )
        equal(
            "SELECT count(*), sum(amount) FROM transactions",
            sa.select(counted, sa.func.sum(Transaction.amount)),
        )
        equal(
            "SELECT count(*), sum(amount) FROM postings WHERE account LIKE 'wallet:%'",
            sa.select(counted, sa.func.sum(Posting.amount))
            .where(Posting.amount != 0)
            .where(Posting.transaction_id == Transaction.id, Posting.amount == Transaction.amount),
        )


def test_api_waits_for_rows_and_shows_them_to_those_who_see_all_links(house):
    program = house.program("usage:read")
    program.get("/feed/postings", status=403)
    _, place = follow_all(house.db, "usage-events", limit=1000)
    page = program.get(f"/feed/usage-events?after={place}&wait=1")
    assert page == {"items": [], "next": place, "has_more": False}
    for bad in ("after=%21", "limit=0", "limit=1001", "wait=21", "after=abc"):
        program.get(f"/feed/usage-events?{bad}", status=422)
    limited = house.browser("viewer", link_ids=[1])
    limited.get("/admin/api/v1/feed/usage-events", status=403)
