"""Do the sums equal what they were made of? Read again, for a window of time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.metering.months import month_of, months_from
from app.reports import store as report_store
from app.reports.models import ReportPosition
from app.reports.proof import store
from app.reports.spans import DAY, Span, begin_in, end_in, quarter_from, quarter_of, singles

BEHIND_MAX = timedelta(minutes=10)
"""The sums follow every two seconds; who waits this long does not."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Sums that are ``kept``, and what was ``found`` where they come from."""

    table: str
    kept: Mapping[str, int]
    found: Mapping[str, int]

    def __str__(self) -> str:
        said = ", ".join(
            f"{name} {self.kept[name]} instead of {value}"
            for name, value in self.found.items()
            if self.kept[name] != value
        )
        return f"{self.table} has {said}"


def differences(session: Session, *, since: datetime, until: datetime) -> Iterator[Difference]:
    """What differs in the whole quarters of an hour between the two times.

    Of events and transactions up to the position alone. Where lines were removed, what comes from
    lines is left out.
    """
    position = store.find_position(session)
    low, high = quarter_from(since), quarter_of(until)
    if position is None or low >= high:
        return
    months = set(months_from(month_of(since), month_of(until)))
    has_lines = not months & report_store.removed_months(session)
    totals_event_id = min(
        position.totals_event_id, position.firsts_event_id, position.hours_event_id
    )
    has_totals = _reach(position, totals_event_id, position.totals_from, low)
    has_models = _reach(position, position.models_event_id, position.models_from, low)
    window = store.Window(
        low,
        high,
        position.event_id,
        position.transaction_id,
        position.wide_event_id,
        totals_from=position.totals_from if has_totals else None,
        has_models=has_models,
    )
    compared = list(store.compare(session, window, has_lines=has_lines))
    zone = ZoneInfo(position.zone)
    first, last = _whole_days(low, high, zone)
    if first < last:
        days = list(singles(Span(DAY, first, last), zone))
        compared += store.compare_days(session, replace(window, low=first, high=last), days)
    for table, kept, found in compared:
        if kept != found:
            yield Difference(table, kept, found)


def waits_since(session: Session, *, now: datetime) -> datetime | None:
    """When the oldest event was received that has not been counted, if it waits for too long."""
    position = store.find_position(session)
    limit = now - BEHIND_MAX
    if position is not None and position.moved_at > limit:
        return None
    oldest = store.oldest_after(session, 0 if position is None else position.event_id)
    return oldest if oldest is not None and oldest < limit else None


def _reach(position: ReportPosition, event_id: int, since: int | None, low: int) -> bool:
    """Whether sums that are there from a quarter on are those of all events from ``low`` on."""
    return event_id == position.event_id and since is not None and since <= low


def _whole_days(low: int, high: int, zone: ZoneInfo) -> tuple[int, int]:
    first = begin_in(low, "day", zone)
    last = begin_in(high, "day", zone)
    return (first if first == low else end_in(low, "day", zone)), last
