"""Credit that expires: two kinds of transactions, their accounts, and grants as rows.

Expands only. On PostgreSQL the ledger's transactions are read once while they are locked, some
seconds where there are ten million: finishes wait in the spool meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

ACCOUNTS = ("promotions", "breakage")

_KIND_BEFORE = (
    "(kind = 'charge' AND amount <= 0) "
    "OR (kind IN ('top_up', 'redemption', 'refund') AND amount > 0) "
    "OR kind IN ('adjustment', 'reversal')"
)
_KIND = (
    "(kind IN ('charge', 'expiry') AND amount <= 0) "
    "OR (kind IN ('top_up', 'redemption', 'refund', 'grant') AND amount > 0) "
    "OR kind IN ('adjustment', 'reversal')"
)
_CORRECTION_BEFORE = "kind IN ('rerated', 'reversed', 'refunded', 'adjusted', 'topped_up')"
_CORRECTION = (
    "kind IN ('rerated', 'reversed', 'refunded', 'adjusted', 'topped_up', 'redeemed', "
    "'granted', 'expired')"
)
WIDENED = {
    "ledger_transactions": ("ck_ledger_transactions_kind", _KIND_BEFORE, _KIND),
    "usage_corrections": ("ck_usage_corrections_kind", _CORRECTION_BEFORE, _CORRECTION),
}
"""Of each table a CHECK: its name, the text before and the text after."""


def upgrade() -> None:
    for table, (name, before, after) in WIDENED.items():
        _replace_check(table, name, before, after)
    # Wallets that are there already have the house's accounts of then.
    for account in ACCOUNTS:
        op.execute(
            "INSERT INTO ledger_accounts (name, kind, user_id, currency, balance, version, "  # noqa: S608 - names of this file
            f"head_hash, created_at) SELECT '{account}', kind, NULL, currency, 0, 0, head_hash, "
            "created_at FROM ledger_accounts WHERE name = 'revenue' AND NOT EXISTS "
            f"(SELECT 1 FROM ledger_accounts WHERE name = '{account}')"
        )
    op.add_column(
        "plans", sa.Column("monthly_credit", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column(
        "plans",
        sa.Column("monthly_priority", sa.SmallInteger(), server_default="50", nullable=False),
    )
    _create_grants()


def downgrade() -> None:
    """Accounts, transactions of the new kinds and the wide checks stay: nothing is in their way."""
    op.drop_table("grant_checkpoints")
    for index in ("granted_at", "closed_at", "open_until"):
        op.drop_index(f"ix_grants_{index}", table_name="grants")
    op.drop_table("grants")
    op.drop_column("plans", "monthly_priority")
    op.drop_column("plans", "monthly_credit")


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("transaction_id", ROW_ID, nullable=False),
        sa.Column("wallet_id", ROW_ID, nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("plan_id", ROW_ID, nullable=True),
        sa.Column("month", sa.String(length=7), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("closed_as", sa.String(length=10), nullable=True),
        sa.Column("lapsed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "remaining >= 0 AND remaining <= amount", name=op.f("ck_grants_remaining")
        ),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_as IS NULL) AND (closed_at IS NULL OR remaining = 0)",
            name=op.f("ck_grants_closed"),
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_grants_transaction_id")
        ),
        sa.ForeignKeyConstraint(
            ["wallet_id"], ["ledger_accounts.id"], name=op.f("fk_grants_wallet_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_grants_user_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_grants_plan_id")),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_grants")),
        sa.UniqueConstraint("wallet_id", "sequence", name=op.f("uq_grants_wallet_id_sequence")),
        sa.UniqueConstraint(
            "user_id", "plan_id", "month", name=op.f("uq_grants_user_id_plan_id_month")
        ),
    )
    op.create_index(
        "ix_grants_open_until",
        "grants",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(op.f("ix_grants_closed_at"), "grants", ["closed_at"], unique=False)
    op.create_index(op.f("ix_grants_granted_at"), "grants", ["granted_at"], unique=False)
    op.create_table(
        "grant_checkpoints",
        sa.Column("wallet_id", ROW_ID, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["wallet_id"], ["ledger_accounts.id"], name=op.f("fk_grant_checkpoints_wallet_id")
        ),
        sa.PrimaryKeyConstraint("wallet_id", name=op.f("pk_grant_checkpoints")),
    )


def _replace_check(table: str, name: str, before: str, after: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rewrite_on_sqlite(table, before, after)
        return
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({after}) NOT VALID")
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def _rewrite_on_sqlite(table: str, before: str, after: str) -> None:
    # The documented way to change a CHECK without copying the table (sqlite.org/lang_altertable,
    # "the simpler procedure"): rows, indexes and triggers stay where they are.
    bind = op.get_bind()
    found = bind.exec_driver_sql(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
    ).scalar_one()
    if after in found:
        return  # downgraded and upgraded again
    if before not in found:
        raise RuntimeError(f"{table} has another CHECK than the first version gave it")
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    bind.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?",
        (found.replace(before, after), table),
    )
    # Everybody, this connection too, reads the schema anew.
    bind.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema = RESET")
