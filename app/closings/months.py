"""Months by the operator's clock, as numbers such as 202611. Pure."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.admission.periods import Window, periods_at
from app.errors import Invalid
from app.metering.months import month_after, month_text

FIRST, LAST = 197101, 899912


class MonthInvalid(Invalid):
    """That is no month."""

    code = "month_invalid"


def window(month: int, zone: ZoneInfo) -> Window:
    """From the first moment of the month up to the first of the next."""
    middle = datetime(month // 100, month % 100, 15, 12, tzinfo=zone)
    return periods_at(middle, zone).month


def month_at(moment: datetime, zone: ZoneInfo) -> int:
    """The month that holds this moment."""
    first = periods_at(moment, zone).month_begins_on
    return first.year * 100 + first.month


def parse(text: str) -> int:
    """The month of a text such as ``2026-11``.

    Raises:
        MonthInvalid: it is none.
    """
    try:
        found = datetime.strptime(text, "%Y-%m")  # noqa: DTZ007 - only its numbers are used
    except ValueError:
        raise MonthInvalid(f"{text[:20]!r} is not a month such as 2026-11") from None
    month = found.year * 100 + found.month
    if not FIRST <= month <= LAST:
        raise MonthInvalid(f"{text[:20]!r} is too far away")
    return month


def due_at(month: int, zone: ZoneInfo, grace: timedelta) -> datetime:
    """From when on the month may be closed."""
    return window(month, zone).ends_at + grace


__all__ = ["due_at", "month_after", "month_at", "month_text", "parse", "window"]
