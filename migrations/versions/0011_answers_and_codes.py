"""Answers are found by plan and by what their user was; codes may give credit that expires.

Both indexes are in the order of the list, and grow at few ends, as the time does: an answer pays
little for them. Batches of before give paid credit, as they did.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

EVENTS = "usage_events"
BATCHES = "code_batches"
INDEXES = {
    "ix_usage_events_plan_id_received_at_id": ["plan_id", "received_at", "id"],
    "ix_usage_events_segment_id_received_at_id": ["segment_id", "received_at", "id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, EVENTS, columns)
    op.add_column(BATCHES, sa.Column("credit_priority", sa.SmallInteger(), nullable=True))
    op.add_column(BATCHES, sa.Column("credit_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(BATCHES, sa.Column("credit_days", sa.SmallInteger(), nullable=True))


def downgrade() -> None:
    for column in ("credit_days", "credit_until", "credit_priority"):
        op.drop_column(BATCHES, column)
    for name in INDEXES:
        op.drop_index(name, EVENTS)
