"""Sums of the whole house and of hours, and when users asked on a day before.

Days by another clock were made of the quarters of all links, and visitors of some days were counted
one by one. Only adds. They are part of the totals, which the worker makes anew, a day at a time:
`report_positions.hours_event_id` says that they are behind, as it does where a version that does
not know of them counts beside this one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLE, RETURNS = "usage_totals", "usage_returns"
SUMS = (
    *("questions", "points", "charge", "input_tokens", "output_tokens"),
    *("embedding_tokens", "rerank_tokens"),
)
COSTS = ("cost", "costed_points")


def upgrade() -> None:
    op.add_column(
        "report_positions",
        sa.Column("hours_event_id", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.create_table(
        RETURNS,
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("previous_start", sa.Integer(), nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("start", "previous_start", name=op.f(f"pk_{RETURNS}")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        TABLE,
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in COSTS),
        sa.CheckConstraint(
            "questions > 0 AND points >= 0 AND charge >= 0 AND input_tokens >= 0 "
            "AND output_tokens >= 0 AND embedding_tokens >= 0 AND rerank_tokens >= 0",
            name=op.f(f"ck_{TABLE}_never_a_credit"),
        ),
        sa.PrimaryKeyConstraint("width", "start", name=op.f(f"pk_{TABLE}")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table(TABLE)
    op.drop_table(RETURNS)
    op.execute("DELETE FROM usage_model_totals WHERE width = 3")
    op.drop_column("report_positions", "hours_event_id")
