"""The schema's version: bring it up to date, or say what is missing.

alembic is imported where something is migrated: every command and every worker asks for the
version, and importing it takes a third of what a command needs to start.
"""

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from app.db import Database
from app.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

LOCK_TIMEOUT_MS = 3_000
"""How long a migration may wait for a table, and all who want the table meanwhile with it."""
ATTEMPTS = 10
"""How often a migration that found a table locked is begun again, with growing pauses."""

VERSION_TABLE = "alembic_version"
_VERSIONS = sa.table(VERSION_TABLE, sa.column("version_num", sa.String))
_SAYS = re.compile(r'^(revision|down_revision) = (?:"([^"]*)"|None)$', re.MULTILINE)

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def upgrade(db: Database, revision: str = "head") -> None:
    """Run what has not run yet, in one transaction; a second process waits for the first.

    Nothing is done to a database that a newer version has migrated: see ``serves``.

    Raises:
        DatabaseAway: the database cannot be reached, another migration runs for too long, or
            somebody holds a table that is to be changed.
    """
    from alembic import command  # noqa: PLC0415 - see above

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
    from alembic import command  # noqa: PLC0415 - see above

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
        if not sa.inspect(session.connection()).has_table(VERSION_TABLE):
            return None
        return session.scalar(sa.select(sa.column("version_num")).select_from(_VERSIONS))


def head() -> str | None:
    """The newest migration of this version."""
    migrations = _migrations()
    followed = set(migrations.values())
    return next((revision for revision in migrations if revision not in followed), None)


def knows(revision: str) -> bool:
    """Whether a migration of that name is part of this version."""
    return revision in _migrations()


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
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - see above
    from alembic.migration import MigrationContext  # noqa: PLC0415 - see above

    with db.read() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "include_object": _is_ours}
        )
        return [str(entry) for entry in compare_metadata(context, metadata)]


@functools.cache
def _migrations() -> dict[str, str | None]:
    """Each migration of this version, and the one it follows; read without running them."""
    found = {}
    for path in (MIGRATIONS / "versions").glob("*.py"):
        said = dict(_SAYS.findall(path.read_text("utf-8")))
        found[said["revision"]] = said.get("down_revision") or None
    return found


def _is_ours(item: sa.schema.SchemaItem, name: str | None, kind: str, *_: object) -> bool:
    del item
    return not (kind == "table" and name not in metadata.tables)


def _config(connection: sa.Connection) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.attributes["connection"] = connection
    config.attributes["lock_timeout_ms"] = LOCK_TIMEOUT_MS
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
