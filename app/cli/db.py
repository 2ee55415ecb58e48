"""``shareauth db``: the schema of the database, its backups and what a restore needs."""

import contextlib
from collections.abc import Iterator

import click

from app import config, schema
from app.archives import partitions
from app.cli import backups, foundation, readers
from app.cli.frame import Group, Report
from app.cli.session import Desk
from app.first_start import prepare

db = Group(
    "db",
    help="The database is SQLite in the data directory, or the PostgreSQL of database.url. Every "
    "version of shareauth knows which tables it needs; `serve` upgrades the embedded database by "
    "itself, any other one is upgraded here, before the new version starts.",
)


db.add_command(backups.backup)
db.add_command(backups.restore)
db.add_command(backups.after_restore)
db.add_command(readers.reader)


@contextlib.contextmanager
def _bare_desk() -> Iterator[Desk]:
    """A desk on a database in whatever state it is."""
    desk = Desk(config.load())
    try:
        if desk.settings.database.url is None:
            prepare(desk.settings.service.data_dir)
        yield desk
    finally:
        desk.close()


@db.command("upgrade", example="shareauth db upgrade")
def upgrade() -> Report:
    """Bring the tables up to date, and make the issuers and plans that are always needed.

    Safe to run again and from several machines at once: one upgrades, the others wait.
    """
    with _bare_desk() as desk:
        before = schema.current(desk.db)
        schema.upgrade(desk.db)
        after = schema.current(desk.db)
        partitions.prepare(desk.db, desk.now)
        foundation.ensure(desk.db, desk.settings, actor=desk.actor, now=desk.now)
    said = f"The database was at {after} already." if before == after else _moved(before, after)
    return Report({"from": before, "to": after, "changed": before != after}, [said])


@db.command("check", example="shareauth db check")
def check() -> Report:
    """Say whether migrations are missing or tables differ from what this version expects.

    Ends with exit code 1 when they do, so that a deployment can stop there. A database that a newer
    version has expanded is fine.
    """
    with _bare_desk() as desk:
        current, head = schema.current(desk.db), schema.head()
        differences = schema.differences(desk.db) if current == head else []
    is_newer = schema.is_newer(current)
    ok = schema.serves(current) and not differences
    data = {
        "ok": ok,
        "current": current,
        "head": head,
        "is_newer": is_newer,
        "differences": differences,
    }
    if is_newer:
        shown = [f"The database is at {current}, which a newer version than this has made."]
        shown.append("As long as that version only expanded it, it serves this one.")
    elif current != head:
        shown = [f"The database is at {current or 'nothing'}, this version needs {head}."]
        shown.append("Run `shareauth db upgrade`.")
    elif differences:
        shown = ["The tables differ from what this version expects:", *differences]
    else:
        shown = [f"The database is at {current} and its tables are as this version expects."]
    return Report(data, shown, exit_code=0 if ok else 1)


@db.command("downgrade", example="shareauth db downgrade 0001")
@click.argument("revision", help="The migration to go back to.")
@click.option("--yes", is_flag=True, help="Do it; without this, nothing happens.")
def downgrade(revision: str, *, yes: bool) -> Report:
    """Take migrations back, with everything that is in the tables they made.

    For when a new version must be taken out again. Make a backup before.
    """
    if not yes:
        raise click.UsageError("This deletes data. Make a backup, then repeat it with --yes.")
    with _bare_desk() as desk:
        before = schema.current(desk.db)
        schema.downgrade(desk.db, revision)
        after = schema.current(desk.db)
    return Report(
        {"from": before, "to": after, "changed": before != after}, [_moved(before, after)]
    )


def _moved(before: str | None, after: str | None) -> str:
    return f"The database went from {before or 'nothing'} to {after or 'nothing'}."
