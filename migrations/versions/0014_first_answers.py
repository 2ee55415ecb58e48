"""When users asked first in each day and month, so that visitors of either are few rows to add up.

Only adds. First answers are part of the totals of users, which the worker makes anew, a day at a
time: `report_positions.firsts_event_id` says that they are behind, as it does where a version that
does not know of them counts beside this one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLE = "usage_first_answers"


def upgrade() -> None:
    op.add_column("usage_user_totals", sa.Column("first_start", sa.Integer(), nullable=True))
    op.add_column(
        "report_positions",
        sa.Column("firsts_event_id", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.create_table(
        TABLE,
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("first_start", sa.Integer(), nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("width", "start", "first_start", name=op.f(f"pk_{TABLE}")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table(TABLE)
    op.drop_column("report_positions", "firsts_event_id")
    op.drop_column("usage_user_totals", "first_start")
