"""When a user asked first in a day, so that who asked up to some time of it is counted in few rows.

Only adds. Totals are made anew by the worker, a day at a time; what a version that does not know of
it adds meanwhile has NULL, and where there is any, the quarters are counted as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage_user_totals", sa.Column("first_start", sa.Integer(), nullable=True))
    op.execute("UPDATE report_positions SET totals_from = NULL")


def downgrade() -> None:
    op.drop_column("usage_user_totals", "first_start")
