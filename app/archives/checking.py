"""Whether archives are what they were, and still agree with the answers in the database."""

from collections.abc import Iterator
from pathlib import Path

from app.archives import files
from app.archives.parquet import ArchiveDamaged
from app.db import Database
from app.ledger.verify import Finding
from app.metering.events_digest import EventsDigest
from app.metering.lines import store
from app.metering.models import UsageArchive

CODES = ("archive_damaged", "archive_differs", "archive_events_differ", "archive_unknown")


def verify(db: Database, directory: Path) -> tuple[int, list[Finding]]:
    """Read every archive again; how many there are, and what is wrong with those in ``directory``.

    Each file against its manifest, byte by byte and line by line; each manifest against the copy
    in the database and the sums and the digest of the answers there.
    """
    with db.read() as session:
        archives = store.list_archives(session)
    findings = [
        finding
        for row in archives
        for finding in (*_broken_file(directory, row), *_other_events(db, row))
    ]
    known = {row.manifest["file"] for row in archives}
    strangers = [
        path for path in sorted(directory.glob("usage-lines-*.parquet")) if path.name not in known
    ]
    findings += [
        Finding(
            "archive_unknown",
            f"{path} is in no list of the database: it is of another one, or was written by a "
            "process that was killed; then it may be deleted and created again.",
            {"file": path.name},
        )
        for path in strangers
    ]
    return len(archives), findings


def _broken_file(directory: Path, row: UsageArchive) -> Iterator[Finding]:
    name = row.manifest["file"]
    try:
        files.check(directory / name, row.manifest)
    except ArchiveDamaged as problem:
        yield Finding(problem.code, f"{problem.message}. Put it back from a copy.", {"file": name})


def _other_events(db: Database, row: UsageArchive) -> Iterator[Finding]:
    digest = EventsDigest()
    with db.read() as session:
        for page in store.iter_priced_events(
            session, row.received_month, after_event=row.after_event, last_event=row.last_event
        ):
            for event in page:
                digest.add(*event)
    if digest.hexdigest() != row.manifest["events_digest"]:
        name = row.manifest["file"]
        yield Finding(
            "archive_events_differ",
            f"The answers in the database are not those whose lines lie in {name}. Compare "
            "usage_events with a backup.",
            {"file": name},
        )
