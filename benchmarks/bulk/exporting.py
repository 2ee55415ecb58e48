"""Exports beside what the database needs for the same rows by itself."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from app.db import Database
from app.exports.catalogue import TABLES
from app.exports.formats.registry import FORMATS

from bulk.clock import ZONE
from bulk.measuring import backend_of, run, worked

CHILD = Path(__file__).parent.parent / "export_once.py"
ROUNDS = 3

# The same columns of the same rows, as somebody would write it for COPY. Amounts stay integers,
# which is in the database's favour.
_OF_EVENT = "e.reference, {time_e}, u.subject, u.uid, l.name, e.app_name"
_USED = "FROM usage_events e JOIN users u ON u.id = e.user_id JOIN links l ON l.id = e.link_id"
QUERIES = {
    "events": f"SELECT {_OF_EVENT}, u.name, e.chat_id, e.points, e.charge, e.input_tokens, "
    "e.output_tokens, e.running_time_ms, e.warnings, p.name, e.price_version_id, e.generation, "
    f"e.billed_by, e.node_count, e.id {_USED} LEFT JOIN plans p ON p.id = e.plan_id "
    "WHERE e.received_at >= {low} AND e.received_at < {high} ORDER BY e.received_at, e.id",
    "lines": f"SELECT {_OF_EVENT}, x.position, x.model, x.node_kind, x.input_tokens, "
    "x.output_tokens, x.embedding_tokens, x.rerank_tokens, x.points, x.charge, x.is_covered, "
    f"e.id {_USED} JOIN usage_lines x ON x.event_id = e.id AND x.received_month IN {{months}} "
    "WHERE e.received_at >= {low} AND e.received_at < {high} "
    "ORDER BY e.received_at, e.id, x.position",
    "postings": "SELECT t.id, {time_t}, t.kind, w.name, t.sequence, a.name, w.currency, p.amount, "
    "t.balance_after, t.event_id, t.reverses_id, t.reason, t.actor, p.position "
    "FROM ledger_transactions t JOIN ledger_postings p ON p.transaction_id = t.id "
    "JOIN ledger_accounts w ON w.id = t.wallet_id JOIN ledger_accounts a ON a.id = p.account_id "
    "WHERE t.posted_at >= {low} AND t.posted_at < {high} ORDER BY t.posted_at, t.id, p.position",
    "statements": "SELECT w.id, u.uid, u.subject, u.name, w.currency, w.balance, t.kind, "
    "sum(t.amount) FROM ledger_accounts w JOIN users u ON u.id = w.user_id "
    "LEFT JOIN ledger_transactions t ON t.wallet_id = w.id AND t.posted_at >= {low} "
    "GROUP BY w.id, u.uid, u.subject, u.name, w.currency, w.balance, t.kind ORDER BY w.id",
    "refusals": "SELECT r.reference, {time_r}, r.hook, r.code, r.message, l.name, r.uid, r.issuer, "
    "r.subject, r.address, r.called, r.id FROM refusals r LEFT JOIN links l ON l.id = r.link_id "
    "WHERE r.at >= {low} AND r.at < {high} ORDER BY r.at, r.id",
    "audit": "SELECT a.id, {time_a}, a.actor, a.source, a.address, a.action, a.object_type, "
    "a.object_id, a.before, a.after, a.reason FROM audit_entries a "
    "WHERE a.at >= {low} AND a.at < {high} ORDER BY a.at, a.id",
}
_TIMES = {"e": "e.received_at", "t": "t.posted_at", "r": "r.at", "a": "a.at"}


def measured(
    db: Database, url: str, now: datetime, *, only: str = "", rounds: int = ROUNDS
) -> Iterator[dict[str, Any]]:
    """Each table as CSV, streamed and as a job; answers and lines in every other format."""
    month = f"{now.astimezone(ZONE).replace(day=1) - timedelta(days=1):%Y-%m}"
    for table in TABLES:
        kinds = [("csv", "streamed"), ("csv", "job")]
        if table in {"events", "lines"}:
            kinds += [(form, "job") for form in FORMATS if form not in {"csv", "xlsx"}]
        if table == "events":
            kinds.append(("xlsx", "job"))
        kinds = [(form, how) for form, how in kinds if only in f"{table} {form} {how}"]
        if not kinds:
            continue
        raw_s, raw_cpu_s = raw(db, table, month)
        for form, how in kinds:
            runs = [run([str(CHILD), url, table, form, month, how]) for _ in range(rounds)]
            said = [json.loads(one.said) for one in runs]
            wall_s = min(one["wall_s"] for one in said)
            rows = said[0]["rows"]
            yield {
                "name": f"{table} {form} {how}",
                "rows": rows,
                "wall_s": wall_s,
                "cpu_s": min(one["cpu_s"] for one in said),
                "raw_s": raw_s,
                "raw_cpu_s": raw_cpu_s,
                "times_raw": wall_s / raw_s,
                "times_raw_cpu": min(one["cpu_s"] for one in said) / raw_cpu_s,
                "rows_per_s": rows / wall_s,
                "peak_mb": max(one.peak_mb for one in runs),
                "idle_mb": said[0]["idle_mb"],
                "bytes": said[0]["bytes"],
            }


def raw(db: Database, table: str, month: str) -> tuple[float, float]:
    """Seconds, and those of the processor, of ``COPY … TO`` of the query: the best of some.

    A bare cursor on SQLite. Whatever is read from the disk is read before the exports are.
    """
    low, high = _bounds(month)
    is_postgresql = db.dialect == "postgresql"
    shown = (
        "to_char(timezone('UTC', {}), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        if is_postgresql
        else "replace({}, ' ', 'T') || 'Z'"
    )
    zone = "+00" if is_postgresql else ""  # texts, on SQLite
    statement = QUERIES[table].format(
        low=f"'{low:%Y-%m-%d %H:%M:%S.%f}{zone}'",
        high=f"'{high:%Y-%m-%d %H:%M:%S.%f}{zone}'",
        months=f"({low:%Y%m}, {high:%Y%m})",
        **{f"time_{name}": shown.format(column) for name, column in _TIMES.items()},
    )
    took, spent = [], []
    for _ in range(ROUNDS):
        with db.read() as session:
            driver: Any = session.connection().connection.driver_connection
            backend = backend_of(session)
            began, cpu = time.monotonic(), worked(backend)
            _copied(driver, statement) if is_postgresql else _read(driver, statement)
            took.append(time.monotonic() - began)
            spent.append(worked(backend) - cpu)
    return min(took), min(spent)


def _copied(driver: psycopg.Connection[Any], statement: str) -> None:
    driver.execute("SET statement_timeout = 0")
    copying = f"COPY ({statement}) TO STDOUT (FORMAT csv)"
    with driver.cursor() as cursor, cursor.copy(copying) as stream:
        for _ in stream:
            pass


def _read(driver: Any, statement: str) -> None:  # noqa: ANN401 - DBAPI connection
    for _ in driver.execute(statement):
        pass


def _bounds(month: str) -> tuple[datetime, datetime]:
    low = datetime.strptime(month, "%Y-%m").replace(tzinfo=ZONE)
    high = (low + timedelta(days=32)).replace(day=1)
    return low.astimezone(UTC), high.astimezone(UTC)
