"""What moved a wallet in a period is found without reading its whole chain.

Of everything but charges, so a finish pays nothing for it: charges are found by their answers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLE = "ledger_transactions"
NAME = "ix_ledger_transactions_wallet_id_posted_at"
NO_CHARGE = sa.text("kind <> 'charge'")


def upgrade() -> None:
    op.create_index(
        NAME, TABLE, ["wallet_id", "posted_at"], sqlite_where=NO_CHARGE, postgresql_where=NO_CHARGE
    )


def downgrade() -> None:
    op.drop_index(NAME, TABLE)
