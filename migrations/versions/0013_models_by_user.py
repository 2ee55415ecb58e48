"""Sums of models by user, and by attributes and plan: reports read lines where there were none.

Only adds: what was counted before is added up by the worker, day by day, and a version that does
not know of them leaves them behind, which is seen (``report_positions.models_event_id``).
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

USERS, SEGMENTS = "usage_user_models", "usage_segment_models"
SUMS = (
    *("questions", "points", "charge", "input_tokens", "output_tokens"),
    *("embedding_tokens", "rerank_tokens"),
)
COSTS = ("cost", "costed_points")
ONCE = ("model_questions", "kind_questions")


def upgrade() -> None:
    op.add_column(
        "report_positions",
        sa.Column("models_event_id", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.add_column("report_positions", sa.Column("models_from", sa.Integer(), nullable=True))
    _create(USERS, ("user_id",))
    op.create_index(op.f(f"ix_{USERS}_user_id_width_start"), USERS, ["user_id", "width", "start"])
    _create(SEGMENTS, ("segment_id", "plan_id", "issuer_id"))


def downgrade() -> None:
    op.drop_table(SEGMENTS)
    op.drop_table(USERS)
    op.drop_column("report_positions", "models_from")
    op.drop_column("report_positions", "models_event_id")


def _create(table: str, who: tuple[str, ...]) -> None:
    key = (*who, "model_id", "kind_id")
    op.create_table(
        table,
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*key, *SUMS)),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in COSTS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ONCE),
        sa.CheckConstraint(
            "questions > 0 AND points >= 0 AND charge >= 0 AND input_tokens >= 0 "
            "AND output_tokens >= 0 AND embedding_tokens >= 0 AND rerank_tokens >= 0",
            name=op.f(f"ck_{table}_never_a_credit"),
        ),
        sa.CheckConstraint(
            "model_questions BETWEEN 0 AND questions AND kind_questions BETWEEN 0 AND questions",
            name=op.f(f"ck_{table}_questions"),
        ),
        sa.PrimaryKeyConstraint("width", "start", *key, name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
