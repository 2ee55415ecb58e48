"""Every table of the first version, and the triggers that make the books append-only.

Runs before the deploy; there is no older version to be safe for.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

APPEND_ONLY = {
    "audit_entries": ("id",),
    "price_versions": ("id",),
    "usage_events": ("id",),
    "usage_lines": ("event_id", "position", "received_month"),
    "usage_archives": ("id",),
    "ledger_transactions": ("id",),
    "ledger_postings": ("transaction_id", "position"),
}
"""Tables whose rows are never changed or removed, with their primary keys."""

REMOVED = {
    "usage_lines": "COALESCE((SELECT action FROM usage_archives "
    "WHERE received_month = OLD.received_month AND after_event < OLD.event_id "
    "AND OLD.event_id <= last_event ORDER BY id DESC LIMIT 1), '') = 'removed'"
}
"""SQLite: what may be deleted after all, because it lies in an archive and was declared removed.

PostgreSQL drops the partition instead, which no trigger sees; its rows are never deleted.
"""

MONTHS_AHEAD = 3
"""Partitions of usage_lines that the upgrade makes beside this month's; a job makes the others."""

ACCOUNTS = "ledger_accounts"
ACCOUNT_IDENTITY = "id, name, kind, user_id, currency, created_at"
"""An account is never removed, and these columns never change; its balance does."""


