"""A database filled with days of usage: who writes what, in which order, and how far it is."""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from app.archives import partitions
from app.db import Database
from app.ledger import store as ledger_store
from app.links.models import Link
from app.metering.lines import store as lines_store
from app.metering.models import UsageEvent, UsageSegment
from app.metering.months import month_of, months_from
from app.metering.segments.document import digest
from app.money import NANO, format_nano
from app.plans.models import Plan
from app.pricing.book import PriceBook
from app.pricing.models import PriceVersion
from app.reports.models import ReportPosition, UsageName
from app.reports.rollup import follow
from app.reports.rollup import store as rollup_store
from app.tokens.models import Issuer
from app.users.models import User
from rich.progress import Progress

from bulk.crowd import (
    COST_PER_POINT,
    DEPARTMENTS,
    ISSUER,
    PLANS,
    PRICE_VERSION,
    ZONE,
    Crowd,
    Size,
)
from bulk.journals import fill_journals
from bulk.ledger import CURRENCY, Ledger
from bulk.rows import Batch, Names, event_rows, line_rows
from bulk.sums import SumsOf
from bulk.writing import PostgresWriter, SqliteWriter, Writer, hurry, without_indexes

TABLES = (
    "usage_events", "usage_lines", "usage_days", "usage_by_link", "usage_by_user",
    "usage_by_model", "usage_by_segment", "usage_times_by_link", "usage_times_by_segment",
    "usage_totals", "usage_user_totals", "usage_first_answers", "usage_model_totals",
    "usage_returns",
    "usage_user_models", "usage_segment_models", "usage_corrections",
    "ledger_accounts", "ledger_transactions", "ledger_postings",
)  # fmt: skip
JOURNALS = ("refusals", "audit_entries")
NUMBERED = (
    "usage_events", "usage_names", "usage_segments", "ledger_accounts", "ledger_transactions",
    "users", "links", "price_versions",
)  # fmt: skip
"""Tables whose ids were given here: the next one must follow them."""
JOBS = ("events", "lines", "sums", "ledger")
QUEUED = 6
"""Batches that wait to be written to SQLite: each some megabytes."""


@dataclass(frozen=True)
class _Task:
    """What a process of its own needs to know."""

    job: str
    size: Size
    until: datetime
    url: sa.URL | None
    """Where it writes itself; None to hand over what is to be written."""


def fill(url: str, size: Size, *, until: datetime, is_parallel: bool = True) -> None:
    """Fill an empty, migrated database; the last day is the one before ``until``.

    Nobody else may be at it. One that was interrupted is of no use.
    """
    db = Database(url, statement_timeout_s=0, pool_size=2)
    if db.dialect == "sqlite":
        sa.event.listen(db.engine, "connect", lambda connection, _: hurry(connection))
    crowd = Crowd(size, until)
    with _said("users, links and names"):
        _prepare(db, crowd, until)
    with db.engine.connect() as connection, without_indexes(connection, TABLES):
        with _said(f"{size.events} events with lines, sums and ledger"):
            _write(db, connection, crowd, until, is_parallel=is_parallel)
        began = time.monotonic()
    print(f"indexes: {time.monotonic() - began:.0f} s")
    with _said("refusals and audit"):
        fill_journals(db, crowd)
    with _said("the rest"):
        _finish(db, until)
    db.close()


@contextmanager
def _said(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)


def _write(
    db: Database, connection: sa.Connection, crowd: Crowd, until: datetime, *, is_parallel: bool
) -> None:
    driver = connection.connection.driver_connection
    writer: Writer
    if db.dialect == "postgresql":
        writer = PostgresWriter(db.url)
    else:
        connection.rollback()
        driver.execute("BEGIN IMMEDIATE")
        writer = SqliteWriter(driver)
    with Progress() as bar:
        if is_parallel:
            url = db.url if db.dialect == "postgresql" else None
            tasks = [_Task(job, crowd.size, until, url) for job in JOBS]
            _write_beside(tasks, writer, bar)
        else:
            for job in JOBS:
                for _, batches in _made(job, crowd):
                    for batch in batches:
                        writer.write(*batch)
    if isinstance(writer, PostgresWriter):
        writer.close()
    else:
        driver.execute("COMMIT")


def _made(job: str, crowd: Crowd) -> Iterator[tuple[int, Iterator[Batch]]]:
    """How many events each day has, and the rows of the job for it."""
    ledger, sums = Ledger(crowd), SumsOf(crowd)
    rows: Callable[[Any], Iterator[Batch]] = {
        "events": lambda day: event_rows(crowd, day),
        "lines": lambda day: line_rows(crowd, day),
        "sums": sums.rows,
        "ledger": ledger.rows,
    }[job]
    for number in range(crowd.size.days):
        day = crowd.day(number)
        if len(day.ids):
            yield len(day.ids), rows(day)
    if job == "sums":
        yield 0, sums.wider_rows()
        yield 0, sums.day_rows()
    if job == "ledger":
        yield 0, iter([ledger.account_rows()])


