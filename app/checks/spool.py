"""SA6xx: finishes could wait on this disk, none waits for long, none was set aside."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from app.checks.finding import Finding, failed, ok, warning
from app.spool.spool import ALARMS, Spool

WAITS_MAX = timedelta(minutes=1)


def check_spool(spool: Spool, *, now: datetime) -> Iterator[Finding]:
    """SA601: it can be used; SA602: it drains and is not filling; SA603: nothing was set aside."""
    if not spool.directory.exists():
        yield ok("SA601", "spool", f"{spool.directory} is made when the service starts")
        return
    if not os.access(spool.directory, os.R_OK | os.W_OK | os.X_OK):
        yield failed(
            "SA601",
            "spool",
            f"{spool.directory} cannot be written by this user",
            "Finishes are lost while the database is away: make the directory writable for the "
            "user of the service, or name another one in spool.directory.",
        )
        return
    yield ok("SA601", "spool", f"{spool.directory} can be written")
    status = spool.status()
    waits = now - status.oldest_at if status.oldest_at else timedelta(0)
    said = f"{status.records} finishes wait, {status.fullness:.0%} full"
    if waits > WAITS_MAX or status.fullness >= ALARMS[0]:
        yield warning(
            "SA602",
            "spooled finishes",
            f"{said}, the oldest for {int(waits.total_seconds())} s",
            "The service drains it by itself when the database answers and `shareauth serve` or "
            "`shareauth worker` runs on this machine; `shareauth spool replay` shows what fails.",
        )
    else:
        yield ok("SA602", "spooled finishes", said)
    if status.rejected or status.damaged:
        yield warning(
            "SA603",
            "set aside",
            f"{status.rejected} rejected, {status.damaged} damaged",
            "Look at them with `shareauth spool list --rejected`: they may be money.",
        )
    else:
        yield ok("SA603", "set aside", "nothing")
