"""Sums of the whole house, by user alone and by model alone: few rows where there were many.

Only adds: what was counted before is added up by the worker, day by day, and a version that does
not know of them leaves them behind, which is seen (``report_positions.totals_event_id``).
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

USERS, MODELS = "usage_user_totals", "usage_model_totals"
SUMS = (
    *("questions", "points", "charge", "input_tokens", "output_tokens"),
    *("embedding_tokens", "rerank_tokens"),
)
COSTS = ("cost", "costed_points")


def upgrade() -> None:
    op.add_column(
        "report_positions",
        sa.Column("totals_event_id", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.add_column("report_positions", sa.Column("totals_from", sa.Integer(), nullable=True))
    _create(USERS, ("user_id",))
    for columns in (("user_id", "width", "start"), ("width", "start", "charge")):
        op.create_index(op.f(f"ix_{USERS}_{'_'.join(columns)}"), USERS, list(columns))
    some_of_questions = sa.CheckConstraint(
        "model_questions BETWEEN 0 AND questions AND kind_questions BETWEEN 0 AND questions",
        name=op.f(f"ck_{MODELS}_questions"),
    )
    more = [
        sa.Column(name, sa.BigInteger(), nullable=False)
        for name in ("model_questions", "kind_questions")
    ]
    _create(MODELS, ("model_id", "kind_id"), *more, some_of_questions)


def downgrade() -> None:
    op.drop_table(MODELS)
    op.drop_table(USERS)
    op.drop_column("report_positions", "totals_from")
    op.drop_column("report_positions", "totals_event_id")


def _create(table: str, key: tuple[str, ...], *more: sa.schema.SchemaItem) -> None:
    op.create_table(
        table,
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*key, *SUMS)),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in COSTS),
        *more,
        sa.CheckConstraint(
            "questions > 0 AND points >= 0 AND charge >= 0 AND input_tokens >= 0 "
            "AND output_tokens >= 0 AND embedding_tokens >= 0 AND rerank_tokens >= 0",
            name=op.f(f"ck_{table}_never_a_credit"),
        ),
        sa.PrimaryKeyConstraint("width", "start", *key, name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
