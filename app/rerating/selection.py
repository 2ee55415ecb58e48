"""Which answers are priced again, and the calendar months they are in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.errors import Invalid


@dataclass(frozen=True, slots=True)
class Selection:
    """The answers received from ``since`` on and before ``until``; None leaves a filter out.

    ``last_event`` leaves out what came into the books after that event.
    """

    since: datetime
    until: datetime
    link_id: int | None = None
    user_id: int | None = None
    last_event: int | None = None

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise Invalid("the period ends before it begins", code="period_empty")

    def takes(self, *, event_id: int, link_id: int, received_at: datetime) -> bool:
        """Whether an event of the user that is looked at belongs to it."""
        return (
            self.since <= received_at < self.until
            and self.link_id in {None, link_id}
            and (self.last_event is None or event_id <= self.last_event)
        )


@dataclass(frozen=True, slots=True)
class Month:
    """One user's calendar month: ``key`` such as ``2026-11``, from ``start`` on, before ``end``."""

    user_id: int
    key: str
    start: datetime
    end: datetime


def months(user_id: int, first: datetime, last: datetime, *, zone: ZoneInfo) -> Iterator[Month]:
    """The user's months from the one of ``first`` to the one of ``last``, by the zone's clock."""
    year, month = _month_of(first, zone)
    while (year, month) <= _month_of(last, zone):
        following = (year + month // 12, month % 12 + 1)
        yield Month(
            user_id=user_id,
            key=f"{year:04d}-{month:02d}",
            start=datetime(year, month, 1, tzinfo=zone).astimezone(UTC),
            end=datetime(*following, 1, tzinfo=zone).astimezone(UTC),
        )
        year, month = following


def _month_of(at: datetime, zone: ZoneInfo) -> tuple[int, int]:
    local = at.astimezone(zone)
    return local.year, local.month
