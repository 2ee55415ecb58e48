"""The months that usage lines are kept by: of UTC, written as a number, 202611."""

from collections.abc import Iterator
from datetime import UTC, datetime

MONTHS_IN_YEAR = 12


def month_of(at: datetime) -> int:
    """The month of a time: 202611."""
    utc = at.astimezone(UTC)
    return utc.year * 100 + utc.month


def month_after(month: int, count: int = 1) -> int:
    """The month that comes ``count`` months later; earlier, when it is negative."""
    years, months = divmod(month // 100 * MONTHS_IN_YEAR + month % 100 - 1 + count, MONTHS_IN_YEAR)
    return years * 100 + months + 1


def months_from(first: int, last: int) -> Iterator[int]:
    """Every month from the first to the last, both included; none when the last is earlier."""
    while first <= last:
        yield first
        first = month_after(first)


def month_bounds(month: int) -> tuple[datetime, datetime]:
    """When the month begins, and when the next one does."""
    following = month_after(month)
    return (
        datetime(month // 100, month % 100, 1, tzinfo=UTC),
        datetime(following // 100, following % 100, 1, tzinfo=UTC),
    )


def month_text(month: int) -> str:
    """As people write it: 2026-11."""
    return f"{month // 100:04}-{month % 100:02}"
