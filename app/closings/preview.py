"""What closing a month would freeze, and what stands in its way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.closings import closing, store
from app.closings.closing import MonthNotOver, MonthOutOfOrder, Order
from app.closings.content import Sum, SumKey
from app.closings.lookup import position_of
from app.closings.months import month_after, month_at, month_text, window
from app.closings.sums import store as sums
from app.errors import Conflict
from app.findings import store as findings_store
from app.ledger.credit import store as credit_store
from app.metering import store as metering_store
from app.periods import Period
from app.reports.proof import check
from app.spool.census import Status
from app.unfinished import store as unfinished_store
from app.unfinished.store import Wanted

ASKED_ELSEWHERE = frozenset(
    {"spool_waits", "quarantine_unresolved", "reports_behind", "turns_unfinished"}
)
"""Findings that are obstacles of their own."""


class Obstructed(Conflict):
    """Something should be looked at before the month is closed."""

    code = "closing_obstructed"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """``is_final``: there is no way around it. What is ``mild`` does not stop a closing at all."""

    code: str
    message: str
    count: int
    is_final: bool = False
    is_mild: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be frozen now; amounts in nano-units.

    ``month`` has ``is_under_way`` when its closing was begun and not finished.
    """

    month: int
    since: datetime
    until: datetime
    opening: int
    sums: Mapping[SumKey, Sum]
    wallets: int
    moved: int
    obstacles: tuple[Obstacle, ...]
    is_under_way: bool

    @property
    def closing(self) -> int:
        return self.opening + sum(one.amount for one in self.sums.values())

    @property
    def can_close(self) -> bool:
        """Without insisting."""
        return all(one.is_mild for one in self.obstacles)

    @property
    def could_close(self) -> bool:
        """When one insists."""
        return not any(one.is_final for one in self.obstacles)


def next_month(session: Session, zone: ZoneInfo, now: datetime) -> int:
    """The month to close next: after the last one, or the first that the ledger has."""
    run = store.find_run(session)
    if run is not None:
        return run.month
    last = store.find_last(session)
    if last is not None:
        return month_after(last.month)
    first = sums.first_posted_at(session)
    return month_at(first or now, zone)


def preview(session: Session, order: Order, spool: Status) -> Preview:
    """What closing the month would freeze; ``spool`` is of this machine.

    Raises:
        MonthClosed: it is closed already.
    """
    sums.take_time(session)
    last, run = store.find_last(session), store.find_run(session)
    span = window(order.month, order.zone)
    since = span.starts_at if last is None or order.month != month_after(last.month) else last.until
    period = Period(
        since,
        span.ends_at,
        after=None if last is None else position_of(last),
    )
    obstacles = tuple(find_obstacles(session, order, spool))
    opening = sums.opening_of_all(session, since) if last is None else last.closing
    return Preview(
        month=order.month,
        since=since,
        until=span.ends_at,
        opening=opening,
        sums=sums.sums_of_all(session, period),
        wallets=sums.count_wallets(session),
        moved=sums.count_moved(session, period),
        obstacles=obstacles,
        is_under_way=run is not None and run.month == order.month,
    )


def check_obstacles(session: Session, order: Order, spool: Status) -> None:
    """Refuse to close over what should be looked at first; a closing under way goes on.

    Raises:
        Obstructed: says what there is.
        MonthClosed: it is closed already.
    """
    run = store.find_run(session)
    if run is not None and run.month == order.month:
        return
    found = [one for one in find_obstacles(session, order, spool) if not one.is_mild]
    if found:
        raise Obstructed("; ".join(one.message for one in found))


def find_obstacles(session: Session, order: Order, spool: Status) -> Iterator[Obstacle]:
    """Everything that stands in the way, what is final first.

    Raises:
        MonthClosed: it is closed already.
    """
    try:
        closing.check_order(session, order)
    except (MonthNotOver, MonthOutOfOrder) as refused:
        yield Obstacle(refused.code, refused.message, 1, is_final=True)
    until = window(order.month, order.zone).ends_at
    if spool.records and spool.oldest_at is not None and spool.oldest_at < until:
        yield Obstacle(
            "spool_waits",
            f"{spool.records} finishes wait in this machine's spool, some of them of this month: "
            "`shareauth spool list`",
            spool.records,
        )
    quarantined = metering_store.count_quarantined(session, received_before=until)
    if quarantined:
        yield Obstacle(
            "quarantine_unresolved",
            f"{quarantined} finishes could not be recorded and nobody has looked at them: "
            "`shareauth quarantine list`",
            quarantined,
        )
    behind = check.waits_since(session, now=order.now)
    if behind is not None:
        yield Obstacle(
            "reports_behind", f"answers since {behind} are in no report yet: is a worker there?", 1
        )
    over = credit_store.count_over(session, min(until, order.now))
    if over:
        yield Obstacle(
            "grants_to_expire",
            f"{over} grants of this month are over and their expiries are not booked yet: a worker "
            "does it within seconds; closed before, they fall into the next month, marked late",
            over,
        )
    yield from _about(session, until, order)


def _about(session: Session, until: datetime, order: Order) -> Iterator[Obstacle]:
    found = [one for one in findings_store.count_open(session) if one.code not in ASKED_ELSEWHERE]
    count = sum(one.count for one in found)
    if count:
        codes = ", ".join(sorted(one.code for one in found))
        yield Obstacle("findings_open", f"the self-audit has {count} open findings: {codes}", count)
    since = until - timedelta(days=1)
    open_turns = unfinished_store.totals(session, Wanted(since=since)).open_turns
    if open_turns and order.now - until < timedelta(days=1):
        yield Obstacle(
            "turns_unfinished",
            f"{open_turns} questions since the last day of {month_text(order.month)} have no "
            "finish; what still comes of them falls into the next month, marked late",
            open_turns,
            is_mild=True,
        )