def _write_beside(tasks: list[_Task], writer: Writer, bar: Progress) -> None:
    """Each job in a process of its own; what they hand over is written here."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue(QUEUED)
    processes = [context.Process(target=_work, args=(task, queue), daemon=True) for task in tasks]
    shown = {task.job: bar.add_task(task.job, total=task.size.events) for task in tasks}
    for process in processes:
        process.start()
    left = len(processes)
    while left:
        job, events, batch = queue.get()
        if batch is not None:
            writer.write(*batch)
        elif events is None:
            left -= 1
        else:
            bar.advance(shown[job], events)
        if job == "failed":
            sys.exit("a process failed: see above")
    for process in processes:
        process.join()


def _work(task: _Task, queue: Any) -> None:  # noqa: ANN401 - multiprocessing's
    try:
        crowd = Crowd(task.size, task.until)
        writer = None if task.url is None else PostgresWriter(task.url)
        for events, batches in _made(task.job, crowd):
            for batch in batches:
                if writer is None:
                    queue.put((task.job, None, batch))
                else:
                    writer.write(*batch)
            if writer is not None:
                writer.commit()
            queue.put((task.job, events, None))
        if writer is not None:
            writer.close()
        queue.put((task.job, None, None))
    except BaseException:
        queue.put(("failed", None, None))
        raise


def _prepare(db: Database, crowd: Crowd, until: datetime) -> None:
    size, begin = crowd.size, crowd.begin
    with db.begin() as session:
        if session.scalar(sa.select(UsageEvent.id).limit(1)) is not None:
            sys.exit("the database has usage already: load into an empty one")
        issuer = Issuer(name="bench", kind="jwt", origin="database", spec={}, status="active")
        issuer.created_at = begin
        session.add(issuer)
        session.flush()
        if issuer.id != ISSUER:
            sys.exit("the database has issuers already: load into a new one")
        session.add(_prices(begin))
        session.execute(sa.insert(UsageSegment), [_segment(one) for one in range(DEPARTMENTS)])
        session.execute(sa.insert(Plan), [_plan(number, begin) for number in range(PLANS)])
        people = [_user(issuer.id, number, begin) for number in range(1, size.users + 1)]
        session.execute(sa.insert(User), people)
        links = [_link(number, begin) for number in range(1, size.links + 1)]
        session.execute(sa.insert(Link), links)
        names = [
            {"id": number, "kind": kind, "name": name}
            for number, (kind, name) in enumerate(Names(crowd).all, 1)
        ]
        session.execute(sa.insert(UsageName), names)
        ledger_store.create_accounts(session, [], currency=CURRENCY, now=begin)
        if db.dialect == "postgresql":
            for month in months_from(month_of(begin), month_of(until)):
                lines_store.add_partition(session, month)
    partitions.prepare(db, until)


def _finish(db: Database, until: datetime) -> None:
    with db.begin() as session:
        tops = rollup_store.tops(session)
        session.add(
            ReportPosition(
                id=1,
                event_id=tops.event_id,
                wide_event_id=tops.event_id,
                models_event_id=tops.event_id,
                models_from=0,
                transaction_id=tops.transaction_id,
                zone=ZONE.key,
                moved_at=until,
            )
        )
        if db.dialect == "postgresql":
            for table in NUMBERED:
                newest = f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"
                session.execute(sa.text(newest))
    _derive_totals(db, until)
    _analyze(db, (*TABLES, *JOURNALS))
    if db.dialect == "sqlite":
        with db.engine.connect() as connection:
            connection.rollback()
            connection.connection.driver_connection.execute("PRAGMA journal_mode = WAL").fetchall()


def _derive_totals(db: Database, now: datetime) -> None:
    """As the service does when it comes to books that have none."""
    is_done = False
    while not is_done:
        with db.begin() as session:
            is_done = follow.advance(session, zone=ZONE, now=now).is_done


def _analyze(db: Database, tables: Any) -> None:  # noqa: ANN401 - any names
    """As autovacuum would have by the time that there is so much; nobody does on SQLite."""
    if db.dialect != "postgresql":
        return
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in tables:
            connection.exec_driver_sql(f"VACUUM ANALYZE {name}")


def _prices(at: datetime) -> PriceVersion:
    per_point = {"per_point": "0.5", "cost_per_point": format_nano(COST_PER_POINT)}
    book = PriceBook.model_validate(per_point)
    return PriceVersion(
        id=PRICE_VERSION,
        effective_at=at,
        document=book.document(),
        digest=book.digest(),
        created_at=at,
        created_by="bench",
    )


def _segment(number: int) -> dict[str, Any]:
    attributes = {"department": _department(number)}
    return {
        "id": number + 1, "digest": digest(tuple(attributes.items())), "attributes": attributes,
    }  # fmt: skip


def _department(number: int) -> str:
    return f"department {1 + number % DEPARTMENTS:02}"


def _plan(number: int, at: datetime) -> dict[str, Any]:
    return {
        "name": f"plan-{number + 1}", "limits": {}, "credit_limit": None,
        "price_multiplier": NANO, "created_at": at,
    }  # fmt: skip


def _user(issuer_id: int, number: int, at: datetime) -> dict[str, Any]:
    department = _department(number)
    return {
        "id": number, "issuer_id": issuer_id, "subject": f"person-{number}", "uid": f"u_{number}",
        "name": f"Person {number}", "plan_id": 1 + number % PLANS,
        "attributes": {"department": department, "cost_center": f"{4000 + number % 100}"},
        "limits": {}, "status": "active", "created_at": at,
    }  # fmt: skip


def _link(number: int, at: datetime) -> dict[str, Any]:
    return {
        "id": number, "name": f"link-{number}", "status": "active", "messages": {},
        "allows_guests": False, "price_multiplier": NANO, "limits": {}, "visitor_limits": {},
        "guest_limits": {}, "counting": "auto", "created_at": at,
    }  # fmt: skip
