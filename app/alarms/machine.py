"""How one machine fares: its spool, and the jobs of its worker."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from app.alarms.around import Observations
from app.alerts.conditions import JobsFailing, Rulebook, SpoolWaits
from app.alerts.notices import Observation
from app.spool.census import Status

_ERROR_MAX = 80


@dataclass(frozen=True, slots=True)
class Streak:
    """Failures of a job, one after the other."""

    runs: int
    error: str
    """The kind of the last one; what it says may hold confidential things."""


class Streaks:
    """What the jobs of one process came to since each was last done."""

    def __init__(self) -> None:
        self._failing: dict[str, Streak] = {}

    def done(self, job: str) -> None:
        self._failing.pop(job, None)

    def failed(self, job: str, error: Exception) -> None:
        before = self._failing.get(job)
        runs = 1 if before is None else before.runs + 1
        self._failing[job] = Streak(runs, type(error).__name__[:_ERROR_MAX])

    def failing(self) -> dict[str, Streak]:
        return dict(sorted(self._failing.items()))


@dataclass(frozen=True, slots=True)
class Machine:
    name: str
    spool: Status
    failing: dict[str, Streak]

    @property
    def subject(self) -> str:
        return f"machine:{self.name}"


def observe(machine: Machine, rules: Rulebook, now: datetime) -> Observations:
    """A spool that does not drain, and jobs that fail."""
    return [*_spool(machine, rules, now), *_jobs(machine, rules)]


def _spool(machine: Machine, rules: Rulebook, now: datetime) -> Iterator[Observation]:
    rule, oldest_at = rules.rule("spool_waits"), machine.spool.oldest_at
    if not rule.is_enabled or oldest_at is None:
        return
    minutes = int((now - oldest_at).total_seconds() // 60)
    if minutes >= cast("SpoolWaits", rule.thresholds).minutes:
        facts: dict[str, str | int] = {"records": machine.spool.records, "minutes": minutes}
        yield Observation("spool_waits", machine.subject, machine.name, rule.severity, facts)


def _jobs(machine: Machine, rules: Rulebook) -> Iterator[Observation]:
    rule = rules.rule("jobs_failing")
    if not rule.is_enabled:
        return
    for job, streak in machine.failing.items():
        if streak.runs >= cast("JobsFailing", rule.thresholds).runs:
            subject = f"{machine.subject}/{job}"
            facts: dict[str, str | int] = {"job": job, "runs": streak.runs, "error": streak.error}
            yield Observation("jobs_failing", subject, machine.name, rule.severity, facts)
