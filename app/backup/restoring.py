"""Put a backup in the place of the SQLite database, and the books ahead of what others remember.

The service must be stopped. What Redis holds is dropped by whoever calls this.
"""

import contextlib
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from app import disk, revision, schema
from app.audit import journal
from app.audit.journal import Actor
from app.backup import manifest, sqlite_files
from app.backup.creating import discard, examine
from app.backup.manifest import BackupDiffers, Contents
from app.backup.sqlite_files import DatabaseDamaged, DatabaseInUse, FileUnusable
from app.db import Database
from app.errors import Conflict


class BackupTooNew(Conflict):
    """The backup is of a later version of the service, or no database of it at all."""

    code = "backup_too_new"


@dataclass(frozen=True, slots=True)
class Restored:
    """What the database is now. ``kept`` is where the replaced one lies; None if there was none.

    ``is_known``: a manifest vouched for the file.
    """

    contents: Contents
    kept: Path | None
    is_known: bool
    upgraded_from: str | None

    @property
    def is_sound(self) -> bool:
        return not self.contents.findings


def restore(
    backup: Path, url: str, *, zone: ZoneInfo, actor: Actor, now: datetime, seen: int = 0
) -> Restored:
    """Check a backup, bring its tables up to date, and put it in the database's place.

    Nothing is touched before all checks have passed, and at no moment is there no database.
    ``seen`` is the highest revision that anybody may remember, such as the one in Redis.

    Raises:
        NotSqlite: the database is another one.
        FileUnusable, DatabaseDamaged, BackupDiffers, BackupTooNew: the backup cannot be used.
        DatabaseInUse: another program has the database open.
    """
    target = sqlite_files.path_of(url)
    known = _manifest(backup)
    draft = target.with_name(f".{target.name}.restoring")
    try:
        discard(draft)
        _copy(backup, draft)
        sqlite_files.check(draft)
        upgraded_from = _upgrade(draft, backup)
        contents = examine(draft, zone=zone)
        if known is not None and known["heads"] != contents.heads:
            raise BackupDiffers(f"{backup} has other heads than its manifest says")
        with sqlite_files.opened(draft) as db:
            supersede(db, seen=seen, actor=actor, now=now)
        disk.sync(draft)
        kept = _swap(draft, target, now)
    except OSError as error:
        raise FileUnusable(f"{error.filename or target}: {error.strerror}") from error
    finally:
        discard(draft)
    return Restored(contents, kept, known is not None, upgraded_from)


def supersede(db: Database, *, seen: int, actor: Actor, now: datetime) -> int:
    """Put the books' revision ahead of all that was announced before, and note the restore.

    Returns the number. Whatever memory a worker has is older than that.
    """
    with db.begin() as session:
        before = revision.current(session)
        number = revision.leap(session, above=seen)
        journal.record(
            session,
            actor=actor,
            action="database.restore",
            subject=("database", "books"),
            now=now,
            change=({"revision": before}, {"revision": number}),
        )
    return number


def _manifest(backup: Path) -> dict[str, object] | None:
    if not backup.is_file():
        raise FileUnusable(f"{backup} is not a file")
    if sqlite_files.has_log(backup):
        raise DatabaseInUse(
            f"{backup} is a database in use, with a log beside it, and no backup: make one with "
            "`shareauth db backup`"
        )
    return manifest.compare(backup)


def _copy(backup: Path, draft: Path) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with backup.open("rb") as source, os.fdopen(descriptor, "wb") as copied:
        shutil.copyfileobj(source, copied, 1024 * 1024)


def _upgrade(draft: Path, backup: Path) -> str | None:
    """The migration the copy was at, if it was brought up to date; None if it was already."""
    with sqlite_files.opened(draft) as db:
        found = schema.current(db)
        if found is None or not schema.knows(found):
            raise BackupTooNew(
                f"{backup} is at {found or 'no migration'}, which this version does not know: "
                "install the version that made it"
            )
        if found == schema.head():
            return None
        schema.upgrade(db)
        return found


def _swap(draft: Path, target: Path, now: datetime) -> Path | None:
    if not target.exists():
        draft.replace(target)
        disk.sync(target.parent)
        return None
    kept = target.with_name(f"{target.name}.replaced-{now:%Y%m%dT%H%M%S%fZ}")
    # What cannot be read is likely the reason for all this: it is kept as it is.
    with contextlib.suppress(DatabaseDamaged, FileUnusable):
        sqlite_files.make_single(target)
    # SQLite would apply a log that lies beside a file of this name to whatever file that is.
    for end in sqlite_files.COMPANIONS:
        log = sqlite_files.companion(target, end)
        if log.exists():
            log.replace(sqlite_files.companion(kept, end))
    kept.hardlink_to(target)
    draft.replace(target)
    disk.sync(target.parent)
    return kept
