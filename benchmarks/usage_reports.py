"""How long reports take, on a database that load_usage.py has filled. See README.md beside it."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from app.db import Database
from app.metering.models import UsageEvent
from app.reports.events.detail import find_event
from app.reports.events.listing import list_events
from app.reports.events.store import EventFilters
from app.reports.explore import explore
from app.reports.overview import overview
from app.reports.query import Filters, Query
from sqlalchemy.orm import Session

ZONE, ELSEWHERE = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")

Work = Callable[[Session], object]


def works(reference: str, now: datetime) -> dict[str, Work]:
    """What is measured: a month that ends now, and pages of single answers."""
    month = now - timedelta(days=30)

    def report(**asked: object) -> Work:
        known = {"since": month, "until": now, "zone": ZONE}
        query = Query(**{**known, **asked})  # type: ignore[arg-type]
        return lambda session: explore(session, query)

    def page(**chosen: object) -> Work:
        filters = EventFilters(**chosen)  # type: ignore[arg-type]
        return lambda session: list_events(session, filters)

    alice = Filters(users=frozenset({1}))
    old = now - timedelta(days=20)
    return {
        "overview": lambda session: overview(session, zone=ZONE, now=now),
        "month by model": report(by=("model",)),
        "month by model, per day": report(by=("model",), per="day", limit=8),
        "month by model, per day, in New York": report(
            by=("model",), per="day", limit=8, zone=ELSEWHERE
        ),
        "all by link, per month": report(
            by=("link",), per="month", since=now - timedelta(days=400)
        ),
        "top 20 users of the month": report(by=("user",), limit=20),
        "visitors of the month": report(with_visitors=True),
        "visitors per day of the month": report(with_visitors=True, per="day"),
        "hours of a week": report(per="hour", since=now - timedelta(days=7)),
        "one user's month, per day": report(filters=alice, per="day"),
        "one user's month, by model": report(filters=alice, by=("model",)),
        "month by user and model": report(by=("user", "model"), limit=20),
        "answers, newest": page(),
        "answers of 20 days ago": page(until=old),
        "answers of one user": page(user_id=1),
        "answers of one link": page(link_id=1, until=old),
        "answers with a model": page(model="model-01"),
        "answers with warnings": page(with_warnings=True),
        "answers of one chat": page(chat_id="nothing"),
        "one answer": lambda session: find_event(session, reference),
    }


def measure(db: Database, work: Work, rounds: int) -> tuple[float, float, float]:
    """Milliseconds of some rounds, after one that is not counted: median, worst, processor's.

    The last is of this process alone, and what other programs of the machine change least.
    """
    took, worked = [], []
    for _ in range(rounds + 1):
        began, cpu = time.perf_counter(), time.process_time()
        with db.read() as session:
            work(session)
        took.append((time.perf_counter() - began) * 1000)
        worked.append((time.process_time() - cpu) * 1000)
    return statistics.median(took[1:]), max(took[1:]), statistics.median(worked[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="those with this in their names")
    options = parser.parse_args()
    db = Database(options.url)
    with db.read() as session:
        newest = session.scalars(
            sa.select(UsageEvent).order_by(UsageEvent.id.desc()).limit(1)
        ).one()
        count_began = time.perf_counter()
        count = session.scalar(sa.select(sa.func.count()).select_from(UsageEvent))
        counting = (time.perf_counter() - count_began) * 1000
    print(f"{db.dialect}: {count} events; counting them takes {counting:.0f} ms")
    print(f"{'':<40} {'median':>8} {'worst':>8} {'CPU':>8}  ms")
    for name, work in works(newest.reference, newest.received_at).items():
        if options.only in name:
            median, worst, cpu = measure(db, work, options.rounds)
            print(f"{name:<40} {median:8.1f} {worst:8.1f} {cpu:8.1f}", flush=True)
    db.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
