"""The schema's version: bring it up to date, or say what is missing."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from app.db import Database
from app.tables import metadata

LOCK_TIMEOUT_MS = 3_000
"""How long a migration may wait for a table, and all who want the table meanwhile with it."""
ATTEMPTS = 10
"""How often a migration that found a table locked is begun again, with growing pauses."""

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def upgrade(db: Database, revision: str = "head") -> None:
    """Run what has not run yet, in one transaction; a second process waits for the first.

    Nothing is done to a database that a newer version has migrated: see ``serves``.

    Raises:
        DatabaseAway: the database cannot be reached, another migration runs for too long, or
            somebody holds a table that is to be changed.
    """
    if is_newer(current(db)):
        return
    db.run(
        lambda session: command.upgrade(_config(session.connection()), revision), attempts=ATTEMPTS
    )


def downgrade(db: Database, revision: str) -> None:
    """Take migrations back to ``revision``, with all that is in the tables they made.

    Raises:
        DatabaseAway: as for ``upgrade``.
    """
    db.run(
        lambda session: command.downgrade(_config(session.connection()), revision),
        attempts=ATTEMPTS,
    )


def current(db: Database) -> str | None:
    """The migration the database is at; None before the first.

    Raises:
        DatabaseAway: the database cannot be reached.
    """
    with db.read() as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def knows(revision: str) -> bool:
    """Whether a migration of that name is part of this version."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except CommandError:
        return False


def is_newer(found: str | None) -> bool:
    """Whether a newer version than this has migrated the database."""
    return found is not None and not knows(found)


def serves(found: str | None) -> bool:
    """Whether this version can work on a database at that migration.

    It can on its own, and on one that the next version has expanded: while replicas are restarted
    one after the other, and when that version is taken out again.
    """
    return found == head() or is_newer(found)


def differences(db: Database) -> list[str]:
    """What the tables in the database lack or have too much against the models; empty is good."""
    with db.read() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "include_object": _is_ours}
        )
        return [str(entry) for entry in compare_metadata(context, metadata)]


def _is_ours(item: sa.schema.SchemaItem, name: str | None, kind: str, *_: object) -> bool:
    del item
    return not (kind == "table" and name not in metadata.tables)


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.attributes["connection"] = connection
    config.attributes["lock_timeout_ms"] = LOCK_TIMEOUT_MS
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
