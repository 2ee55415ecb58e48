"""The settings of admission in the units of the gate, and limits as the scripts read them. Pure."""

from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

from app.admission.micro import ceil_micro
from app.config import Settings
from app.limits import count_or_none
from app.money import to_nano

REVISION_TTL_S = 60
"""An announced revision is believed for so long, then read from the database again: an operator's
change whose announcement was lost takes effect no later than this."""
ESTIMATE_TTL_S = 30 * 86400
CLOCKS_DIFFER_S = 60
"""How far this machine's clock and the server's may be apart."""
WATCHED_MAX = 100_000
"""So many questions are watched for their finish at most, some 30 MB; likewise late finishes, at
less. Beyond it the oldest are let go and counted."""

_MINUTE_US = 60_000_000
_TOLERANCE_MAX_US = 10**13


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every question."""

    zone: ZoneInfo
    ticket_ttl_s: int
    reload_s: int
    first_hold: int
    """Micro-units; likewise ``first_points``."""
    first_points: int
    needs_all: bool
    """Whether a question is refused when less is left than it is expected to cost."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        admission = settings.admission
        return cls(
            zone=settings.zone,
            ticket_ttl_s=admission.ticket_ttl_s,
            reload_s=admission.reload_s,
            first_hold=ceil_micro(to_nano(admission.first_hold)),
            first_points=ceil_micro(to_nano(admission.first_points)),
            needs_all=admission.last_question == "refuse",
        )


@dataclass(frozen=True, slots=True)
class Rate:
    """A questions-per-minute limit as GCRA counts it."""

    interval_us: int
    """What one question costs; zero: none is ever admitted."""
    tolerance_us: int
    """How much may be owed: the burst times the interval."""


def rate_of(questions_per_minute: int | None, burst: int | None) -> Rate | None:
    """None when there is no such limit. A burst of zero counts as one."""
    per_minute = count_or_none(questions_per_minute)
    if per_minute is None:
        return None
    if per_minute == 0:
        return Rate(interval_us=0, tolerance_us=0)
    interval_us = -(-_MINUTE_US // per_minute)
    stated = count_or_none(burst)
    at_once = per_minute if stated is None else max(stated, 1)
    return Rate(interval_us, min(interval_us * at_once, _TOLERANCE_MAX_US))
