"""Take usage lines out of the database that lie, proven, in an archive; and put them back."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from app.archives import creating, files, parquet, partitions
from app.archives.tally import Tally
from app.audit.journal import Actor
from app.db import Database
from app.errors import Conflict, NotFound
from app.metering.lines import store
from app.metering.models import UsageArchive
from app.metering.months import month_after, month_of, month_text


class MonthKept(Conflict):
    """The settings say that the month's lines stay."""

    code = "month_kept"


class NotArchived(Conflict):
    """Lines of the month are in no archive, or in other numbers than in it."""

    code = "not_archived"


class ArchiveUnknown(NotFound):
    """The database has no archive of which this is the file."""

    code = "archive_unknown"


def months_to_keep(now: datetime, usage_lines_months: int) -> int:
    """The oldest month that stays: so many whole months before this one, and this one.

    Raises:
        MonthKept: zero, which keeps everything.
    """
    if not usage_lines_months:
        raise MonthKept(
            "retention.usage_lines_months is 0, which keeps all usage lines for ever: set it to "
            "how many months are to stay"
        )
    return month_after(month_of(now), -usage_lines_months)


def remove(
    db: Database, directory: Path, *, before: int, oldest_kept: int, actor: Actor, now: datetime
) -> list[UsageArchive]:
    """Remove the lines of each archived month before that one; what was removed.

    Of each month the files are read to their end, and so are the lines in the database: only when
    both are what the manifests say, and nothing came since, the lines go.

    Raises:
        MonthKept: a month is younger than the settings allow.
        NotArchived: a month has lines in the database that are not in its archives.
        ArchiveDamaged, ArchiveDiffers: a file is not there, or not the one it was.
        DatabaseBusy: somebody reads or writes there for too long; nothing was removed.
    """
    if before > oldest_kept:
        raise MonthKept(
            f"retention.usage_lines_months keeps {month_text(oldest_kept)} and what follows: "
            "name that month or an earlier one"
        )
    partitions.prepare(db, now)
    with db.read() as session:
        archives = [row for row in store.list_archives(session) if row.received_month < before]
    _finish_removing(db, archives)
    removed: list[UsageArchive] = []
    for month in sorted({row.received_month for row in archives if row.action != "removed"}):
        parts = [row for row in archives if row.received_month == month and row.action != "removed"]
        _prove(db, directory, parts)
        removed += _remove_month(db, month, parts, actor=actor, now=now)
    return removed


def restore(db: Database, place: Path, *, actor: Actor, now: datetime) -> UsageArchive:
    """Put the lines of a file back into the database: all of them, or none.

    Raises:
        ArchiveUnknown: no lines were removed of which this is the file.
        ArchiveDamaged, ArchiveDiffers: it is not the one it was.
    """
    with db.read() as session:
        archives = store.list_archives(session)
    gone = [
        row for row in archives if row.action == "removed" and row.manifest["file"] == place.name
    ]
    if not gone:
        raise ArchiveUnknown(f"nothing was removed that lies in a file named {place.name}")
    manifest = gone[0].manifest
    files.check(place, manifest)
    _finish_removing(db, gone)
    with db.begin() as session:
        # On its own: whoever adds a partition keeps finishes waiting until the transaction ends.
        if store.is_partitioned(session):
            store.add_partition(session, gone[0].received_month)
    with db.begin() as session:
        for page in parquet.read(place):
            store.insert_lines(session, page)
        return creating.note(session, manifest, action="restored", actor=actor, now=now)


def _prove(db: Database, directory: Path, parts: Sequence[UsageArchive]) -> None:
    for part in parts:
        files.check(directory / part.manifest["file"], part.manifest)
        tally = Tally()
        with db.read() as session:
            for page in store.iter_lines(
                session,
                part.received_month,
                after_event=part.after_event,
                last_event=part.last_event,
            ):
                tally.add(page)
        if tally.facts() != files.facts_in(part.manifest):
            raise _differ(part.received_month)


def _remove_month(
    db: Database, month: int, parts: Sequence[UsageArchive], *, actor: Actor, now: datetime
) -> list[UsageArchive]:
    with db.begin() as session:
        # Lines are never changed, only added: while nobody can, their number says all.
        is_locked = store.lock_month(session, month)
        there = store.span_of(session, month).line_count
        if not is_locked or there != sum(part.line_count for part in parts):
            raise _differ(month)
        removed = [
            creating.note(session, part.manifest, action="removed", actor=actor, now=now)
            for part in parts
        ]
        if store.is_partitioned(session):
            store.drop_month(session, month)
    _finish_removing(db, removed)
    return removed


def _finish_removing(db: Database, archives: Sequence[UsageArchive]) -> None:
    """SQLite: delete what was declared removed, some at a time, so that finishes get in between.

    Also what a process that was killed in the middle of it left.
    """
    if db.dialect != "sqlite":
        return
    for row in archives:
        while row.action == "removed":
            with db.begin() as session:
                if not store.delete_some(
                    session,
                    row.received_month,
                    after_event=row.after_event,
                    last_event=row.last_event,
                ):
                    break


def _differ(month: int) -> NotArchived:
    return NotArchived(
        f"{month_text(month)} has lines in the database that are not in its archives, or not as "
        "they are there: run `shareauth archives create` again, and `shareauth ledger verify`"
    )
