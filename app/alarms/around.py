"""What a look for alerts is told of the service it looks at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.alerts.conditions import Condition
from app.alerts.notices import Observation
from app.tokens.issuers import IssuerSpec

CountRefusals = Callable[[Session, datetime, datetime], Mapping[str, int]]
"""Refusals by code, from the first moment up to the second; full hours are enough."""

Observations = list[Observation]
ALERTS_MAX = 500
"""Of one condition at a time; who has more of them has another problem."""


def no_refusals(session: Session, since: datetime, until: datetime) -> Mapping[str, int]:
    """Where refusals are not counted."""
    del session, since, until
    return {}


@dataclass(frozen=True, slots=True)
class Failing:
    """Files that do not get where they should: ``subject`` is ``destination:3`` or ``schedule:5``.

    ``error`` is what the last of ``count`` says.
    """

    subject: str
    name: str
    count: int
    error: str


FindFailing = Callable[[Session], Sequence[Failing]]


def none_failing(session: Session) -> Sequence[Failing]:
    """Where no files go anywhere."""
    del session
    return ()


@dataclass(frozen=True, slots=True)
class Around:
    zone: ZoneInfo
    """The operator's: days and months begin by its clock."""
    currency: str
    config_issuers: tuple[IssuerSpec, ...] = ()
    count_refusals: CountRefusals = no_refusals
    find_failing: FindFailing = none_failing


SERVICE: tuple[Condition, ...] = (
    "refusal_spike",
    "findings",
    "unfinished_turns",
    "quarantine",
    "files_failing",
)
USAGE: tuple[Condition, ...] = ("low_balance", "budget", "unusual_spend")
MACHINE: tuple[Condition, ...] = ("spool_waits", "jobs_failing")
