"""SA1xx: the database answers, has today's schema, and agrees about the time."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from app import schema
from app.checks.finding import Finding, failed, ok, skipped, warning
from app.db import Database, server_time
from app.errors import ServiceError
from app.metering.lines import store as lines_store
from app.metering.months import month_text

CLOCK_S_MAX = 2.0


def check_database(db: Database) -> Iterator[Finding]:
    """SA101 to SA105. Where the first one fails the others are skipped."""
    began = time.perf_counter()
    try:
        found = schema.current(db)
    except ServiceError as error:
        yield failed(
            "SA101",
            "database",
            error.message,
            "Check database.url and that the server runs and lets this machine in.",
        )
        yield from _skip_rest("the database is away")
        return
    milliseconds = (time.perf_counter() - began) * 1000
    yield ok("SA101", "database", f"{db.dialect} answers ({milliseconds:.0f} ms)")
    yield from _check_schema(db, found)
    yield _check_clock(db)
    if found == schema.head():
        yield _check_partitions(db)


def _check_schema(db: Database, found: str | None) -> Iterator[Finding]:
    if schema.is_newer(found):
        yield warning(
            "SA102",
            "migrations",
            f"the database is at {found}, which a newer version has made",
            "Restart this replica with that version; until then its tables serve this one.",
        )
        yield skipped("SA103", "schema", "the tables are a newer version's")
        return
    if found != schema.head():
        yield failed(
            "SA102",
            "migrations",
            f"the database is at {found or 'nothing'}, this version needs {schema.head()}",
            "Run: shareauth db upgrade",
        )
        yield skipped("SA103", "schema", "migrations are missing")
        return
    yield ok("SA102", "migrations", f"the database is at {found}")
    differences = schema.differences(db)
    if differences:
        yield failed(
            "SA103",
            "schema",
            f"{len(differences)} differences from what this version expects: {differences[0]}",
            "Undo changes made by hand, or restore a backup; `shareauth db check` lists them all.",
        )
    else:
        yield ok("SA103", "schema", "tables are as this version expects")


def _check_clock(db: Database) -> Finding:
    """Ours against the server's: times in tables are ours, but several machines may write."""
    with db.read() as session:
        theirs = server_time(session)
        apart_s = abs((datetime.now(UTC) - theirs).total_seconds()) if theirs else 0.0
    if theirs is None:
        return ok("SA104", "database clock", "the same machine")
    message = f"{apart_s:.1f} s apart"
    if apart_s > CLOCK_S_MAX:
        return warning(
            "SA104",
            "database clock",
            message,
            "Let NTP set both clocks: tokens expire and days begin by this machine's.",
        )
    return ok("SA104", "database clock", message)


def _check_partitions(db: Database) -> Finding:
    with db.read() as session:
        found = lines_store.examine_partitions(session, datetime.now(UTC))
    if found.are_right:
        return ok("SA105", "partitions", "usage lines have their place for the next months")
    wrong = [f"no partition for {month_text(month)}" for month in found.missing]
    wrong += [f"lines of {month_text(month)} in the default one" for month in found.astray]
    return warning(
        "SA105",
        "partitions",
        f"usage_lines: {', '.join(wrong)}",
        "Run: shareauth db upgrade. The hourly job does the same, unless its log says why not.",
    )


def _skip_rest(because: str) -> Iterator[Finding]:
    for id_, check in (("SA102", "migrations"), ("SA103", "schema"), ("SA104", "database clock")):
        yield skipped(id_, check, because)
