"""Answers are found by plan and by what their user was, in the order they are listed in.

Both indexes grow at few ends, as the time does: an answer pays little for them.
"""

from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

EVENTS = "usage_events"
INDEXES = {
    "ix_usage_events_plan_id_received_at_id": ["plan_id", "received_at", "id"],
    "ix_usage_events_segment_id_received_at_id": ["segment_id", "received_at", "id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, EVENTS, columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, EVENTS)
