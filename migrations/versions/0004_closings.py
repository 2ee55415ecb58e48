"""Closed months, the statements frozen with them, and the letters that took them to people.

New tables only: the version before works on, and knows nothing of them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

APPEND_ONLY = ("closings", "statements")
"""Tables whose rows are never changed or removed."""


def upgrade() -> None:
    _create_closings()
    _create_runs()
    _create_statements()
    _create_mails()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table in APPEND_ONLY:
        if is_sqlite:
            _guard_on_sqlite(table)
        else:
            _guard_on_postgresql(table)


def downgrade() -> None:
    # Triggers go with their tables.
    for table in ("statement_mails", "statements", "closing_runs", "closings"):
        op.drop_table(table)


def _create_closings() -> None:
    op.create_table(
        "closings",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=12), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("after_event", sa.BigInteger(), nullable=True),
        sa.Column("after_transaction", sa.BigInteger(), nullable=True),
        sa.Column("opening", sa.BigInteger(), nullable=False),
        sa.Column("closing", sa.BigInteger(), nullable=False),
        sa.Column("sums", JSON, nullable=False),
        sa.Column("statements", sa.BigInteger(), nullable=False),
        sa.Column("departments", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("closed_at", TIME, nullable=False),
        sa.Column("closed_by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "statements >= 0 AND departments >= 0 AND departments <= statements",
            name=op.f("ck_closings_statements"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closings")),
        sa.UniqueConstraint("month", name=op.f("uq_closings_month")),
    )


def _create_runs() -> None:
    op.create_table(
        "closing_runs",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=12), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("begun_by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("wallets", sa.BigInteger(), nullable=False),
        sa.Column("wallets_done", sa.BigInteger(), nullable=False),
        sa.Column("last_wallet", sa.BigInteger(), nullable=False),
        sa.Column("last_department", sa.String(length=200), nullable=True),
        sa.Column("statements", sa.BigInteger(), nullable=False),
        sa.Column("departments", sa.BigInteger(), nullable=False),
        sa.Column("next_ordinal", sa.BigInteger(), nullable=False),
        sa.Column("fold", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_closing_runs_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closing_runs")),
    )


def _create_statements() -> None:
    op.create_table(
        "statements",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("user_id", ROW_ID, nullable=True),
        sa.Column("department", sa.String(length=200), nullable=True),
        sa.Column("currency", sa.String(length=12), nullable=False),
        sa.Column("opening", sa.BigInteger(), nullable=False),
        sa.Column("charged", sa.BigInteger(), nullable=False),
        sa.Column("closing", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'wallet' AND user_id IS NOT NULL) "
            "OR (kind = 'department' AND user_id IS NULL AND department IS NOT NULL)",
            name=op.f("ck_statements_kind"),
        ),
        sa.CheckConstraint("ordinal > 0", name=op.f("ck_statements_ordinal")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_statements_user_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statements")),
        sa.UniqueConstraint("year", "ordinal", name=op.f("uq_statements_year_ordinal")),
    )
    for columns, is_unique in (
        (["month", "user_id"], True),
        (["month", "kind", "ordinal"], False),
        (["user_id", "month"], False),
        (["month", "department", "ordinal"], False),
    ):
        name = f"ix_statements_{'_'.join(columns)}"
        op.create_index(op.f(name), "statements", columns, unique=is_unique)


def _create_mails() -> None:
    op.create_table(
        "statement_mails",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("statement_id", ROW_ID, nullable=False),
        sa.Column("copy", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("done_at", TIME, nullable=True),
        sa.Column("sent_by", sa.String(length=200), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('sending', 'sent', 'failed')", name=op.f("ck_statement_mails_state")
        ),
        sa.CheckConstraint("copy > 0", name=op.f("ck_statement_mails_copy")),
        sa.ForeignKeyConstraint(
            ["statement_id"],
            ["statements.id"],
            name=op.f("fk_statement_mails_statement_id_statements"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_mails")),
        sa.UniqueConstraint(
            "statement_id", "copy", name=op.f("uq_statement_mails_statement_id_copy")
        ),
    )


def _guard_on_sqlite(table: str) -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    # INSERT OR REPLACE asks delete triggers only where recursive_triggers is on.
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608 - names of this file
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _guard_on_postgresql(table: str) -> None:
    # The function is the first migration's.
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION shareauth_refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION shareauth_refuse_change()"
    )
