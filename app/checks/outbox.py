"""SA8xx: files can wait on this disk for where they go, and get there."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.checks.finding import Finding, failed, ok, warning
from app.config import Settings
from app.deliveries import home, store
from app.schedules import store as schedule_store


def check_outbox(settings: Settings) -> Finding:
    """SA801: this machine's outbox can be written."""
    directory = home.directory_of(settings)
    problem = home.problem(directory)
    if problem is None:
        return ok("SA801", "outbox", f"{directory} can be written")
    return failed(
        "SA801",
        "outbox",
        problem,
        "Nothing is made for schedules or sent from here: make the directory writable for the "
        "user of the service, or name another one in deliveries.outbox.",
    )


def check_deliveries(session: Session) -> Iterator[Finding]:
    """SA802: no delivery is tried no more; SA803: no schedule's last run failed."""
    dead = store.count_dead(session)
    if dead:
        said = "; ".join(f"{one.name}: {one.count} ({one.error})" for one in dead)
        yield warning(
            "SA802",
            "deliveries",
            f"tried no more: {said}",
            "Mend what the errors say, try it with `shareauth destinations test`, then "
            "`shareauth deliveries retry` or `give-up` each of `deliveries list --status dead`.",
        )
    else:
        yield ok("SA802", "deliveries", "none is given up on")
    failing = schedule_store.list_failed(session)
    if failing:
        said = "; ".join(f"{one.name}, {run.period}: {run.error}" for one, run in failing)
        yield warning(
            "SA803",
            "schedules",
            f"the last run failed: {said}",
            "Mend what the error says, then `shareauth schedules run`.",
        )
    else:
        yield ok("SA803", "schedules", "no last run failed")