def upgrade() -> None:
    _create_audit()
    _create_operators()
    op.create_table(
        "config_revision",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_config_revision")),
    )
    op.create_table(
        "issuers",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("spec", JSON, nullable=False),
        sa.Column("sealed_secrets", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuers")),
        sa.UniqueConstraint("name", name=op.f("uq_issuers_name")),
    )
    op.create_table(
        "plans",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("limits", JSON, nullable=False),
        sa.Column("credit_limit", sa.BigInteger(), nullable=True),
        sa.Column("price_multiplier", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("price_multiplier >= 0", name=op.f("ck_plans_price_multiplier")),
        sa.CheckConstraint("credit_limit >= 0", name=op.f("ck_plans_credit_limit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("name", name=op.f("uq_plans_name")),
    )
    op.create_table(
        "price_versions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("effective_at", TIME, nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_versions")),
    )
    op.create_index(
        op.f("ix_price_versions_effective_at"), "price_versions", ["effective_at"], unique=False
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("revoked_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_revoked_tokens")),
    )
    op.create_table(
        "links",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("share_url", sa.Text(), nullable=True),
        sa.Column("locale", sa.String(length=10), nullable=True),
        sa.Column("messages", JSON, nullable=False),
        sa.Column("issuers", JSON, nullable=True),
        sa.Column("allows_guests", sa.Boolean(), nullable=False),
        sa.Column("guest_plan_id", ROW_ID, nullable=True),
        sa.Column("price_multiplier", sa.BigInteger(), nullable=False),
        sa.Column("limits", JSON, nullable=False),
        sa.Column("visitor_limits", JSON, nullable=False),
        sa.Column("guest_limits", JSON, nullable=False),
        sa.Column("counting", sa.String(length=10), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["guest_plan_id"], ["plans.id"], name=op.f("fk_links_guest_plan_id")
        ),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_links_status")),
        sa.CheckConstraint("price_multiplier >= 0", name=op.f("ck_links_price_multiplier")),
        sa.CheckConstraint(
            "counting IN ('auto', 'inclusive', 'exclusive')", name=op.f("ck_links_counting")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("name", name=op.f("uq_links_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("issuer_id", ROW_ID, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("locale", sa.String(length=10), nullable=True),
        sa.Column("plan_id", ROW_ID, nullable=True),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("limits", JSON, nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("tokens_valid_after", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("erased_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuers.id"], name=op.f("fk_users_issuer_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_users_plan_id")),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("ck_users_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("issuer_id", "subject", name=op.f("uq_users_issuer_id_subject")),
        sa.UniqueConstraint("uid", name=op.f("uq_users_uid")),
    )
    op.create_index(op.f("ix_users_subject"), "users", ["subject"], unique=False)
    op.create_table(
        "allowance_uses",
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_allowance_uses_user_id")),
        sa.CheckConstraint("used >= 0", name=op.f("ck_allowance_uses_used")),
        sa.PrimaryKeyConstraint("user_id", "month", name=op.f("pk_allowance_uses")),
    )
    op.create_table(
        "ledger_accounts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("user_id", ROW_ID, nullable=True),
        sa.Column("currency", sa.String(length=12), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("head_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ledger_accounts_user_id")),
        sa.CheckConstraint(
            "kind IN ('wallet', 'house') AND (kind = 'wallet') = (user_id IS NOT NULL)",
            name=op.f("ck_ledger_accounts_kind"),
        ),
        sa.CheckConstraint(
            "version >= 0 AND (kind = 'wallet' OR (version = 0 AND balance = 0))",
            name=op.f("ck_ledger_accounts_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_ledger_accounts_name")),
        sa.UniqueConstraint("user_id", name=op.f("uq_ledger_accounts_user_id")),
    )
    op.create_table(
        "link_keys",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("link_id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_link_keys_link_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_link_keys_digest")),
    )
    op.create_index(op.f("ix_link_keys_link_id"), "link_keys", ["link_id"], unique=False)
    op.create_table(
        "quarantined_finishes",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("link_id", ROW_ID, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sealed_body", sa.LargeBinary(), nullable=True),
        sa.Column("resolved_at", TIME, nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["link_id"], ["links.id"], name=op.f("fk_quarantined_finishes_link_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined_finishes")),
        sa.UniqueConstraint("reference", name=op.f("uq_quarantined_finishes_reference")),
    )
    op.create_index(
        op.f("ix_quarantined_finishes_received_at"),
        "quarantined_finishes",
        ["received_at"],
        unique=False,
    )
    op.create_table(
        "tokens",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("link_id", ROW_ID, nullable=True),
        sa.Column("is_one_time", sa.Boolean(), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_tokens_link_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    _create_what_was_seen()
    _create_what_is_told()
    op.create_table(
        "usage_days",
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("link_id", ROW_ID, nullable=False),
        sa.Column("is_guest", sa.Boolean(), nullable=False),
        sa.Column("questions", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("charge", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_usage_days_link_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_usage_days_user_id")),
        sa.CheckConstraint(
            "questions >= 0 AND points >= 0 AND charge >= 0 "
            "AND input_tokens >= 0 AND output_tokens >= 0",
            name=op.f("ck_usage_days_never_a_credit"),
        ),
        sa.PrimaryKeyConstraint("user_id", "day", "link_id", name=op.f("pk_usage_days")),
    )
    op.create_index(
        op.f("ix_usage_days_link_id_day"), "usage_days", ["link_id", "day"], unique=False
    )
    _create_usage_events()
    op.create_table(
        "visitor_sessions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("link_id", ROW_ID, nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["link_id"], ["links.id"], name=op.f("fk_visitor_sessions_link_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_visitor_sessions_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visitor_sessions")),
        sa.UniqueConstraint(
            "token_digest", "link_id", name=op.f("uq_visitor_sessions_token_digest_link_id")
        ),
    )
    op.create_index(
        op.f("ix_visitor_sessions_expires_at"), "visitor_sessions", ["expires_at"], unique=False
    )
    op.create_index(
        op.f("ix_visitor_sessions_user_id"), "visitor_sessions", ["user_id"], unique=False
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("wallet_id", ROW_ID, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("idempotency_key", sa.String(length=120), nullable=False),
        sa.Column("input_hash", sa.String(length=64), nullable=False),
        sa.Column("posted_at", TIME, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("event_id", ROW_ID, nullable=True),
        sa.Column("reverses_id", ROW_ID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["usage_events.id"], name=op.f("fk_ledger_transactions_event_id")
        ),
        sa.ForeignKeyConstraint(
            ["reverses_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_ledger_transactions_reverses_id"),
        ),
        sa.ForeignKeyConstraint(
            ["wallet_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_transactions_wallet_id")
        ),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_ledger_transactions_sequence")),
        sa.CheckConstraint(
            "(kind = 'charge' AND amount <= 0) "
            "OR (kind IN ('top_up', 'redemption', 'refund') AND amount > 0) "
            "OR kind IN ('adjustment', 'reversal')",
            name=op.f("ck_ledger_transactions_kind"),
        ),
        sa.CheckConstraint(
            "(kind = 'charge') = (event_id IS NOT NULL)", name=op.f("ck_ledger_transactions_event")
        ),
        sa.CheckConstraint(
            "(kind = 'reversal') = (reverses_id IS NOT NULL)",
            name=op.f("ck_ledger_transactions_reverses"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("event_id", name=op.f("uq_ledger_transactions_event_id")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_ledger_transactions_idempotency_key")),
        sa.UniqueConstraint("reverses_id", name=op.f("uq_ledger_transactions_reverses_id")),
        sa.UniqueConstraint(
            "wallet_id", "sequence", name=op.f("uq_ledger_transactions_wallet_id_sequence")
        ),
    )
    op.create_index(
        op.f("ix_ledger_transactions_posted_at"),
        "ledger_transactions",
        ["posted_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_transactions_kind_posted_at"),
        "ledger_transactions",
        ["kind", "posted_at"],
        unique=False,
        sqlite_where=sa.text("kind <> 'charge'"),
        postgresql_where=sa.text("kind <> 'charge'"),
    )
    _create_usage_lines()
    _create_postings()
    _create_codes_views_and_jobs()
    _create_report_sums()
    op.execute("INSERT INTO config_revision (id, number) VALUES (1, 1)")
    _guard()


def _create_audit() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("object_type", sa.String(length=40), nullable=False),
        sa.Column("object_id", sa.String(length=80), nullable=False),
        sa.Column("before", JSON, nullable=True),
        sa.Column("after", JSON, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"], unique=False)
    op.create_index(
        op.f("ix_audit_entries_object_type_object_id"),
        "audit_entries",
        ["object_type", "object_id"],
        unique=False,
    )


def _create_operators() -> None:
    op.create_table(
        "operators",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("display_name", sa.String(length=200), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("link_ids", JSON, nullable=True),
        sa.Column("locale", sa.String(length=10), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("sealed_totp_secret", sa.Text(), nullable=True),
        sa.Column("totp_confirmed_at", TIME, nullable=True),
        sa.Column("totp_last_step", sa.BigInteger(), nullable=True),
        sa.Column("recovery_codes", JSON, nullable=False),
        sa.Column("oidc_issuer", sa.String(length=500), nullable=True),
        sa.Column("oidc_subject", sa.String(length=255), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_login_at", TIME, nullable=True),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_operators_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("name", name=op.f("uq_operators_name")),
        sa.UniqueConstraint(
            "oidc_issuer", "oidc_subject", name=op.f("uq_operators_oidc_issuer_oidc_subject")
        ),
    )
    op.create_table(
        "operator_sessions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("operator_id", ROW_ID, nullable=False),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("user_agent", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_operator_sessions_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_operator_sessions_digest")),
    )
    op.create_index(op.f("ix_operator_sessions_operator_id"), "operator_sessions", ["operator_id"])
    op.create_index(op.f("ix_operator_sessions_expires_at"), "operator_sessions", ["expires_at"])
    op.create_table(
        "api_tokens",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("start", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("operator_id", ROW_ID, nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("link_ids", JSON, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("last_used_address", sa.String(length=64), nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_api_tokens_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
    )
    op.create_index(op.f("ix_api_tokens_operator_id"), "api_tokens", ["operator_id"])
    op.create_table(
        "login_failures",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name_digest", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_failures")),
    )
    op.create_index(
        op.f("ix_login_failures_name_digest_at"), "login_failures", ["name_digest", "at"]
    )
    op.create_index(op.f("ix_login_failures_address_at"), "login_failures", ["address", "at"])
    op.create_index(op.f("ix_login_failures_at"), "login_failures", ["at"])


def downgrade() -> None:
    # On SQLite the triggers go with their tables.
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        for table in [*APPEND_ONLY, ACCOUNTS]:
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
            op.execute(f"DROP TRIGGER {table}_no_truncate ON {table}")
    _drop_report_sums()
    _drop_codes_views_and_jobs()
    op.drop_table("ledger_postings")
    _drop_usage_lines()
    if is_postgresql:
        for function in ("shareauth_add_usage_month(integer)", "shareauth_refuse_change()"):
            op.execute(f"DROP FUNCTION {function}")
    for index in ("ix_ledger_transactions_kind_posted_at", "ix_ledger_transactions_posted_at"):
        op.drop_index(op.f(index), table_name="ledger_transactions")
    op.drop_table("ledger_transactions")
    op.drop_table("visitor_sessions")
    _drop_usage_events()
    op.drop_table("usage_days")
    _drop_what_is_told()
    _drop_unfinished_turns()
    _drop_sightings()
    op.drop_table("tokens")
    op.drop_table("quarantined_finishes")
    op.drop_table("link_keys")
    op.drop_table("ledger_accounts")
    op.drop_table("allowance_uses")
    for table in ("users", "links", "revoked_tokens"):
        op.drop_table(table)
    op.drop_table("price_versions")
    op.drop_table("plans")
    op.drop_table("issuers")
    op.drop_table("config_revision")
    for table in ("login_failures", "api_tokens", "operator_sessions", "operators"):
        op.drop_table(table)
    op.drop_table("audit_entries")


def _create_postings() -> None:
    op.create_table(
        "ledger_postings",
        sa.Column("transaction_id", ROW_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_postings_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_ledger_postings_transaction_id"),
        ),
        sa.CheckConstraint("position >= 0", name=op.f("ck_ledger_postings_position")),
        sa.PrimaryKeyConstraint("transaction_id", "position", name=op.f("pk_ledger_postings")),
    )


def _create_codes_views_and_jobs() -> None:
    _create_codes()
    _create_saved_views()
    _create_jobs()


def _drop_codes_views_and_jobs() -> None:
    op.drop_index(op.f("ix_jobs_state"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_saved_views_page"), table_name="saved_views")
    op.drop_table("saved_views")
    _drop_codes()


def _create_codes() -> None:
    op.create_table(
        "code_batches",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=12), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("per_user_max", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("printable_until", TIME, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_code_batches_amount")),
        sa.CheckConstraint("count > 0", name=op.f("ck_code_batches_count")),
        sa.CheckConstraint("per_user_max > 0", name=op.f("ck_code_batches_per_user_max")),
        sa.CheckConstraint(
            "status IN ('active', 'paused', 'cancelled')", name=op.f("ck_code_batches_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_batches")),
        sa.UniqueConstraint("name", name=op.f("uq_code_batches_name")),
    )
    op.create_index(
        op.f("ix_code_batches_printable_until"), "code_batches", ["printable_until"], unique=False
    )
    op.create_table(
        "redemption_codes",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("batch_id", ROW_ID, nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sealed_code", sa.Text(), nullable=True),
        sa.Column("redeemed_by", ROW_ID, nullable=True),
        sa.Column("redeemed_at", TIME, nullable=True),
        sa.Column("transaction_id", ROW_ID, nullable=True),
        sa.CheckConstraint(
            "(redeemed_at IS NULL) = (redeemed_by IS NULL) "
            "AND (redeemed_at IS NULL) = (transaction_id IS NULL)",
            name=op.f("ck_redemption_codes_redeemed"),
        ),
        sa.CheckConstraint(
            "redeemed_at IS NULL OR sealed_code IS NULL",
            name=op.f("ck_redemption_codes_sealed_code"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["code_batches.id"], name=op.f("fk_redemption_codes_batch_id")
        ),
        sa.ForeignKeyConstraint(
            ["redeemed_by"], ["users.id"], name=op.f("fk_redemption_codes_redeemed_by")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_redemption_codes_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redemption_codes")),
        sa.UniqueConstraint("batch_id", "serial", name=op.f("uq_redemption_codes_batch_id_serial")),
        sa.UniqueConstraint("digest", name=op.f("uq_redemption_codes_digest")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_redemption_codes_transaction_id")),
    )
    op.create_index(
        op.f("ix_redemption_codes_redeemed_by_batch_id"),
        "redemption_codes",
        ["redeemed_by", "batch_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_redemption_codes_batch_id_redeemed_at"),
        "redemption_codes",
        ["batch_id", "redeemed_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_redemption_codes_redeemed_at"), "redemption_codes", ["redeemed_at"], unique=False
    )
    op.create_table(
        "code_attempts",
        sa.Column("user_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("window_began_at", TIME, nullable=False),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_code_attempts_failures")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_code_attempts_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_code_attempts")),
    )


def _drop_codes() -> None:
    op.drop_table("code_attempts")
    op.drop_index(op.f("ix_redemption_codes_redeemed_at"), table_name="redemption_codes")
    op.drop_index(op.f("ix_redemption_codes_redeemed_by_batch_id"), table_name="redemption_codes")
    op.drop_index(op.f("ix_redemption_codes_batch_id_redeemed_at"), table_name="redemption_codes")
    op.drop_table("redemption_codes")
    op.drop_index(op.f("ix_code_batches_printable_until"), table_name="code_batches")
    op.drop_table("code_batches")


def _create_saved_views() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("operator_id", ROW_ID, nullable=True),
        sa.Column("operator_name", sa.String(length=200), nullable=False),
        sa.Column("page", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint(
            "operator_name", "page", "name", name=op.f("uq_saved_views_operator_name_page_name")
        ),
    )
    op.create_index(op.f("ix_saved_views_page"), "saved_views", ["page"], unique=False)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("parameters", JSON, nullable=False),
        sa.Column("operator_id", ROW_ID, nullable=True),
        sa.Column("asked_by", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("saved", JSON, nullable=True),
        sa.Column("result", JSON, nullable=True),
        sa.Column("error_code", sa.String(length=80), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("runner", sa.String(length=64), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("heartbeat_at", TIME, nullable=True),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("cancel_asked_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint(
            "(state = 'running') = (runner IS NOT NULL) "
            "AND (state = 'running') = (leased_until IS NOT NULL)",
            name=op.f("ck_jobs_runner"),
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_finished_at"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_state"), "jobs", ["state"], unique=False)


def _create_what_was_seen() -> None:
    _create_sightings()
    _create_unfinished_turns()


def _create_sightings() -> None:
    op.create_table(
        "refusals",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("hook", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("link_id", ROW_ID, nullable=True),
        sa.Column("user_id", ROW_ID, nullable=True),
        sa.Column("uid", sa.String(length=64), nullable=True),
        sa.Column("issuer", sa.String(length=80), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("called", sa.String(length=200), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
        sa.UniqueConstraint("reference", name=op.f("uq_refusals_reference")),
    )
    op.create_index(op.f("ix_refusals_at"), "refusals", ["at"], unique=False)
    for column in ("link_id", "uid", "code"):
        op.create_index(op.f(f"ix_refusals_{column}_at"), "refusals", [column, "at"], unique=False)
    op.create_table(
        "link_calls",
        sa.Column("link_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("hook", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("called", sa.String(length=200), nullable=True),
        sa.Column("generation", sa.String(length=4), nullable=True),
        sa.PrimaryKeyConstraint("link_id", "hook", "code", name=op.f("pk_link_calls")),
    )
    op.create_table(
        "refusal_counts",
        sa.Column("quarter", TIME, nullable=False),
        sa.Column("link_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("hook", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "quarter", "link_id", "hook", "code", name=op.f("pk_refusal_counts")
        ),
    )


def _drop_sightings() -> None:
    op.drop_table("refusal_counts")
    op.drop_table("link_calls")
    for column in ("code", "uid", "link_id"):
        op.drop_index(op.f(f"ix_refusals_{column}_at"), table_name="refusals")
    op.drop_index(op.f("ix_refusals_at"), table_name="refusals")
    op.drop_table("refusals")


def _create_what_is_told() -> None:
    _create_alerts()
    _create_alert_deliveries()
    _create_findings()


def _drop_what_is_told() -> None:
    for table in (
        "finding_runs",
        "findings",
        "alert_deliveries",
        "alert_destinations",
        "alerts",
        "alert_rules",
    ):
        op.drop_table(table)


def _create_alerts() -> None:
    op.create_table(
        "alert_rules",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("condition", sa.String(length=30), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("repeat_after_s", sa.BigInteger(), nullable=False),
        sa.Column("thresholds", JSON, nullable=False),
        sa.CheckConstraint(
            "severity IN ('info', 'warning', 'critical')", name=op.f("ck_alert_rules_severity")
        ),
        sa.CheckConstraint("repeat_after_s >= 0", name=op.f("ck_alert_rules_repeat_after")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rules")),
        sa.UniqueConstraint("condition", "subject", name=op.f("uq_alert_rules_condition_subject")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("condition", sa.String(length=30), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("subject_name", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("open_key", sa.String(length=240), nullable=True),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("told_at", TIME, nullable=False),
        sa.Column("resolved_at", TIME, nullable=True),
        sa.CheckConstraint(
            "severity IN ('info', 'warning', 'critical')", name=op.f("ck_alerts_severity")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("open_key", name=op.f("uq_alerts_open_key")),
    )
    op.create_index(op.f("ix_alerts_opened_at"), "alerts", ["opened_at"], unique=False)
    op.create_table(
        "alert_destinations",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("min_severity", sa.String(length=10), nullable=False),
        sa.Column("conditions", JSON, nullable=True),
        sa.Column("quiet_from", sa.String(length=5), nullable=True),
        sa.Column("quiet_until", sa.String(length=5), nullable=True),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('webhook', 'email', 'wecom', 'feishu', 'dingtalk')",
            name=op.f("ck_alert_destinations_kind"),
        ),
        sa.CheckConstraint(
            "min_severity IN ('info', 'warning', 'critical')",
            name=op.f("ck_alert_destinations_min_severity"),
        ),
        sa.CheckConstraint(
            "(quiet_from IS NULL) = (quiet_until IS NULL)", name=op.f("ck_alert_destinations_quiet")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_destinations")),
        sa.UniqueConstraint("name", name=op.f("uq_alert_destinations_name")),
    )


def _create_alert_deliveries() -> None:
    op.create_table(
        "alert_deliveries",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("message_id", sa.String(length=40), nullable=False),
        sa.Column("destination_id", ROW_ID, nullable=False),
        sa.Column("alert_id", ROW_ID, nullable=True),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempted_at", TIME, nullable=True),
        sa.Column("lease", sa.String(length=40), nullable=True),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'dead', 'skipped', 'folded')",
            name=op.f("ck_alert_deliveries_status"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_alert_deliveries_attempts")),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_deliveries_alert_id")
        ),
        sa.ForeignKeyConstraint(
            ["destination_id"],
            ["alert_destinations.id"],
            name=op.f("fk_alert_deliveries_destination_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_deliveries")),
        sa.UniqueConstraint("message_id", name=op.f("uq_alert_deliveries_message_id")),
    )
    for columns in (["alert_id"], ["destination_id", "attempted_at"], ["status", "due_at"]):
        name = op.f(f"ix_alert_deliveries_{'_'.join(columns)}")
        op.create_index(name, "alert_deliveries", columns, unique=False)


def _create_findings() -> None:
    op.create_table(
        "findings",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("ids", JSON, nullable=False),
        sa.Column("first_seen_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint("digest", name=op.f("uq_findings_digest")),
    )
    op.create_index(
        op.f("ix_findings_resolved_at_code"), "findings", ["resolved_at", "code"], unique=False
    )
    op.create_table(
        "finding_runs",
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("findings", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_finding_runs")),
    )


def _create_unfinished_turns() -> None:
    op.create_table(
        "unfinished_turns",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("ticket", sa.String(length=64), nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("link_id", ROW_ID, nullable=False),
        sa.Column("plan_id", ROW_ID, nullable=True),
        sa.Column("is_guest", sa.Boolean(), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("expired_at", TIME, nullable=False),
        sa.Column("hold", sa.BigInteger(), nullable=False),
        sa.Column("points_hold", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("finished_late_at", TIME, nullable=True),
        sa.Column("finished_by", sa.String(length=80), nullable=True),
        sa.CheckConstraint(
            "hold >= 0 AND points_hold >= 0", name=op.f("ck_unfinished_turns_never_a_credit")
        ),
        sa.ForeignKeyConstraint(
            ["link_id"], ["links.id"], name=op.f("fk_unfinished_turns_link_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_unfinished_turns_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unfinished_turns")),
        sa.UniqueConstraint("finished_by", name=op.f("uq_unfinished_turns_finished_by")),
        sa.UniqueConstraint("ticket", name=op.f("uq_unfinished_turns_ticket")),
    )
    op.create_index(
        op.f("ix_unfinished_turns_asked_at"), "unfinished_turns", ["asked_at"], unique=False
    )
    op.create_index(
        op.f("ix_unfinished_turns_link_id_asked_at"),
        "unfinished_turns",
        ["link_id", "asked_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_unfinished_turns_user_id_asked_at"),
        "unfinished_turns",
        ["user_id", "asked_at"],
        unique=False,
    )


def _create_usage_lines() -> None:
    op.create_table(
        "usage_lines",
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("received_month", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("node_kind", sa.String(length=60), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("embedding_tokens", sa.BigInteger(), nullable=True),
        sa.Column("rerank_tokens", sa.BigInteger(), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("charge", sa.BigInteger(), nullable=False),
        sa.Column("is_covered", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "points >= 0 AND charge >= 0", name=op.f("ck_usage_lines_never_a_credit")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["usage_events.id"], name=op.f("fk_usage_lines_event_id")
        ),
        sa.PrimaryKeyConstraint(
            "event_id", "position", "received_month", name=op.f("pk_usage_lines")
        ),
        postgresql_partition_by="LIST (received_month)",
    )
    op.create_table(
        "usage_archives",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("received_month", sa.Integer(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("after_event", sa.BigInteger(), nullable=False),
        sa.Column("last_event", sa.BigInteger(), nullable=False),
        sa.Column("line_count", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest", JSON, nullable=False),
        sa.CheckConstraint(
            "action IN ('created', 'removed', 'restored')", name=op.f("ck_usage_archives_action")
        ),
        sa.CheckConstraint(
            "part > 0 AND after_event < last_event", name=op.f("ck_usage_archives_part")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_archives")),
    )
    op.create_index(
        op.f("ix_usage_archives_received_month"),
        "usage_archives",
        ["received_month"],
        unique=False,
    )


def _drop_usage_lines() -> None:
    op.drop_index(op.f("ix_usage_archives_received_month"), table_name="usage_archives")
    op.drop_table("usage_archives")
    op.drop_table("usage_lines")


def _drop_unfinished_turns() -> None:
    op.drop_index(op.f("ix_unfinished_turns_user_id_asked_at"), table_name="unfinished_turns")
    op.drop_index(op.f("ix_unfinished_turns_link_id_asked_at"), table_name="unfinished_turns")
    op.drop_index(op.f("ix_unfinished_turns_asked_at"), table_name="unfinished_turns")
    op.drop_table("unfinished_turns")


def _guard() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()
        _partition_by_month()


def _create_usage_events() -> None:
    op.create_table(
        "usage_events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("idempotency_key", sa.String(length=80), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("link_id", ROW_ID, nullable=False),
        sa.Column("user_id", ROW_ID, nullable=False),
        sa.Column("plan_id", ROW_ID, nullable=True),
        sa.Column("price_version_id", ROW_ID, nullable=True),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("app_name", sa.Text(), nullable=True),
        sa.Column("chat_id", sa.Text(), nullable=True),
        sa.Column("generation", sa.String(length=4), nullable=False),
        sa.Column("billed_by", sa.String(length=10), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("price_sum", sa.BigInteger(), nullable=True),
        sa.Column("charge", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("node_count", sa.Integer(), nullable=False),
        sa.Column("running_time_ms", sa.BigInteger(), nullable=True),
        sa.Column("body_bytes", sa.Integer(), nullable=False),
        sa.Column("warnings", JSON, nullable=False),
        sa.Column("arithmetic", JSON, nullable=False),
        sa.CheckConstraint(
            "points >= 0 AND charge >= 0", name=op.f("ck_usage_events_never_a_credit")
        ),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_usage_events_link_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_usage_events_plan_id")),
        sa.ForeignKeyConstraint(
            ["price_version_id"],
            ["price_versions.id"],
            name=op.f("fk_usage_events_price_version_id"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_usage_events_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_events")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_usage_events_idempotency_key")),
        sa.UniqueConstraint("reference", name=op.f("uq_usage_events_reference")),
    )
    op.create_index(
        op.f("ix_usage_events_fingerprint"), "usage_events", ["fingerprint"], unique=False
    )
    op.create_index(
        op.f("ix_usage_events_link_id_received_at"),
        "usage_events",
        ["link_id", "received_at"],
        unique=False,
    )
    op.create_index(op.f("ix_usage_events_chat_id"), "usage_events", ["chat_id"], unique=False)
    op.create_index(
        op.f("ix_usage_events_received_at_id"),
        "usage_events",
        ["received_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_usage_events_with_warnings",
        "usage_events",
        ["received_at", "id"],
        unique=False,
        sqlite_where=sa.text("warnings <> '{}'"),
        postgresql_where=sa.text("warnings <> '{}'"),
    )
    op.create_index(
        op.f("ix_usage_events_user_id_received_at"),
        "usage_events",
        ["user_id", "received_at"],
        unique=False,
    )


def _drop_usage_events() -> None:
    op.drop_index(op.f("ix_usage_events_user_id_received_at"), table_name="usage_events")
    op.drop_index("ix_usage_events_with_warnings", table_name="usage_events")
    op.drop_index(op.f("ix_usage_events_received_at_id"), table_name="usage_events")
    op.drop_index(op.f("ix_usage_events_chat_id"), table_name="usage_events")
    op.drop_index(op.f("ix_usage_events_link_id_received_at"), table_name="usage_events")
    op.drop_index(op.f("ix_usage_events_fingerprint"), table_name="usage_events")
    op.drop_table("usage_events")


def _create_report_sums() -> None:
    op.create_table(
        "usage_names",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.CheckConstraint(
            "kind IN ('app', 'model', 'node_kind')", name=op.f("ck_usage_names_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_names")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_usage_names_kind_name")),
    )
    _create_sums("usage_by_link", ("link_id", "app_id"))
    _create_sums("usage_by_user", ("user_id", "link_id", "app_id"))
    op.create_index(
        op.f("ix_usage_by_user_user_id_width_start"),
        "usage_by_user",
        ["user_id", "width", "start"],
        unique=False,
    )
    _create_sums(
        "usage_by_model",
        ("link_id", "app_id", "model_id", "kind_id"),
        sa.Column("model_questions", sa.BigInteger(), nullable=False),
        sa.Column("kind_questions", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "model_questions BETWEEN 0 AND questions AND kind_questions BETWEEN 0 AND questions",
            name=op.f("ck_usage_by_model_questions"),
        ),
    )
    op.create_table(
        "usage_corrections",
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("used_start", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("link_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("transactions", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('rerated', 'reversed', 'refunded', 'adjusted', 'topped_up')",
            name=op.f("ck_usage_corrections_kind"),
        ),
        sa.CheckConstraint("transactions > 0", name=op.f("ck_usage_corrections_transactions")),
        sa.PrimaryKeyConstraint(
            "start", "used_start", "user_id", "link_id", "kind", name=op.f("pk_usage_corrections")
        ),
    )
    op.create_index(
        op.f("ix_usage_corrections_used_start"), "usage_corrections", ["used_start"], unique=False
    )
    op.create_table(
        "report_positions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("zone", sa.String(length=80), nullable=False),
        sa.Column("moved_at", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_report_positions_only_one")),
        sa.CheckConstraint(
            "event_id >= 0 AND transaction_id >= 0",
            name=op.f("ck_report_positions_never_before_all"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_positions")),
    )


def _create_sums(table: str, key: tuple[str, ...], *more: sa.schema.SchemaItem) -> None:
    names = ("questions", "points", "charge", "input_tokens", "output_tokens")
    op.create_table(
        table,
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in key),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in (*names, "embedding_tokens", "rerank_tokens")
        ),
        *more,
        sa.CheckConstraint(
            "questions > 0 AND points >= 0 AND charge >= 0 AND input_tokens >= 0 "
            "AND output_tokens >= 0 AND embedding_tokens >= 0 AND rerank_tokens >= 0",
            name=op.f(f"ck_{table}_never_a_credit"),
        ),
        sa.PrimaryKeyConstraint("width", "start", *key, name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,  # rows lie in the order of the key, as they are read
    )


def _drop_report_sums() -> None:
    op.drop_table("report_positions")
    op.drop_index(op.f("ix_usage_corrections_used_start"), table_name="usage_corrections")
    op.drop_table("usage_corrections")
    op.drop_index(op.f("ix_usage_by_user_user_id_width_start"), table_name="usage_by_user")
    for table in ("usage_by_model", "usage_by_user", "usage_by_link", "usage_names"):
        op.drop_table(table)


def _guard_sqlite() -> None:
    for table, key in APPEND_ONLY.items():
        _refuse_on_sqlite(table, "UPDATE", "update")
        _refuse_on_sqlite(table, "DELETE", "delete", unless=REMOVED.get(table))
        _refuse_replacing_on_sqlite(table, key)
    _refuse_on_sqlite(ACCOUNTS, f"UPDATE OF {ACCOUNT_IDENTITY}", "update")
    _refuse_on_sqlite(ACCOUNTS, "DELETE", "delete")
    _refuse_replacing_on_sqlite(ACCOUNTS, ("id",))


def _refuse_on_sqlite(table: str, event: str, name: str, unless: str | None = None) -> None:
    when = f"WHEN NOT ({unless}) " if unless else ""
    op.execute(
        f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table} {when}"
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _refuse_replacing_on_sqlite(table: str, key: tuple[str, ...]) -> None:
    # INSERT OR REPLACE asks delete triggers only where recursive_triggers is on, as it is on the
    # service's own connections. This one holds in the sqlite3 shell, too. Ids that the database
    # gives out are -1 here, so it never stands in the way of an ordinary INSERT.
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608 - names of this file
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _guard_postgresql() -> None:
    # An integrity error, as on SQLite.
    op.execute(
        "CREATE FUNCTION shareauth_refuse_change() RETURNS trigger AS $$ "
        "BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME "
        "USING ERRCODE = 'restrict_violation'; END $$ LANGUAGE plpgsql"
    )
    for table in APPEND_ONLY:
        _refuse_on_postgresql(table, "UPDATE OR DELETE")
    _refuse_on_postgresql(ACCOUNTS, f"UPDATE OF {ACCOUNT_IDENTITY} OR DELETE")


def _partition_by_month() -> None:
    # ATTACH and not PARTITION OF: finishes go on meanwhile. Row triggers come with the parent,
    # those against TRUNCATE do not. Runs as the owner, for a service that is not it.
    op.execute("""
        CREATE FUNCTION shareauth_add_usage_month(month integer) RETURNS boolean AS $$
        DECLARE
            name text := 'usage_lines_' || COALESCE(month::text, 'default');
        BEGIN
            IF to_regclass(name) IS NOT NULL THEN
                RETURN false;
            END IF;
            EXECUTE format(
                'CREATE TABLE %I (LIKE usage_lines INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name
            );
            EXECUTE format(
                'ALTER TABLE usage_lines ATTACH PARTITION %I %s', name,
                CASE WHEN month IS NULL THEN 'DEFAULT'
                ELSE format('FOR VALUES IN (%s)', month) END
            );
            EXECUTE format(
                'CREATE TRIGGER usage_lines_no_truncate BEFORE TRUNCATE ON %I '
                'FOR EACH STATEMENT EXECUTE FUNCTION shareauth_refuse_change()', name
            );
            RETURN true;
        END $$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    """)
    op.execute("SELECT shareauth_add_usage_month(NULL)")
    op.execute(
        "SELECT shareauth_add_usage_month(to_char(month, 'YYYYMM')::integer) FROM "  # noqa: S608 - a number
        "generate_series(date_trunc('month', now() AT TIME ZONE 'UTC'), "
        "date_trunc('month', now() AT TIME ZONE 'UTC') + "
        f"interval '{MONTHS_AHEAD} months', interval '1 month') AS month"
    )


def _refuse_on_postgresql(table: str, events: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE {events} ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION shareauth_refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION shareauth_refuse_change()"
    )
