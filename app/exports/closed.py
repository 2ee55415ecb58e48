"""What belongs to a month: closed, as the books were then, or open."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.closings import lookup, store
from app.closings.months import month_text
from app.exports.scope import Closed, Scope


def of_month(session: Session, scope: Scope, month: int, zone: ZoneInfo) -> Scope:
    """The scope with the period of the month, up to the scope's own position where it has one."""
    period = lookup.period_of_month(session, month, zone)
    asked = scope.period.upto
    if asked is not None and asked != period.upto:
        return replace(scope, period=replace(period, upto=asked))
    return replace(scope, period=period, closed=find(session, month))


def find(session: Session, month: int) -> Closed | None:
    """The closing of the month; None while it is open."""
    closing = store.find(session, month)
    if closing is None:
        return None
    return Closed(month_text(month), closing.id, closing.hash)
