"""What reporting tools read of billing: closed months, statements, grants, what lapsed of them.

And new columns at the end of views that were there: of which segment and issuer an answer was, what
the points of a month cost, what plans give every month. Names nobody: what segments are made of
is in a view of its own, which only readers of people may see.
"""

from typing import Literal, NamedTuple

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "reporting_v1"
MONTH_WIDTH = 2
QUARTER_ON_SQLITE = "'%Y-%m-%d %H:%M:%S.000000', {} * 900, 'unixepoch'"
TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")

Kind = Literal["plain", "nano", "quarter"]


class Column(NamedTuple):
    """``nano``: an amount. ``quarter``: quarters of an hour since 1970, shown as a time."""

    name: str
    expression: str
    kind: Kind = "plain"


class View(NamedTuple):
    name: str
    source: str
    columns: tuple[Column, ...]


def _plain(table: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, f"{table}.{name}") for name in names)


def _nano(table: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, f"{table}.{name}", "nano") for name in names)


BEFORE = (
    View(
        "usage_events",
        "usage_events e",
        (
            Column("event_id", "e.id"),
            *_plain("e", "reference", "received_at", "link_id", "user_id", "plan_id"),
            *_plain("e", "price_version_id", "app_name", "generation", "billed_by"),
            *_nano("e", "points", "charge"),
            *_plain("e", "input_tokens", "output_tokens", "node_count", "running_time_ms"),
        ),
    ),
    View(
        "plans",
        "plans p",
        (
            Column("plan_id", "p.id"),
            *_plain("p", "name"),
            *_nano("p", "credit_limit", "price_multiplier"),
            *_plain("p", "created_at"),
        ),
    ),
    View(
        "monthly_usage",
        "usage_by_model s JOIN usage_names a ON a.id = s.app_id "
        "JOIN usage_names m ON m.id = s.model_id JOIN usage_names k ON k.id = s.kind_id "
        f"WHERE s.width = {MONTH_WIDTH}",
        (
            Column("month_begins_at", "s.start", "quarter"),
            *_plain("s", "link_id"),
            Column("app_name", "a.name"),
            *_plain("s", "model_id"),
            Column("model", "m.name"),
            Column("node_kind", "k.name"),
            *_plain("s", "questions", "model_questions", "kind_questions"),
            *_nano("s", "points", "charge"),
            *_plain("s", *TOKENS),
        ),
    ),
    View(
        "months",
        f"usage_by_link s JOIN usage_names a ON a.id = s.app_id WHERE s.width = {MONTH_WIDTH}",
        (
            Column("month_begins_at", "s.start", "quarter"),
            *_plain("s", "link_id"),
            Column("app_name", "a.name"),
            *_plain("s", "questions"),
            *_nano("s", "points", "charge"),
            *_plain("s", *TOKENS),
        ),
    ),
)
"""As they were."""
# Outer joins on keys: who does not ask for the issuer does not pay for it.
ISSUERS = "LEFT JOIN users u ON u.id = e.user_id LEFT JOIN issuers i ON i.id = u.issuer_id"
MORE: dict[str, tuple[Column, ...]] = {
    "usage_events": (*_plain("e", "segment_id"), Column("issuer", "i.name")),
    "plans": (*_nano("p", "monthly_credit"), *_plain("p", "monthly_priority")),
    "monthly_usage": _nano("s", "cost", "costed_points"),
    "months": _nano("s", "cost", "costed_points"),
}
SOURCES = {"usage_events": f"usage_events e {ISSUERS}"}
WIDER = tuple(
    View(view.name, SOURCES.get(view.name, view.source), (*view.columns, *MORE[view.name]))
    for view in BEFORE
)
NEW = (
    View(
        "segments",
        "usage_segments s",
        (Column("segment_id", "s.id"), *_plain("s", "attributes")),
    ),
    View(
        "closings",
        "closings c",
        (
            *_plain("c", "month"),
            Column("begins_at", "c.since"),
            Column("ends_at", "c.until"),
            Column("time_zone", "c.zone"),
            *_plain("c", "currency"),
            *_nano("c", "opening", "closing"),
            *_plain("c", "statements", "departments", "event_id", "transaction_id"),
            *_plain("c", "hash", "closed_at"),
        ),
    ),
    View(
        "statements",
        "statements s WHERE s.month IN (SELECT month FROM closings)",
        (
            Column("statement_id", "s.id"),
            *_plain("s", "year", "ordinal", "month", "kind", "user_id"),
            # Which department a person is in is an attribute of theirs.
            Column("department", "CASE WHEN s.kind = 'department' THEN s.department END"),
            *_plain("s", "currency"),
            *_nano("s", "opening", "charged", "closing"),
            *_plain("s", "hash"),
        ),
    ),
    View(
        "grants",
        "grants g",
        (
            Column("transaction_id", "g.transaction_id"),
            *_plain("g", "user_id", "source", "plan_id", "month", "priority"),
            *_nano("g", "amount", "remaining", "lapsed"),
            *_plain("g", "granted_at", "expires_at"),
            Column("ended_at", "g.closed_at"),
            Column("ended_as", "g.closed_as"),
        ),
    ),
    View(
        "breakage",
        "closings c JOIN grants g ON g.closed_at >= c.since AND g.closed_at < c.until "
        "GROUP BY c.month, g.plan_id",
        (
            *_plain("c", "month"),
            *_plain("g", "plan_id"),
            Column("grants", "count(*)"),
            Column("granted", "sum(g.amount)", "nano"),
            Column("spent", "sum(g.amount - g.lapsed)", "nano"),
            Column("lapsed", "sum(g.lapsed)", "nano"),
            Column(
                "revoked", "sum(CASE WHEN g.closed_as = 'revoked' THEN g.lapsed ELSE 0 END)", "nano"
            ),
        ),
    ),
)


