"""Fill a database with usage as a busy service would have it: events, lines, days, report sums.

The bulk way (COPY on PostgreSQL), which asks nobody: for benchmarks alone, on an empty database.
There is no ledger behind the events. See README.md beside this file.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from app import schema
from app.archives import partitions
from app.db import Database
from app.links.models import Link
from app.metering.lines import store as lines_store
from app.metering.models import UsageDay, UsageEvent, UsageLine
from app.metering.months import month_of, months_from
from app.money import NANO
from app.reports.models import (
    ReportPosition,
    UsageByLink,
    UsageByModel,
    UsageByUser,
    UsageName,
)
from app.reports.rollup.fold import Event, Fold, Line, Name, Sums, named
from app.reports.spans import MONTH, local_day, quarter_of
from app.tokens.models import Issuer
from app.users.models import User
from rich.progress import Progress

ZONE = ZoneInfo("Asia/Shanghai")
KINDS = ("chatNode", "datasetSearchNode", "tools", "classifyQuestion")
BY_HOUR = [1, 1, 1, 1, 1, 1, 2, 4, 8, 12, 12, 10, 8, 9, 12, 12, 11, 9, 7, 7, 6, 5, 3, 2]
"""How busy each hour of the day is, by the clock of the zone."""
Write = Callable[[str, Sequence[str], Iterator[tuple[Any, ...]]], None]
KEPT = (UsageByLink, UsageByUser, UsageByModel)

EVENT_COLUMNS = [
    "id", "reference", "idempotency_key", "fingerprint", "link_id", "user_id", "received_at",
    "app_name", "chat_id", "generation", "billed_by", "points", "charge", "input_tokens",
    "output_tokens", "node_count", "running_time_ms", "body_bytes", "warnings", "arithmetic",
]  # fmt: skip
LINE_COLUMNS = [
    "event_id", "position", "received_month", "model", "node_kind", "input_tokens",
    "output_tokens", "embedding_tokens", "rerank_tokens", "points", "charge", "is_covered",
]  # fmt: skip
DAY_COLUMNS = [
    "user_id", "day", "link_id", "is_guest", "questions", "points", "charge", "input_tokens",
    "output_tokens",
]  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    events: int
    days: int
    users: int
    links: int
    models: int
    seed: int = 1


def load(db: Database, size: Size, *, until: datetime) -> None:
    """Fill an empty, migrated database; the last day is the one before ``until``."""
    first = until.astimezone(ZONE).date() - timedelta(days=size.days)
    begin = datetime(first.year, first.month, first.day, tzinfo=ZONE).astimezone(UTC)
    _prepare(db, size, begin, until)
    crowd = _Crowd(size)
    ids = _names(db, crowd)
    months = _Months()
    with Progress() as bar, _writer(db) as write:
        task = bar.add_task(f"{size.events} events", total=size.events)
        next_id = 1
        for day in range(size.days):
            number = size.events * (day + 1) // size.days - size.events * day // size.days
            events = crowd.day(begin + timedelta(days=day), number, next_id)
            _write_events(write, events, crowd)
            _write_sums(write, events, ids, months)
            next_id += number
            bar.advance(task, number)
        months.write_all(write)
    _finish(db, size, until)


class _Crowd:
    """Who asks what: some people far more than others, each link with its own app and models."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.rng = random.Random(size.seed)
        self.models = [f"model-{number:02}" for number in range(size.models)]
        self._of_link = [
            self.rng.sample(self.models, min(4, size.models)) for _ in range(size.links)
        ]

    def app(self, link_id: int) -> str:
        return f"app of link {link_id}"

    def day(self, begin: datetime, number: int, first_id: int) -> list[Event]:
        rng = self.rng
        hours = rng.choices(range(24), BY_HOUR, k=number)
        offsets = sorted(hour * 3600 + rng.random() * 3600 for hour in hours)
        return [
            self._event(first_id + place, begin + timedelta(seconds=offset))
            for place, offset in enumerate(offsets)
        ]

    def _event(self, id_: int, at: datetime) -> Event:
        rng, size = self.rng, self.size
        user_id = 1 + int(size.users * rng.random() ** 2.5)
        link_id = 1 + (user_id * 7 + int(rng.random() ** 3 * 3)) % size.links
        models = self._of_link[link_id - 1]
        lines = [self._line(rng, models) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
        return Event(
            id=id_,
            received_at=at,
            user_id=user_id,
            link_id=link_id,
            app_name=self.app(link_id),
            points=sum(line.points for line in lines),
            charge=sum(line.charge for line in lines),
            lines=lines,
        )

    def _line(self, rng: random.Random, models: Sequence[str]) -> Line:
        points = rng.randrange(1, 4 * NANO)
        kind = KINDS[int(rng.random() ** 2 * len(KINDS))]
        tokens = (rng.randrange(100, 9000), rng.randrange(10, 900), 0, 0)
        return Line(models[int(rng.random() ** 2 * len(models))], kind, points, points // 2, tokens)


class _Months:
    """The sums of months, which no day knows alone: they are written when all days are."""

    def __init__(self) -> None:
        self._sums: dict[str, Sums] = {}

    def take(self, table: str, sums: Sums) -> list[dict[str, Any]]:
        """Keep those of months; the others, which are complete."""
        mine = self._sums.setdefault(table, Sums(sums.key, sums.columns))
        others = []
        for row in sums.rows():
            if row["width"] == MONTH:
                mine.add(tuple(row[name] for name in sums.key), [row[c] for c in sums.columns])
            else:
                others.append(row)
        return others

    def write_all(self, write: Write) -> None:
        for table, sums in self._sums.items():
            _write_rows(write, table, sums.rows())


def _write_events(write: Write, events: Sequence[Event], crowd: _Crowd) -> None:
    write("usage_events", EVENT_COLUMNS, (_event_row(event, crowd.rng) for event in events))
    write("usage_lines", LINE_COLUMNS, _line_rows(events))
    days: dict[tuple[int, str, int], list[int]] = {}
    for event in events:
        day = local_day(quarter_of(event.received_at), ZONE).isoformat()
        sums = days.setdefault((event.user_id, day, event.link_id), [0] * 5)
        for place, more in enumerate((1, event.points, event.charge, *_tokens(event))):
            sums[place] += more
    rows = ((user, day, link, False, *sums) for (user, day, link), sums in days.items())
    write("usage_days", DAY_COLUMNS, rows)


def _write_sums(
    write: Write, events: Sequence[Event], ids: dict[Name, int], months: _Months
) -> None:
    folded = Fold(ZONE, ids)
    for event in events:
        folded.add(event)
    for table, sums in zip(KEPT, (folded.by_link, folded.by_user, folded.by_model), strict=True):
        name = table.__tablename__
        _write_rows(write, name, months.take(name, sums))


def _write_rows(write: Write, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        write(table, list(rows[0]), (tuple(row.values()) for row in rows))


def _event_row(event: Event, rng: random.Random) -> tuple[Any, ...]:
    digest = f"{event.id:064x}"
    input_tokens, output_tokens = _tokens(event)
    warnings = {"inclusion_guessed:agent": 1} if event.id % 500 == 0 else {}
    return (
        event.id, f"B{event.id}", f"{digest}:1", digest, event.link_id, event.user_id,
        event.received_at, event.app_name, f"chat-{rng.getrandbits(64):016x}", "G5", "token",
        event.points, event.charge, input_tokens, output_tokens, len(event.lines),
        rng.randrange(500, 20_000), 4000, json.dumps(warnings), _arithmetic(event),
    )  # fmt: skip


def _tokens(event: Event) -> tuple[int, int]:
    return sum(line.tokens[0] for line in event.lines), sum(line.tokens[1] for line in event.lines)


def _line_rows(events: Sequence[Event]) -> Iterator[tuple[Any, ...]]:
    for event in events:
        month = month_of(event.received_at)
        for position, line in enumerate(event.lines):
            yield (
                event.id, position, month, line.model, line.node_kind, *line.tokens,
                line.points, line.charge, False,
            )  # fmt: skip


def _arithmetic(event: Event) -> str:
    points, charge = f"{event.points / NANO:.9f}", f"{event.charge / NANO:.9f}"
    said = {
        "currency": "CNY", "points": points, "per_point": "0.5", "points_amount": charge,
        "tokens": [], "per_question": "0", "subtotal": charge, "link_multiplier": "1",
        "plan_multiplier": "1", "multiplied": charge, "minimum": "0", "rounded": charge,
        "allowance_left": "0", "allowance_taken": "0", "charge": charge, "unpriced": [],
    }  # fmt: skip
    return json.dumps(said)


def _prepare(db: Database, size: Size, begin: datetime, until: datetime) -> None:
    with db.begin() as session:
        if session.scalar(sa.select(UsageEvent.id).limit(1)) is not None:
            sys.exit("the database has usage already: load into an empty one")
        issuer = Issuer(name="bench", kind="jwt", origin="database", spec={}, status="active")
        issuer.created_at = begin
        session.add(issuer)
        session.flush()
        people = [_user(issuer.id, number, begin) for number in range(size.users)]
        session.execute(sa.insert(User), people)
        session.execute(sa.insert(Link), [_link(number, begin) for number in range(size.links)])
    partitions.prepare(db, until)
    if db.dialect == "postgresql":
        for month in months_from(month_of(begin), month_of(until)):
            with db.begin() as session:
                lines_store.add_partition(session, month)


def _names(db: Database, crowd: _Crowd) -> dict[Name, int]:
    names = [
        *(named("model", model) for model in crowd.models),
        *(named("node_kind", kind) for kind in KINDS),
        *(named("app", crowd.app(link)) for link in range(1, crowd.size.links + 1)),
    ]
    rows = [
        {"id": number, "kind": kind, "name": name} for number, (kind, name) in enumerate(names, 1)
    ]
    with db.begin() as session:
        session.execute(sa.insert(UsageName), rows)
    return {name: number for number, name in enumerate(names, 1)}


@contextmanager
def _writer(db: Database) -> Iterator[Write]:
    """Gives ``write(table, columns, rows)``; all is committed at the end."""
    connection = db.engine.raw_connection()
    driver = connection.driver_connection
    if db.dialect == "postgresql":

        def copy(table: str, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
            statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
            with driver.cursor() as cursor, cursor.copy(statement) as stream:
                for row in rows:
                    stream.write_row(row)

        driver.execute("SET statement_timeout = 0")
        yield copy
        driver.commit()
    else:

        def insert(table: str, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
            marks = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            bound = (tuple(_for_sqlite(value) for value in row) for row in rows)
            driver.executemany(statement, bound)

        for pragma in ("synchronous = OFF", "foreign_keys = OFF", "cache_size = -400000"):
            driver.execute(f"PRAGMA {pragma}")
        driver.execute("BEGIN IMMEDIATE")
        yield insert
        driver.execute("COMMIT")
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.invalidate()


def _for_sqlite(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value


def _finish(db: Database, size: Size, until: datetime) -> None:
    with db.begin() as session:
        position = ReportPosition(
            id=1, event_id=size.events, transaction_id=0, zone=ZONE.key, moved_at=until
        )
        session.add(position)
        if db.dialect == "postgresql":
            for table in ("usage_events", "usage_names"):
                newest = f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"
                session.execute(sa.text(newest))
    # As autovacuum would have by the time that there is so much.
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        names = [table.__tablename__ for table in (*KEPT, UsageEvent, UsageLine, UsageDay)]
        for name in names if db.dialect == "postgresql" else ():
            connection.exec_driver_sql(f"VACUUM ANALYZE {name}")


def _user(issuer_id: int, number: int, at: datetime) -> dict[str, Any]:
    return {
        "issuer_id": issuer_id, "subject": f"person-{number}", "uid": f"u_{number}",
        "name": f"Person {number}", "attributes": {}, "limits": {}, "status": "active",
        "created_at": at,
    }  # fmt: skip


def _link(number: int, at: datetime) -> dict[str, Any]:
    return {
        "name": f"link-{number}", "status": "active", "messages": {}, "allows_guests": False,
        "price_multiplier": NANO, "limits": {}, "visitor_limits": {}, "guest_limits": {},
        "counting": "auto", "created_at": at,
    }  # fmt: skip


def add_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--links", type=int, default=20)
    parser.add_argument("--models", type=int, default=12)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="sqlite:////…/bench.sqlite3 or postgresql+psycopg://…")
    add_size(parser)
    given = vars(parser.parse_args())
    db = Database(given.pop("url"))
    schema.upgrade(db)
    load(db, Size(**given), until=datetime.now(UTC))
    db.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
