"""Back up the SQLite database while the service writes to it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from app import disk, revision, schema
from app.backup import manifest, sqlite_files
from app.backup.manifest import FORMAT, Contents
from app.backup.sqlite_files import Progress
from app.ledger.transactions import canonical_time
from app.statements import verification
from app.statements.bundle import PlaceTaken, PlaceUnwritable


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written and checked, and what its manifest says."""

    place: Path
    manifest: dict[str, Any]

    @property
    def is_sound(self) -> bool:
        """Whether the ledger in it adds up; the file itself is whole either way."""
        return not self.manifest["findings"]


def create(
    url: str,
    place: Path,
    *,
    zone: ZoneInfo,
    software: str,
    now: datetime,
    overwrite: bool = False,
    on_progress: Progress = lambda _done, _total: None,
) -> Backup:
    """Copy the database to ``place`` and its manifest beside it, and derive its ledger anew.

    It appears when it is whole and checked; when anything fails, nothing is left behind.

    Raises:
        NotSqlite: the database is another one.
        PlaceTaken: there is something, and it may not be overwritten.
        PlaceUnwritable: it cannot be written there.
        DatabaseDamaged: the copy cannot be read, so the database cannot either.
    """
    source, beside = sqlite_files.path_of(url), manifest.place_of(place)
    for taken in (place, beside):
        if taken.exists() and not overwrite:
            raise PlaceTaken(f"{taken} exists: name another place, or overwrite it with --force")
    partial, partial_beside = (path.with_name(f".{path.name}.partial") for path in (place, beside))
    try:
        discard(partial)
        sqlite_files.copy(source, partial, on_progress)
        sqlite_files.check(partial)
        written = {
            "format": FORMAT,
            "software": software,
            "created_at": canonical_time(now),
            **examine(partial, zone=zone).as_json(),
            "size_bytes": partial.stat().st_size,
            "sha256": disk.sha256(partial),
        }
        partial_beside.write_text(manifest.text_of(written), "utf-8")
        partial_beside.chmod(0o600)
        for path in (partial, partial_beside):
            disk.sync(path)
        # An old manifest must not vouch for a new file, nor a new one for an old file.
        beside.unlink(missing_ok=True)
        partial.replace(place)
        partial_beside.replace(beside)
        disk.sync(place.parent)
    except OSError as error:
        raise PlaceUnwritable(f"cannot write {place}: {error.strerror}") from error
    finally:
        discard(partial)
        partial_beside.unlink(missing_ok=True)
    return Backup(place, written)


def examine(path: Path, *, zone: ZoneInfo) -> Contents:
    """Derive the ledger in a file with today's tables anew."""
    with sqlite_files.opened(path) as db:
        found = verification.verify(db, zone=zone)
        with db.read() as session:
            number = revision.current(session)
        said = found.as_json()
        return Contents(
            schema=schema.current(db) or "",
            revision=number,
            heads=found.heads,
            findings=len(found.findings),
            counts=said["counts"],
            sums=said["sums"],
        )


def discard(path: Path) -> None:
    """Remove a database's file and whatever SQLite has put beside it."""
    for each in (path, *(sqlite_files.companion(path, end) for end in sqlite_files.COMPANIONS)):
        each.unlink(missing_ok=True)
