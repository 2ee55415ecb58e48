"""What stands on the house's accounts is summed up from an index alone.

Of everything but charges, so a finish pays nothing for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLE = "ledger_transactions"
NAME = "ix_ledger_transactions_kind_amount"
NO_CHARGE = sa.text("kind <> 'charge'")


def upgrade() -> None:
    op.create_index(
        NAME, TABLE, ["kind", "amount"], sqlite_where=NO_CHARGE, postgresql_where=NO_CHARGE
    )


def downgrade() -> None:
    op.drop_index(NAME, TABLE)
