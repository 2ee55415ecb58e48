"""Write the usage lines of whole months to Parquet files; nothing is removed here."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.archives import files, partitions
from app.archives.files import FORMAT
from app.audit import journal
from app.audit.journal import Actor
from app.db import Database
from app.errors import Conflict
from app.ledger.transactions import canonical_time
from app.metering.events_digest import EventsDigest
from app.metering.lines import store
from app.metering.models import UsageArchive
from app.metering.months import month_of, month_text

ENDLESS = 2**62
"""Above every id."""


class MonthOpen(Conflict):
    """The month is not over yet."""

    code = "month_open"


class LinesUnsound(Conflict):
    """The lines do not add up to their answers, so they are not put away."""

    code = "lines_unsound"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where archives are to be written, and what is noted of who wrote them."""

    directory: Path
    actor: Actor
    software: str
    schema: str
    now: datetime


@dataclass(frozen=True, slots=True)
class _Range:
    """Events of a month, from above ``after`` to ``last``, and the number of their part."""

    part: int
    after: int
    last: int


def create(db: Database, wanted: Wanted, *, before: int) -> list[UsageArchive]:
    """Archive each month before that one whose lines are not in an archive; what was written.

    Each month is one snapshot, read back and compared before it counts. A month that was archived
    and not changed since is left out.

    Raises:
        MonthOpen: the last of them is not over.
        LinesUnsound: its lines and answers differ: `ledger verify` says where.
        ArchivePlaceTaken, ArchivePlaceUnwritable, ArchiveDiffers: see ``files.write``.
    """
    if before > month_of(wanted.now):
        raise MonthOpen(
            f"{month_text(month_of(wanted.now))} is not over yet: name it or an earlier one"
        )
    partitions.prepare(db, wanted.now)
    with db.read() as session:
        months = store.months_with_lines(session, before=before)
    made: list[UsageArchive] = []
    for month in months:
        # A finish that comes late meanwhile waits for the next time: a file is written once.
        done: set[int] = set()
        while (archive := _create_part(db, wanted, month, done)) is not None:
            made.append(archive)
            done.add(archive.after_event)
    return made


def _create_part(db: Database, wanted: Wanted, month: int, done: set[int]) -> UsageArchive | None:
    with db.read() as session:
        found = _to_archive(session, month, done)
        if found is None:
            return None
        # First: reading back takes long, and a transaction may not be idle for long.
        expected = _events_digest(session, month, found)
        place = wanted.directory / files.name_of(month, found.part)
        lines = store.iter_lines(session, month, after_event=found.after, last_event=found.last)
        manifest = files.write(place, lines, _described(wanted, month, found))
    if manifest["events_digest"] != expected:
        place.unlink()
        files.manifest_place(place).unlink()
        raise LinesUnsound(
            f"the lines of {month_text(month)} are not those of its answers: `shareauth ledger "
            "verify` says which"
        )
    return record(db, manifest, action="created", actor=wanted.actor, now=wanted.now)


def record(
    db: Database, manifest: dict[str, Any], *, action: str, actor: Actor, now: datetime
) -> UsageArchive:
    """Note what became of an archive, and who did it."""
    with db.begin() as session:
        return note(session, manifest, action=action, actor=actor, now=now)


def note(
    session: Session, manifest: dict[str, Any], *, action: str, actor: Actor, now: datetime
) -> UsageArchive:
    """The same, in a transaction that does more."""
    row = UsageArchive(
        received_month=manifest["month"],
        part=manifest["part"],
        action=action,
        at=now,
        actor=actor.name,
        after_event=manifest["after_event"],
        last_event=manifest["last_event"],
        line_count=manifest["rows"],
        sha256=manifest["sha256"],
        manifest=manifest,
    )
    store.record_archive(session, row)
    journal.record(
        session,
        actor=actor,
        action=f"archives.{action}",
        subject=("usage_archive", manifest["file"]),
        now=now,
        change=(None, {name: manifest[name] for name in ("rows", "events", "sha256")}),
    )
    return row


def _to_archive(session: Session, month: int, done: set[int]) -> _Range | None:
    """The first stretch of the month's events whose lines are here and not in an archive.

    Stretches that begin where ``done`` says are left out.
    """
    parts = store.list_archives(session, months=[month])
    removed = sorted((row.after_event, row.last_event) for row in parts if row.action == "removed")
    edges = [(0, 0), *removed, (ENDLESS, ENDLESS)]
    for (_, after), (until, _) in pairwise(edges):
        span = store.span_of(session, month, after_event=after, last_event=until)
        if not span.line_count or after in done:
            continue
        same = [row for row in parts if row.action != "removed" and row.after_event == after]
        if same and (same[0].last_event, same[0].line_count) == (span.last_event, span.line_count):
            continue
        part = same[0].part if same else max((row.part for row in parts), default=0) + 1
        return _Range(part, after, span.last_event)
    return None


def _described(wanted: Wanted, month: int, found: _Range) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "software": wanted.software,
        "schema": wanted.schema,
        "created_at": canonical_time(wanted.now),
        "created_by": wanted.actor.name,
        "month": month,
        "part": found.part,
        "after_event": found.after,
    }


def _events_digest(session: Session, month: int, found: _Range) -> str:
    digest = EventsDigest()
    for page in store.iter_priced_events(
        session, month, after_event=found.after, last_event=found.last
    ):
        for event in page:
            digest.add(*event)
    return digest.hexdigest()
