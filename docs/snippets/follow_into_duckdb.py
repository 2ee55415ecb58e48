"""Keep shareauth's usage events and ledger in a DuckDB file; kill and start it as you like.

    SHAREAUTH_URL=https://auth.example.com SHAREAUTH_TOKEN=saa_… \
        python follow_into_duckdb.py usage.duckdb [--once]

Needs the package duckdb, and an API token with the scopes usage:read and ledger:read. A page and
the cursor behind it are kept in one transaction: each row is there exactly once.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import duckdb

SERVICE = os.environ.get("SHAREAUTH_URL", "http://127.0.0.1:8080").rstrip("/")
TOKEN = os.environ.get("SHAREAUTH_TOKEN", "")
LIMIT = int(os.environ.get("PAGE_ROWS", "1000"))

TABLES = """
CREATE TABLE IF NOT EXISTS cursors (stream VARCHAR PRIMARY KEY, next VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS usage_events (
    id BIGINT PRIMARY KEY, reference VARCHAR, received_at TIMESTAMPTZ, user_id BIGINT,
    link VARCHAR, app_name VARCHAR, points DECIMAL(28, 9), charge DECIMAL(28, 9),
    input_tokens BIGINT, output_tokens BIGINT, running_time_ms BIGINT
);
CREATE TABLE IF NOT EXISTS usage_lines (
    event_id BIGINT, position INTEGER, model VARCHAR, node_kind VARCHAR,
    points DECIMAL(28, 9), charge DECIMAL(28, 9), PRIMARY KEY (event_id, position)
);
CREATE TABLE IF NOT EXISTS transactions (
    id BIGINT PRIMARY KEY, posted_at TIMESTAMPTZ, user_id BIGINT, kind VARCHAR,
    amount DECIMAL(28, 9), currency VARCHAR, event_id BIGINT, reverses_id BIGINT, corrects VARCHAR
);
CREATE TABLE IF NOT EXISTS postings (
    transaction_id BIGINT, position INTEGER, account VARCHAR, amount DECIMAL(28, 9),
    PRIMARY KEY (transaction_id, position)
);
"""
EVENT = [
    "id",
    "reference",
    "received_at",
    "user_id",
    "link",
    "app_name",
    "points",
    "charge",
    "input_tokens",
    "output_tokens",
    "running_time_ms",
]
LINE = ["position", "model", "node_kind", "points", "charge"]
TRANSACTION = [
    "id",
    "posted_at",
    "user_id",
    "kind",
    "amount",
    "currency",
    "event_id",
    "reverses_id",
    "corrects",
]


def ask(stream: str, after: str | None, wait: int) -> dict[str, Any]:
    """One page of a stream."""
    query = {"limit": LIMIT, "wait": wait, **({"after": after} if after else {})}
    request = urllib.request.Request(
        f"{SERVICE}/admin/api/v1/feed/{stream}?{urllib.parse.urlencode(query)}",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=wait + 60) as answer:
        return json.load(answer)


def insert(database: duckdb.DuckDBPyConnection, table: str, rows: list[list[Any]]) -> None:
    if rows:
        marks = ", ".join("?" for _ in rows[0])
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - ours


def keep_events(database: duckdb.DuckDBPyConnection, items: list[dict[str, Any]]) -> None:
    insert(database, "usage_events", [[item[name] for name in EVENT] for item in items])
    lines = [
        [item["id"], *(line[name] for name in LINE)]
        for item in items
        for line in item["lines"] or ()  # null: they lie in an archive, which it names
    ]
    insert(database, "usage_lines", lines)


def keep_transactions(database: duckdb.DuckDBPyConnection, items: list[dict[str, Any]]) -> None:
    insert(database, "transactions", [[item[name] for name in TRANSACTION] for item in items])
    postings = [
        [item["id"], position, posting["account"], posting["amount"]]
        for item in items
        for position, posting in enumerate(item["postings"])
    ]
    insert(database, "postings", postings)


STREAMS = {"usage-events": keep_events, "postings": keep_transactions}


def follow(database: duckdb.DuckDBPyConnection, stream: str, wait: int) -> bool:
    """Take one page; whether there is more at once."""
    known = database.execute("SELECT next FROM cursors WHERE stream = ?", [stream]).fetchone()
    page = ask(stream, known and known[0], wait)
    if page["items"]:
        database.begin()
        STREAMS[stream](database, page["items"])
        database.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", [stream, page["next"]])
        database.commit()
        print(f"{stream}: {len(page['items'])} rows", flush=True)
    return page["has_more"]


def main() -> None:
    database = duckdb.connect(sys.argv[1])
    database.execute(TABLES)
    is_once = "--once" in sys.argv
    while True:
        try:
            # Whoever has caught up waits for the next row instead of asking again and again.
            more = [follow(database, stream, 0 if is_once else 5) for stream in STREAMS]
        except urllib.error.HTTPError as problem:
            if problem.code not in (429, 502, 503, 504):
                sys.exit(f"{problem.code}: {problem.read().decode()}")
            time.sleep(int(problem.headers.get("Retry-After") or 5))
            continue
        except urllib.error.URLError as problem:  # it restarts; the cursor waits
            print(problem, file=sys.stderr)
            time.sleep(5)
            continue
        if is_once and not any(more):
            return


if __name__ == "__main__":
    main()
