"""Run migrations on one connection, one process at a time, with a limit on every wait."""

import sqlalchemy as sa
from alembic import context
from app.tables import metadata

LOCK = 7_310_441  # any number, the same for every process that migrates
OTHERS_MS = 30 * 60_000
"""How long another process may take over its migrations, and a statement of ours over its work."""


def run() -> None:
    connection: sa.Connection = context.config.attributes["connection"]
    if connection.dialect.name == "postgresql":
        # LOCAL: the connection goes back to a pool.
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {OTHERS_MS}"))
        connection.execute(sa.text(f"SET LOCAL statement_timeout = {OTHERS_MS}"))
        connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        # A statement that waits for a table holds up everybody who asks for the table after it.
        patience_ms = context.config.attributes["lock_timeout_ms"]
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {patience_ms}"))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        transaction_per_migration=False,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


run()
