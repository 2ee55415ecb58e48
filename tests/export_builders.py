"""Books with texts that files stumble over, and exports of them read back by other programs."""

import csv
import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import sqlalchemy as sa
from app.audit.journal import Actor
from app.db import Database
from app.exports import catalogue, reading, writing
from app.exports.columns import Column
from app.exports.formats import registry
from app.exports.order import Order
from app.exports.scope import Scope
from app.exports.writing import How
from app.funding import changes
from app.funding.changes import Change
from app.links.models import Link
from app.metering.models import UsageEvent, UsageLine
from app.money import from_nano
from app.periods import Period
from app.users.models import User

from books import make_link, make_users
from reports_builders import Answer, Line, make_answers, spread, write

SHANGHAI = ZoneInfo("Asia/Shanghai")
SINCE = datetime(2026, 10, 31, 16, tzinfo=UTC)
"""November by the clock of Shanghai."""
UNTIL = datetime(2026, 11, 30, 16, tzinfo=UTC)
ACTOR = Actor("=alice()", "cli")
ODD = [
    "=1+1",
    "'quoted",
    '"a",b',
    "two\nlines",
    "-5",
    "+x",
    "＝全角",
    " =x",
    "@me",
    "",
    "汉字",
    "0012",
]
LARGE = 9_123_456_789_123_456_789


def fill(db: Database, now: datetime, number: int = 60) -> None:
    """Answers of two months of two links and five users, and some money."""
    rng = random.Random(5)
    with db.begin() as session:
        make_users(session, now, 5)
        make_link(session, now, "one")
        make_link(session, now, "two")
    moments = spread(rng, [SINCE, UNTIL], 20, number)
    moments = [at + timedelta(microseconds=rng.randrange(10**6)) for at in moments]
    answers = make_answers(rng, moments, [1, 2, 3, 4, 5], [1, 2])
    for answer in answers:
        answer.app, answer.chat_id = rng.choice(ODD), rng.choice([None, *ODD])
        answer.warnings = rng.choice([{}, {"b": 2, "a": 1}])
    large = Answer(SINCE, 1, 1, lines=[Line("=m()", "chatNode", LARGE, LARGE)])
    write(db, [*answers, large])
    for place, at in enumerate(
        [SINCE - timedelta(days=9), SINCE, UNTIL - timedelta(hours=1), UNTIL]
    ):
        paid = Change(1 + place % 2, 7_000_000_001 + place, "CNY", ODD[place], f"paid {place}")
        changes.top_up(db, paid, actor=ACTOR, now=at)
    back = Change(1, 2_000_000_000, "CNY", "sorry", "back")
    changes.refund(db, back, actor=ACTOR, now=SINCE + timedelta(days=3))


def order(table: str, form: str = "csv", **more: Any) -> Order:
    """Of November unless another ``scope`` is given."""
    values = {
        "scope": Scope(Period(SINCE, UNTIL)),
        "zone": SHANGHAI,
        "currency": "CNY",
        "source": "https://auth.example",
        "software": "tests",
        "asked_by": "alice",
        "asked_at": UNTIL,
    }
    return Order(table=catalogue.get(table), form=registry.get(form), **(values | more))


def export(db: Database, asked: Order, folder: Path, how: How | None = None) -> dict[str, Any]:
    """The manifest."""
    return writing.write(db, reading.prepare(db, asked), folder, lambda _: {}, how)


def two_months(table: str, form: str) -> Order:
    return order(table, form, scope=Scope(Period(SINCE - timedelta(days=30), UNTIL)))


def narrowed(asked: Order, **more: Any) -> Order:
    return replace(asked, scope=replace(asked.scope, **more))


def events_of(db: Database, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """What the files must say of events, by the models; each with its lines."""
    chosen = (
        sa.select(UsageEvent, User, Link)
        .join(User, User.id == UsageEvent.user_id)
        .join(Link, Link.id == UsageEvent.link_id)
        .order_by(UsageEvent.received_at, UsageEvent.id)
    )
    with db.read() as session:
        found = [row for row in session.execute(chosen) if since <= row[0].received_at < until]
        lines = session.scalars(sa.select(UsageLine).order_by(UsageLine.position)).all()
    return [
        {
            "reference": event.reference,
            "received_at": event.received_at,
            "subject": user.subject,
            "uid": user.uid,
            "link": link.name,
            "app": event.app_name,
            "chat_id": event.chat_id,
            "points": from_nano(event.points),
            "charge": from_nano(event.charge),
            "input_tokens": event.input_tokens,
            "warnings": " ".join(sorted(event.warnings)),
            "late": False,
            "lines": [
                {"position": line.position, "model": line.model, "charge": from_nano(line.charge)}
                for line in lines
                if line.event_id == event.id
            ],
        }
        for event, user, link in found
    ]


def read_back(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the files, by programs of other people; empty text for what is not there."""
    reader = _READERS[manifest["format"]]
    columns = {column.name: column for column in catalogue.get(manifest["table"]).columns}
    return [
        {name: _value(columns[name], value) for name, value in row.items()}
        for file in manifest["files"]
        for row in reader(folder / file["name"])
    ]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """As ``read_back`` says it: no file but JSON and Parquet tells nothing from empty."""
    return {name: "" if value is None else value for name, value in row.items()}


def _value(column: Column, value: Any) -> Any:
    if value is None or value == "":
        return ""
    if column.kind == "decimal":
        return Decimal(str(value))
    if column.kind == "integer":
        return int(value)
    if column.kind == "flag":
        return value in {True, "true"}
    if column.kind == "time":
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return value


def _csv(place: Path) -> Iterator[dict[str, Any]]:
    frame = pd.read_csv(place, dtype=str, keep_default_na=False)
    for row in frame.to_dict("records"):
        yield {name: _unguarded(value) for name, value in row.items()}


def plain_csv(place: Path) -> list[dict[str, str]]:
    """By Python's own reader, decompressed where that is needed."""
    text = gzip.decompress(place.read_bytes()) if place.suffix == ".gz" else place.read_bytes()
    return list(csv.DictReader(text.decode("utf-8-sig").splitlines(keepends=True)))


def _unguarded(value: str) -> str:
    return value.removeprefix("'")


def _jsonl(place: Path) -> Iterator[dict[str, Any]]:
    for line in place.read_text("utf-8").split("\n"):
        if line:
            yield json.loads(line)


def _xlsx(place: Path) -> Iterator[dict[str, Any]]:
    book = openpyxl.load_workbook(place)
    for sheet in book.worksheets[:-1]:
        names, *rows = sheet.iter_rows(values_only=True)
        for row in rows:
            if row[0] != "Total":
                yield dict(zip(names, row, strict=True))


def _parquet(place: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(place) as file:
        yield from file.read().to_pylist()


_READERS = {"csv": _csv, "jsonl": _jsonl, "xlsx": _xlsx, "parquet": _parquet}
