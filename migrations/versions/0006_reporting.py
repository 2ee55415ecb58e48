"""Read-only views for reporting tools: the schema reporting_v1, on SQLite the prefix reporting_v1_.

Views name their columns, so tables may get more. What v1 promises stands in docs/analytics.md:
columns are never renamed or removed, new ones come at the end, by a migration of their own.

On SQLite no table that a view reads can be renamed or made anew while the view is there: drop the
views first (``_drop``) and create them again.
"""

from typing import Literal, NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "reporting_v1"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

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


TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
MONTH_WIDTH = 2
QUARTER_ON_SQLITE = "'%Y-%m-%d %H:%M:%S.000000', {} * 900, 'unixepoch'"

VIEWS = (
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
        "usage_lines",
        "usage_lines l",
        (
            *_plain("l", "event_id", "position", "received_month", "model", "node_kind", *TOKENS),
            *_nano("l", "points", "charge"),
            *_plain("l", "is_covered"),
        ),
    ),
    View(
        "transactions",
        "ledger_transactions t JOIN ledger_accounts a ON a.id = t.wallet_id",
        (
            Column("transaction_id", "t.id"),
            *_plain("t", "posted_at"),
            *_plain("a", "user_id"),
            *_plain("t", "sequence", "kind"),
            *_nano("t", "amount", "balance_after"),
            *_plain("a", "currency"),
            *_plain("t", "event_id", "reverses_id", "hash"),
        ),
    ),
    View(
        "postings",
        "ledger_postings p JOIN ledger_accounts a ON a.id = p.account_id",
        (
            *_plain("p", "transaction_id", "position", "account_id"),
            Column("account_name", "a.name"),
            Column("account_kind", "a.kind"),
            *_plain("a", "user_id"),
            *_nano("p", "amount"),
            *_plain("a", "currency"),
        ),
    ),
    View(
        "wallets",
        "ledger_accounts a WHERE a.kind = 'wallet'",
        (
            Column("account_id", "a.id"),
            Column("account_name", "a.name"),
            *_plain("a", "user_id", "currency"),
            *_nano("a", "balance"),
            *_plain("a", "version", "created_at"),
        ),
    ),
    View(
        "users",
        "users u JOIN issuers i ON i.id = u.issuer_id",
        (
            Column("user_id", "u.id"),
            *_plain("u", "uid"),
            Column("issuer", "i.name"),
            Column("issuer_kind", "i.kind"),
            *_plain("u", "plan_id", "status", "created_at", "erased_at"),
        ),
    ),
    View(
        "people",
        "users u WHERE u.erased_at IS NULL",
        (Column("user_id", "u.id"), *_plain("u", "subject", "name", "locale", "attributes")),
    ),
    View(
        "links",
        "links l",
        (
            Column("link_id", "l.id"),
            *_plain("l", "name", "status", "allows_guests"),
            *_nano("l", "price_multiplier"),
            *_plain("l", "created_at"),
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
        "models",
        "usage_names n WHERE n.kind = 'model'",
        (Column("model_id", "n.id"), *_plain("n", "name")),
    ),
    View(
        "daily_usage",
        "usage_days d",
        (
            *_plain("d", "day", "user_id", "link_id", "is_guest", "questions"),
            *_nano("d", "points", "charge"),
            *_plain("d", "input_tokens", "output_tokens"),
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
    View(
        "corrections",
        "usage_corrections c",
        (
            Column("posted_quarter", "c.start", "quarter"),
            Column("used_quarter", "c.used_start", "quarter"),
            *_plain("c", "user_id", "link_id", "kind", "transactions"),
            *_nano("c", "amount"),
        ),
    ),
    View(
        "refusals",
        "refusals r",
        (
            Column("refusal_id", "r.id"),
            *_plain("r", "reference", "at", "hook", "code", "link_id", "user_id"),
        ),
    ),
    View(
        "refusal_counts",
        "refusal_counts r",
        (
            *_plain("r", "quarter", "link_id", "hook", "code"),
            Column("refusals", "r.count"),
        ),
    ),
    View(
        "position",
        "report_positions p",
        (
            *_plain("p", "event_id", "transaction_id"),
            Column("time_zone", "p.zone"),
            *_plain("p", "moved_at"),
        ),
    ),
)


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        op.execute(f"CREATE SCHEMA {SCHEMA}")
    for view in VIEWS:
        op.execute(_on_postgresql(view) if is_postgresql else _on_sqlite(view))
    _create_prunings()


def downgrade() -> None:
    op.drop_table("prunings")
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW {SCHEMA}{'.' if is_postgresql else '_'}{view.name}")
    if is_postgresql:
        op.execute(f"DROP SCHEMA {SCHEMA}")


def _on_postgresql(view: View) -> str:
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
    return f'CREATE VIEW {SCHEMA}."{view.name}" AS SELECT {columns} FROM {view.source}'  # noqa: S608 - names of this file


def _on_sqlite(view: View) -> str:
    """SQLite has no decimals: amounts stay whole numbers, in columns that are named for it."""
    columns = ", ".join(
        f'strftime({QUARTER_ON_SQLITE.format(column.expression)}) AS "{column.name}"'
        if column.kind == "quarter"
        else f'{column.expression} AS "{column.name}{"_nano" if column.kind == "nano" else ""}"'
        for column in view.columns
    )
    return f"CREATE VIEW {SCHEMA}_{view.name} AS SELECT {columns} FROM {view.source}"  # noqa: S608 - names of this file


def _create_prunings() -> None:
    op.create_table(
        "prunings",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("removed_ever", sa.BigInteger(), nullable=False),
        sa.Column("last_removed_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_prunings")),
    )
