"""Looks for what alerts are given about, and writes the alerts with their messages.

Looking reads one snapshot and may take a while; only writing takes the database's write lock.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.alarms import machine, service, usage
from app.alarms.around import MACHINE, SERVICE, USAGE, Around, Observations
from app.alarms.machine import Machine
from app.alerts import notices, rule_commands, store
from app.alerts.conditions import Condition, Rulebook
from app.alerts.notices import Told
from app.db import Database

Look = Callable[[Session, Rulebook], Observations]


def watch_service(db: Database, around: Around, now: datetime) -> Told:
    """Refusals, findings, unfinished turns, the quarantine."""
    return _watch(db, SERVICE, lambda s, rules: service.observe(s, around, rules, now), now=now)


def watch_usage(db: Database, around: Around, now: datetime) -> Told:
    """Balances, budgets, spending."""
    return _watch(db, USAGE, lambda s, rules: usage.observe(s, around, rules, now), now=now)


def watch_machine(db: Database, watched: Machine, now: datetime) -> Told:
    """The spool and the jobs of one machine."""

    def look(session: Session, rules: Rulebook) -> Observations:
        del session
        return machine.observe(watched, rules, now)

    return _watch(db, MACHINE, look, of=watched.subject, now=now)


def _watch(
    db: Database, conditions: Sequence[Condition], look: Look, *, of: str = "", now: datetime
) -> Told:
    with db.read() as session:
        rules = rule_commands.load(session)
        observations = look(session, rules)
        has_open = store.has_open(session, conditions)
    if not observations and not has_open:
        return Told()

    def write(session: Session) -> Told:
        return notices.record(
            session, observations, watched=conditions, of=of, rules=rules, now=now
        )

    return db.run(write)
