"""What alerts are given about, and the rules that hold when nobody has said otherwise.

A rule says whether a condition is watched and from where on it is met. The rule of a condition
may be changed for all, or for one user or link; see ``alerts.commands``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""In rising order."""

Condition = Literal[
    "low_balance",
    "budget",
    "unusual_spend",
    "refusal_spike",
    "spool_waits",
    "findings",
    "unfinished_turns",
    "quarantine",
    "files_failing",
    "jobs_failing",
]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)

OF_EACH_MACHINE: frozenset[Condition] = frozenset({"spool_waits", "jobs_failing"})
"""Every machine watches these itself; the leader watches all others."""

Amount = Annotated[Decimal, Field(ge=0, le=Decimal(10**9), decimal_places=9)]
Factor = Annotated[Decimal, Field(ge=1, le=1000)]


Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")]
Codes = Annotated[tuple[Code, ...], Field(max_length=100)]
COUNT_MAX = 10**9


def _rising(percents: tuple[int, ...]) -> tuple[int, ...]:
    if not percents or not all(1 <= one <= 1000 for one in percents):  # noqa: PLR2004 - percent
        raise ValueError("at least one number from 1 to 1000")
    return tuple(sorted(set(percents)))


class Thresholds(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LowBalance(Thresholds):
    below: Amount = Decimal(10)
    """In the wallet's currency; the plan's credit counts as money there is."""
    active_days: int = Field(default=30, ge=1, le=3650)
    """Only wallets that moved within so many days."""


class Budget(Thresholds):
    percents: Annotated[tuple[int, ...], AfterValidator(_rising)] = (80, 100)
    """Of a points limit; each one that is reached is told."""


class UnusualSpend(Thresholds):
    """See ``judging.spend_limit`` for the method."""

    weeks: int = Field(default=8, ge=2, le=52)
    weeks_min: int = Field(default=4, ge=2, le=52)
    deviations: Factor = Decimal(5)
    floor: Amount = Decimal(20)
    """Less spent in a day is never unusual."""


class RefusalSpike(Thresholds):
    count_min: int = Field(default=30, ge=1, le=COUNT_MAX)
    factor: Factor = Decimal(3)
    """So many times what the day before had."""
    ignored: Codes = ()
    """Codes of refusals that say nothing here."""


class SpoolWaits(Thresholds):
    minutes: int = Field(default=5, ge=1, le=10_000)


class FindingsOpen(Thresholds):
    ignored: Codes = ()
    """Codes of findings that somebody knows of."""


class UnfinishedTurns(Thresholds):
    count_min: int = Field(default=20, ge=1, le=COUNT_MAX)
    percent: int = Field(default=20, ge=1, le=100)
    """Of all questions since yesterday's midnight."""


class Quarantine(Thresholds):
    count_min: int = Field(default=1, ge=1, le=COUNT_MAX)


class FilesFailing(Thresholds):
    count_min: int = Field(default=1, ge=1, le=COUNT_MAX)
    """Of deliveries to one destination that are tried no more; a schedule counts for one."""


class JobsFailing(Thresholds):
    runs: int = Field(default=3, ge=1, le=1000)
    """So many failures of a job, one after the other."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``subject`` is empty for all that the condition speaks of, else ``user:7`` or ``link:3``."""

    condition: Condition
    thresholds: Thresholds
    severity: Severity
    repeat_after: timedelta = timedelta(days=1)
    """An alert that stays open is told again after so long; zero: never."""
    is_enabled: bool = True
    subject: str = ""
    is_default: bool = True
    """Nobody has changed it."""


DEFAULTS: Mapping[Condition, Rule] = {
    rule.condition: rule
    for rule in (
        Rule("low_balance", LowBalance(), "info", timedelta(days=7)),
        Rule("budget", Budget(), "warning", timedelta(0)),
        Rule("unusual_spend", UnusualSpend(), "warning"),
        Rule("refusal_spike", RefusalSpike(), "warning"),
        Rule("spool_waits", SpoolWaits(), "critical", timedelta(hours=4)),
        Rule("findings", FindingsOpen(), "critical"),
        Rule("unfinished_turns", UnfinishedTurns(), "warning"),
        Rule("quarantine", Quarantine(), "warning"),
        Rule("files_failing", FilesFailing(), "warning"),
        Rule("jobs_failing", JobsFailing(), "critical", timedelta(hours=4)),
    )
}

SUBJECTS: Mapping[Condition, frozenset[str]] = {
    "low_balance": frozenset({"user"}),
    "budget": frozenset({"user", "link"}),
    "unusual_spend": frozenset({"user", "link"}),
}
"""Kinds of subjects that may have a rule of their own."""


class Rulebook:
    """The rules in force: the defaults, and what was changed."""

    def __init__(self, changed: Mapping[tuple[Condition, str], Rule]) -> None:
        self._changed = changed

    def rule(self, condition: Condition, subject: str = "") -> Rule:
        """The rule of the subject, else that of all; ``link:3/month`` goes by ``link:3``."""
        own = self._changed.get((condition, subject.partition("/")[0]))
        return own or self._changed.get((condition, "")) or DEFAULTS[condition]

    def enabled(self, condition: Condition) -> list[Rule]:
        """The rule of all and those of single subjects, as far as they are switched on."""
        own = [r for (name, subject), r in self._changed.items() if name == condition and subject]
        return [rule for rule in (self.rule(condition), *own) if rule.is_enabled]

    def all(self) -> list[Rule]:
        """Every condition's rule, each followed by those of single subjects."""
        found: list[Rule] = []
        for condition in CONDITIONS:
            own = sorted(s for name, s in self._changed if name == condition and s)
            found += [self.rule(condition), *(self._changed[condition, s] for s in own)]
        return found


def at_most(severity: Severity, most: Severity) -> Severity:
    return SEVERITIES[min(SEVERITIES.index(severity), SEVERITIES.index(most))]
