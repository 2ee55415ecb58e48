"""What a look for alerts is told of the service it looks at."""

from collections.abc import Callable, Mapping
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
class Around:
    zone: ZoneInfo
    """The operator's: days and months begin by its clock."""
    currency: str
    config_issuers: tuple[IssuerSpec, ...] = ()
    count_refusals: CountRefusals = no_refusals


SERVICE: tuple[Condition, ...] = ("refusal_spike", "findings", "unfinished_turns", "quarantine")
USAGE: tuple[Condition, ...] = ("low_balance", "budget", "unusual_spend")
MACHINE: tuple[Condition, ...] = ("spool_waits", "jobs_failing")
