"""``shareauth archives``: usage lines of old months, as Parquet files outside of the database."""

from collections.abc import Sequence
from pathlib import Path

import click

from app import __version__, schema
from app.archives import checking, creating, removing
from app.archives.creating import Wanted
from app.cli.frame import Group, Report
from app.cli.inputs import Month
from app.cli.output import iso, table
from app.cli.session import Desk, with_desk
from app.metering.lines import store
from app.metering.models import UsageArchive
from app.metering.months import month_text

HEADINGS = ["month", "part>", "state", "lines>", "answers>", "points>", "charge>", "file", "at"]

archives = Group(
    "archives",
    help="A usage line is what one node of an answer used: its model, tokens, points. Lines are "
    "most of the database, and after some months nobody asks for them. Here whole months of them "
    "are written to Parquet files, proven, and then removed from the database. Answers, charges "
    "and the ledger always stay, and are verified against the archives. Months are those of UTC.",
)

_directory = click.argument(
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where the files lie.",
)


@archives.command("create", example="shareauth archives create /archives --before 2026-01")
@_directory
@click.option(
    "--before",
    type=Month(),
    required=True,
    metavar="MONTH",
    help="Archive the months before this one, such as 2026-01.",
)
@with_desk
def create(desk: Desk, directory: Path, *, before: int) -> Report:
    """Write the lines of each month before one, that are in no archive yet, to a Parquet file.

    Nothing is removed. Each file is synced, read back and compared before it counts; a manifest
    with sums and digests lies beside it and in the database. Reads snapshots, while the service
    runs, in memory that does not grow with the months. Running it again archives what came since.
    """
    wanted = Wanted(
        directory=directory,
        actor=desk.actor,
        software=f"shareauth {__version__}",
        schema=schema.head() or "",
        now=desk.now,
    )
    made = creating.create(desk.db, wanted, before=before)
    said = f"{len(made)} archives were written to {directory}; the lines are still in the database."
    return _report(made, said if made else "There is nothing to archive.")


@archives.command("list", example="shareauth archives list")
@with_desk
def list_(desk: Desk) -> Report:
    """List the archives, and whether their lines are in the database, too.

    `created`: in both. `removed`: in the file only. `restored`: put back, in both.
    """
    with desk.db.read() as session:
        rows = store.list_archives(session)
    return _report(rows)


@archives.command("verify", example="shareauth archives verify /archives")
@_directory
@with_desk
def verify(desk: Desk, directory: Path) -> Report:
    """Read every archive again: are they what was written, and do the answers still agree?

    Each file against its manifest, byte by byte and line by line, the manifest against the one in
    the database, and that against the answers. Ends with exit code 1 when something is wrong.
    """
    count, findings = checking.verify(desk.db, directory)
    data = {
        "ok": not findings,
        "archives": count,
        "findings": [finding.as_json() for finding in findings],
    }
    if not findings:
        said: Sequence[object] = [f"{count} archives are what they were, and their answers agree."]
    else:
        rows = [[finding.code, finding.message] for finding in findings]
        said = [f"{len(findings)} findings.", table(["code", "what is wrong"], rows, empty="")]
    return Report(data, said, exit_code=1 if findings else 0)


@archives.command("remove", example="shareauth archives remove /archives --before 2026-01 --yes")
@_directory
@click.option(
    "--before",
    type=Month(),
    metavar="MONTH",
    help="Remove the months before this one. Default: all that the settings allow.",
)
@click.option("--yes", is_flag=True, help="Do it; without this, nothing happens.")
@with_desk
def remove(desk: Desk, directory: Path, *, before: int | None, yes: bool) -> Report:
    """Remove lines from the database that lie in an archive.

    Refused for months that `retention.usage_lines_months` keeps, for files that are not there or
    not what they were, and for months with lines that are in no archive. Everything is read and
    compared first. On PostgreSQL the month's partition is dropped, which finishes wait for, a
    moment; on SQLite lines are deleted some at a time, and the file keeps its size for new ones.
    Make a backup of the archives before.
    """
    kept = removing.months_to_keep(desk.now, desk.settings.retention.usage_lines_months)
    if not yes:
        raise click.UsageError(
            "This takes usage lines out of the database for good. Copy the archives, then repeat "
            "it with --yes."
        )
    removed = removing.remove(
        desk.db,
        directory,
        before=kept if before is None else before,
        oldest_kept=kept,
        actor=desk.actor,
        now=desk.now,
    )
    said = "There is nothing to remove."
    if removed:
        lines = sum(row.line_count for row in removed)
        said = f"{lines} lines are in their archives only now. Keep those as long as the books."
    return _report(removed, said)


@archives.command(
    "restore", example="shareauth archives restore /archives/usage-lines-2026-01.parquet"
)
@click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A Parquet file."
)
@with_desk
def restore(desk: Desk, file: Path) -> Report:
    """Put the lines of an archive back into the database, where they were.

    In one transaction; on SQLite finishes wait for it, in the spool if it takes long.
    """
    row = removing.restore(desk.db, file, actor=desk.actor, now=desk.now)
    return _report([row], f"{row.line_count} lines are in the database again.")


def _report(rows: Sequence[UsageArchive], *said: str) -> Report:
    data = {"archives": [_as_json(row) for row in rows]}
    shown = table(
        HEADINGS,
        [list(_shown(row)) for row in rows],
        empty="There are no archives." if not said else "",
    )
    return Report(data, [*said, *([shown] if rows or not said else [])])


def _as_json(row: UsageArchive) -> dict[str, object]:
    return {
        "month": month_text(row.received_month),
        "part": row.part,
        "state": row.action,
        "at": iso(row.at),
        "actor": row.actor,
        "manifest": row.manifest,
    }


def _shown(row: UsageArchive) -> Sequence[object]:
    manifest = row.manifest
    return (
        month_text(row.received_month),
        row.part,
        row.action,
        row.line_count,
        manifest["events"],
        manifest["points"],
        manifest["charge"],
        manifest["file"],
        iso(row.at),
    )
