"""How long reports and exports take, on a database that load_usage.py has filled.

See README.md beside this file.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from app.db import Database
from app.ledger.models import Transaction
from app.metering.models import UsageEvent
from app.reports import store as report_store
from app.reports.events.detail import find_event
from app.reports.events.listing import list_events
from app.reports.events.store import EventFilters
from app.reports.explore import explore
from app.reports.overview import overview
from app.reports.query import Filters, Query
from app.statements.statement import load_statement
from bulk import exporting
from bulk.clock import ZONE
from bulk.measuring import measure
from sqlalchemy.orm import Session

ELSEWHERE = ZoneInfo("America/New_York")
HEAVY, COMMON = 1, 20_000
"""Users: who asks more than all others, and one like most."""

Work = Callable[[Session], object]


def works(db: Database, reference: str, now: datetime) -> dict[str, Work]:
    """What is measured: thirty days with today, and pages of single answers."""
    return {
        **_reports(now),
        **_pages(db, reference, now),
    }


def _reports(now: datetime) -> dict[str, Work]:
    end = datetime.combine(now.astimezone(ZONE), datetime.min.time(), ZONE) + timedelta(days=1)
    month = end - timedelta(days=30)

    def report(**asked: object) -> Work:
        known = {"since": month, "until": end, "zone": ZONE}
        query = Query(**{**known, **asked})  # type: ignore[arg-type]
        return lambda session: explore(session, query)

    heavy, common = (Filters(users=frozenset({user})) for user in (HEAVY, COMMON))
    one_model = Filters(models=frozenset({"model-01"}))
    return {
        "overview": lambda session: overview(session, zone=ZONE, now=now),
        "month by model": report(by=("model",)),
        "month by model, per day": report(by=("model",), per="day", limit=8),
        "month by model, per day, in New York": report(
            by=("model",), per="day", limit=8, zone=ELSEWHERE
        ),
        "all by link, per month": report(
            by=("link",), per="month", since=end - timedelta(days=400)
        ),
        "top 20 users of the month": report(by=("user",), limit=20),
        "top 20 users of 720 hours": report(
            by=("user",), limit=20, since=now - timedelta(days=30), until=now
        ),
        "top 20 users of all time": report(by=("user",), limit=20, since=end - timedelta(days=400)),
        "visitors of the month": report(with_visitors=True),
        "visitors per day of the month": report(with_visitors=True, per="day"),
        "hours of a week": report(per="hour", since=end - timedelta(days=7)),
        "heaviest user's month, per day": report(filters=heavy, per="day"),
        "heaviest user's month, by model": report(filters=heavy, by=("model",)),
        "a user's month, per day": report(filters=common, per="day"),
        "a user's month, by model": report(filters=common, by=("model",)),
        "month by user and model": report(by=("user", "model"), limit=20),
        "month by department and model": report(by=("attribute:department", "model"), limit=20),
        "top 20 users of a model": report(by=("user",), filters=one_model, limit=20),
        "visitors of each model": report(by=("model",), with_visitors=True),
    }


def _pages(db: Database, reference: str, now: datetime) -> dict[str, Work]:
    old = now - timedelta(days=20)

    def page(**chosen: object) -> Work:
        filters = EventFilters(**chosen)  # type: ignore[arg-type]
        return lambda session: list_events(session, filters)

    return {
        "heaviest user's statement": lambda _: load_statement(db, user_id=HEAVY),
        "heaviest user's statement, far back": lambda _: load_statement(
            db, user_id=HEAVY, before=1000
        ),
        "a user's statement": lambda _: load_statement(db, user_id=COMMON),
        "answers, newest": page(),
        "answers of 20 days ago": page(until=old),
        "answers of one user": page(user_id=COMMON),
        "answers of one link": page(link_id=1, until=old),
        "answers with a model": page(model="model-01"),
        "answers with warnings": page(with_warnings=True),
        "answers of one chat": page(chat_id="nothing"),
        "one answer, with lines and arithmetic": lambda session: find_event(session, reference),
    }


def bounds(db: Database) -> dict[str, float]:
    """Milliseconds that the database itself takes to count."""
    found = {}
    for table in (UsageEvent, Transaction):
        with db.read() as session:
            began = time.perf_counter()
            session.scalar(sa.select(sa.func.count()).select_from(table))
            name = f"SELECT count(*) FROM {table.__tablename__}"
            found[name] = (time.perf_counter() - began) * 1000
    return found


def _print_growth(found: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    print(f"\nfrom {before['events']} to {found['events']} events:")
    for name, times in found["reports"].items():
        if (old := before["reports"].get(name)) is not None:
            ratio = times["cpu"] / max(old["cpu"], 0.01)
            medians = f"{old['median']:8.1f} {times['median']:8.1f}"
            print(f"{name:<40} {medians} ms   CPU {ratio:5.2f}x")


def main() -> int:
    options = _options()
    db = Database(options.url, statement_timeout_s=600)
    with db.read() as session:
        newest = session.scalars(
            sa.select(UsageEvent).order_by(UsageEvent.id.desc()).limit(1)
        ).one()
    found: dict[str, Any] = {"database": db.server_version(), "events": newest.id}
    print(f"{found['database']}: {newest.id} events")
    found["bounds"] = bounds(db)
    for name, took in found["bounds"].items():
        print(f"{name:<45} {took:10.0f}  ms")
    print(f"{'':<40} {'median':>8} {'worst':>8} {'CPU':>8}  ms")
    found["reports"] = {}
    reports = _reports(newest.received_at)
    for name, work in works(db, newest.reference, newest.received_at).items():
        if options.only in name:
            times = measure(db, work, rounds=options.rounds, budget_s=options.budget)
            found["reports"][name] = times.as_json()
            said = f"{name:<40} {times.median:8.1f} {times.worst:8.1f} {times.cpu:8.1f}"
            if options.without_totals and name in reports:
                with _no_totals():
                    times = measure(db, work, rounds=options.rounds, budget_s=options.budget)
                found["reports"][name]["without_totals"] = times.as_json()
                said += f"   without totals {times.median:8.1f} {times.cpu:8.1f}"
            print(said, flush=True)
    found["exports"] = {}
    if not options.only or options.only.startswith("exports"):
        heads = ("rows", "rows/s", "seconds", "CPU s", "alone s", "CPU s")
        print(f"{'':<28} {' '.join(f'{head:>8}' for head in heads)}")
        only = options.only.removeprefix("exports").strip()
        for one in exporting.measured(
            db, options.url, newest.received_at, only=only, rounds=min(options.rounds, 3)
        ):
            found["exports"][one["name"]] = one
            print(
                f"{one['name']:<28} {one['rows']:8.0f} {one['rows_per_s']:8.0f} "
                f"{one['wall_s']:8.2f} {one['cpu_s']:7.2f} {one['raw_s']:8.2f} "
                f"{one['raw_cpu_s']:8.2f} {one['times_raw']:5.1f}x {one['times_raw_cpu']:5.1f}x "
                f"{one['peak_mb']:5.0f} MB",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), "utf-8")
    if options.before:
        _print_growth(found, json.loads(options.before.read_text("utf-8")))
    db.close()
    return 0


@contextmanager
def _no_totals() -> Iterator[None]:
    """Have reports read the sums that totals are made of, as where there are none."""
    known = report_store.position

    def position(session: Session) -> report_store.Position:
        return replace(known(session), totals_from=None, models_from=None)

    report_store.position = position
    try:
        yield
    finally:
        report_store.position = known


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--budget", type=float, default=15, help="seconds for each, about")
    parser.add_argument(
        "--only", default="", help="those with this in their names; or exports, exports lines"
    )
    parser.add_argument(
        "--without-totals", action="store_true", help="each report also as if there were none"
    )
    parser.add_argument("--json", type=Path, help="write what was found there")
    parser.add_argument("--before", type=Path, help="such a file of fewer events, to compare with")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
