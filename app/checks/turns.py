"""SA701: the questions whose finish never came are as few as usual."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.checks.finding import Finding, ok, warning
from app.statements.selfaudit import count_unfinished


def check_turns(session: Session, *, zone: ZoneInfo, now: datetime) -> Finding:
    """The share of yesterday's and today's questions that no finish came for."""
    unfinished, asked, are_too_many = count_unfinished(session, zone, now)
    said = f"{unfinished} of {asked} questions since yesterday have none"
    if are_too_many:
        return warning(
            "SA701",
            "finishes",
            said,
            "Their answers may not have been charged: see `shareauth turns unfinished`, and look "
            "in FastGPT's log and the proxy's whether its finishes reach this service.",
        )
    return ok("SA701", "finishes", said)
