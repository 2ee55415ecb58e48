"""Months whose books are closed, as schedules wait for them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.closings import store
from app.closings.months import month_text
from app.schedules.makers import ClosedMonth


def closed_months(session: Session, since: datetime) -> Sequence[ClosedMonth]:
    """Months that were closed at that time or later, in their order."""
    return [
        ClosedMonth(month_text(one.month), one.since, one.until, one.closed_at)
        for one in store.list_all(session)
        if one.closed_at >= since
    ]
