"""Days and times of forms and filters, by the service's clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.errors import Invalid
from app.moments import FIRST, LAST


def day(text: str | None) -> date | None:
    """The day a date field has; None when it is empty.

    Raises:
        Invalid: it is no day (``date_invalid``).
    """
    if not text or not text.strip():
        return None
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        found = FIRST.date()
    if not FIRST.year < found.year < LAST.year:
        raise Invalid(f"{text[:40]!r} is not a day such as 2026-11-01", code="date_invalid")
    return found


def begins(text: str | None, zone: ZoneInfo) -> datetime | None:
    """When that day begins."""
    found = day(text)
    return None if found is None else datetime.combine(found, time.min, tzinfo=zone)


def ends(text: str | None, zone: ZoneInfo) -> datetime | None:
    """When that day is over."""
    found = day(text)
    if found is None:
        return None
    return datetime.combine(found + timedelta(days=1), time.min, tzinfo=zone)


def moment(text: str | None, zone: ZoneInfo) -> datetime | None:
    """The moment a field for day and time has; None when it is empty.

    Raises:
        Invalid: it is none (``date_invalid``).
    """
    if not text or not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = FIRST
    if not FIRST.year < found.year < LAST.year:
        raise Invalid(f"{text[:40]!r} is not a time such as 2026-11-01T08:00", code="date_invalid")
    local = found if found.tzinfo else found.replace(tzinfo=zone)
    return local.astimezone(UTC)