def upgrade() -> None:
    _put(WIDER)
    _put(NEW)


def downgrade() -> None:
    """Columns at the end can not be taken off a view: each is dropped and made anew."""
    for view in (*NEW, *BEFORE):
        _drop(view)
    _put(BEFORE)


def _put(views: tuple[View, ...]) -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for view in views:
        if is_postgresql:
            op.execute(_on_postgresql(view))
        else:
            op.execute(f"DROP VIEW IF EXISTS {SCHEMA}_{view.name}")
            op.execute(_on_sqlite(view))


def _drop(view: View) -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.execute(f"DROP VIEW {SCHEMA}{'.' if is_postgresql else '_'}{view.name}")


def _on_postgresql(view: View) -> str:
    """Replaced in its place, so that readers keep what they were granted."""
    shown = {
        "plain": "{}",
        # Multiplied and not divided: a product of numerics is exact.
        "nano": "({} * 0.000000001)::numeric(28, 9)",
        "quarter": "to_timestamp({}::bigint * 900)",
    }
    columns = ", ".join(
        f'{shown[column.kind].format(column.expression)} AS "{column.name}"'
        for column in view.columns
    )
    return f'CREATE OR REPLACE VIEW {SCHEMA}."{view.name}" AS SELECT {columns} FROM {view.source}'  # noqa: S608 - names of this file


def _on_sqlite(view: View) -> str:
    """SQLite has no decimals: amounts stay whole numbers, in columns that are named for it."""
    columns = ", ".join(
        f'strftime({QUARTER_ON_SQLITE.format(column.expression)}) AS "{column.name}"'
        if column.kind == "quarter"
        else f'{column.expression} AS "{column.name}{"_nano" if column.kind == "nano" else ""}"'
        for column in view.columns
    )
    return f"CREATE VIEW {SCHEMA}_{view.name} AS SELECT {columns} FROM {view.source}"  # noqa: S608 - names of this file
