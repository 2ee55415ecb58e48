"""What reports are cut by and counted beside: segments of users, cost, and answer times.

Only adds: the version before goes on counting into the columns that it knows, and what it left out
is filled in afterwards (``report_positions.wide_event_id``). Safe while the service runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

SUMS = ("usage_by_link", "usage_by_user", "usage_by_model")
COSTS = ("cost", "costed_points")


def upgrade() -> None:
    op.create_table(
        "usage_segments",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("attributes", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_segments")),
        sa.UniqueConstraint("digest", name=op.f("uq_usage_segments_digest")),
    )
    op.add_column("usage_events", sa.Column("segment_id", ROW_ID, nullable=True))
    for table in SUMS:
        for name in COSTS:
            op.add_column(table, _zero(name))
    op.add_column("report_positions", _zero("wide_event_id"))
    _create_sums_by_segment()
    _create_times("usage_times_by_link", ("link_id", "app_id"))
    _create_times("usage_times_by_segment", ("segment_id", "plan_id", "issuer_id"))


def downgrade() -> None:
    for table in ("usage_times_by_segment", "usage_times_by_link", "usage_by_segment"):
        op.drop_table(table)
    op.drop_column("report_positions", "wide_event_id")
    for table in SUMS:
        for name in COSTS:
            op.drop_column(table, name)
    op.drop_column("usage_events", "segment_id")
    op.drop_table("usage_segments")


def _zero(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")


def _key(names: tuple[str, ...]) -> list[sa.Column[int]]:
    return [
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in names),
    ]


def _create_sums_by_segment() -> None:
    key = ("segment_id", "plan_id", "issuer_id", "link_id", "app_id")
    sums = ("questions", "points", "charge", "input_tokens", "output_tokens")
    op.create_table(
        "usage_by_segment",
        *_key(key),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in (*sums, "embedding_tokens", "rerank_tokens")
        ),
        *(_zero(name) for name in COSTS),
        sa.CheckConstraint(
            "questions > 0 AND points >= 0 AND charge >= 0 AND input_tokens >= 0 "
            "AND output_tokens >= 0 AND embedding_tokens >= 0 AND rerank_tokens >= 0",
            name=op.f("ck_usage_by_segment_never_a_credit"),
        ),
        sa.PrimaryKeyConstraint("width", "start", *key, name=op.f("pk_usage_by_segment")),
        sqlite_with_rowid=False,
    )


def _create_times(table: str, key: tuple[str, ...]) -> None:
    op.create_table(
        table,
        *_key(key),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("answers", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("answers > 0", name=op.f(f"ck_{table}_answers")),
        sa.PrimaryKeyConstraint("width", "start", *key, "bucket", name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
