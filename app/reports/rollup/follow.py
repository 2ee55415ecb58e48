"""Bring the sums up to date: each event and transaction once, and none is left out.

What was counted and how far that is are one transaction: whoever is killed in between has done
neither, and whoever comes next goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.errors import Conflict
from app.ledger import reratings
from app.metering.months import month_text
from app.pricing import store as pricing_store
from app.reports.models import ReportPosition
from app.reports.rollup import store
from app.reports.rollup.asked import store as asked
from app.reports.rollup.clock import store as clock
from app.reports.rollup.fold import Fold, names_of
from app.reports.rollup.store import Answer, Moved, Tops
from app.reports.rollup.totals import store as totals
from app.reports.spans import quarter_of

EVENTS_AT_ONCE = 500
"""On SQLite finishes wait while they are counted: some hundredths of a second."""
TRANSACTIONS_AT_ONCE = 5000
"""Ids, most of which are charges and not even read."""

CorrectionKind = Literal[
    "rerated", "reversed", "refunded", "adjusted", "topped_up", "redeemed", "granted", "expired"
]
_KINDS: dict[str, CorrectionKind] = {
    "charge": "reversed",
    "refund": "refunded",
    "adjustment": "adjusted",
    "top_up": "topped_up",
    "redemption": "redeemed",
    "grant": "granted",
    "expiry": "expired",
}


class LinesArchived(Conflict):
    """The sums of some months can not be made anew: their lines are not in the database."""

    code = "lines_archived"


@dataclass(frozen=True, slots=True)
class Advanced:
    """What one call counted, and whether it has reached the end of what was there.

    ``filled`` are events that were counted before, into what is kept since a newer version.
    """

    events: int
    transactions: int
    is_done: bool
    filled: int = 0


def advance(
    session: Session, *, zone: ZoneInfo, now: datetime, events_max: int = EVENTS_AT_ONCE
) -> Advanced:
    """Count the next events and transactions; call it again, in a new transaction, until done.

    ``zone`` is the operator's. Where it is another than before, the days and months are made anew
    by it, at once. Nothing is done while somebody writes who can not be waited for.

    Where an older version has counted, it did so without costs, segments and times, or without
    totals. New events are counted first, then costs, segments and times are filled in for the older
    ones, in order, then totals a day at a time, from the newest back, then what was asked of models
    likewise: as far as there are lines, which is done until archives are put back.
    """
    position = store.lock_position(session, zone=zone.key, now=now)
    _follow_clock(session, position, zone)
    decided = store.decided_tops(session)
    if decided is None:
        return Advanced(0, 0, is_done=True)
    before = _places(position)
    events = _count_events(session, position, decided, zone, events_max)
    upto_transaction = min(decided.transaction_id, position.transaction_id + TRANSACTIONS_AT_ONCE)
    transactions = _count_moved(session, position.transaction_id, upto_transaction)
    position.transaction_id = max(upto_transaction, position.transaction_id)
    filled, has_all_models = 0, position.models_from == 0
    if not events and position.wide_event_id < position.event_id:
        filled = _fill(session, position, zone, events_max)
    elif not events and not _derive_totals(session, position, zone):
        has_all_models = _derive_models(session, position, zone)
    if _places(position) != before:
        position.moved_at = now
        session.flush()
    is_done = (
        position.wide_event_id == position.event_id
        and _totals_reach(position) == {position.event_id}
        and position.totals_from == 0
        and position.models_event_id == position.event_id
        and has_all_models
        and position.event_id >= decided.event_id
        and position.transaction_id >= decided.transaction_id
    )
    return Advanced(events, transactions, is_done=is_done, filled=filled)


def restart(session: Session, *, zone: ZoneInfo, now: datetime) -> None:
    """Forget all sums; ``advance`` makes them anew from the first event on.

    Raises:
        LinesArchived: some lines were removed; what they add up to would be lost.
    """
    gone = store.removed_months(session)
    if gone:
        months = ", ".join(month_text(month) for month in gone)
        raise LinesArchived(
            f"the usage lines of {months} lie in archives only, and without them their sums would "
            "be lost: put them back with `shareauth archives restore` first"
        )
    position = store.lock_position(session, zone=zone.key, now=now)
    store.empty(session)
    position.event_id = position.wide_event_id = position.transaction_id = 0
    _totals_are_of(position, 0)
    position.totals_from = 0
    position.models_event_id = position.models_from = 0
    position.zone, position.moved_at = zone.key, now
    session.flush()


def _follow_clock(session: Session, position: ReportPosition, zone: ZoneInfo) -> None:
    if position.zone != zone.key:
        clock.derive_days_and_months(session, zone, wide=position.wide_event_id)
        position.zone = zone.key
        position.totals_from = position.models_from = None
        session.flush()


def _places(position: ReportPosition) -> tuple[int | None, ...]:
    return (
        position.event_id,
        position.wide_event_id,
        position.totals_event_id,
        position.firsts_event_id,
        position.hours_event_id,
        position.totals_from,
        position.models_event_id,
        position.models_from,
        position.transaction_id,
    )


def _count_events(
    session: Session, position: ReportPosition, decided: Tops, zone: ZoneInfo, events_max: int
) -> int:
    after, upto = position.event_id, min(decided.event_id, position.event_id + events_max)
    if upto <= after:
        return 0
    models_from = position.models_from if position.models_event_id == after else None
    folded, number = _folded(session, after, upto, zone, models_from)
    if position.wide_event_id == after:
        store.add(session, folded)
        position.wide_event_id = upto
        if _totals_reach(position) == {after} and position.totals_from is not None:
            totals.add(session, folded, since=position.totals_from)
            _totals_are_of(position, upto)
        if models_from is not None:
            asked.add(session, folded, zone, since=models_from)
            position.models_event_id = upto
    else:  # what is between is filled in first: each position stands for all below it
        store.add_base(session, folded)
    position.event_id = upto
    return number


def _fill(session: Session, position: ReportPosition, zone: ZoneInfo, events_max: int) -> int:
    after = position.wide_event_id
    upto = min(position.event_id, after + events_max)
    folded, number = _folded(session, after, upto, zone)
    store.add_wide(session, folded)
    position.totals_from = position.models_from = None  # their costs are not what they were
    position.wide_event_id = upto
    return number


def _derive_totals(session: Session, position: ReportPosition, zone: ZoneInfo) -> bool:
    """The totals of one more day; False where there are those of all."""
    if _totals_reach(position) != {position.event_id}:  # another version's, or being filled in
        _totals_are_of(position, position.event_id)
        position.totals_from = None
    if position.totals_from == 0:
        return False
    position.totals_from = totals.derive_day_before(session, position.totals_from, zone)
    return True


def _totals_reach(position: ReportPosition) -> set[int]:
    """Up to where the kinds of totals go: those that a version does not know, it leaves behind."""
    return {position.totals_event_id, position.firsts_event_id, position.hours_event_id}


def _totals_are_of(position: ReportPosition, event_id: int) -> None:
    position.totals_event_id = position.firsts_event_id = position.hours_event_id = event_id


def _derive_models(session: Session, position: ReportPosition, zone: ZoneInfo) -> bool:
    """What was asked of models on a day or less; True where nothing with lines is left."""
    if position.models_event_id != position.event_id:
        position.models_event_id, position.models_from = position.event_id, None
    if position.models_from == 0:
        return True
    asked.hold_lines(session)  # so that none go to archives after the look at these
    back = asked.derive_before(
        session,
        position.models_from,
        upto=position.event_id,
        zone=zone,
        gone=frozenset(store.removed_months(session)),
    )
    position.models_from = back.since
    return back.is_at_end


def _folded(
    session: Session, after: int, upto: int, zone: ZoneInfo, models_from: int | None = None
) -> tuple[Fold, int]:
    """The sums of the events above one id up to another, and how many those are."""
    events = store.load_events(session, after=after, upto=upto)
    costs = pricing_store.costs_per_point(session)
    ids = store.name_ids(session, names_of(events))
    folded = Fold(zone, ids, costs, models_from=models_from)
    for event in events:
        folded.add(event)
    return folded, len(events)


def _count_moved(session: Session, after: int, upto: int) -> int:
    if upto <= after:
        return 0
    moved = store.load_moved(session, after=after, upto=upto)
    answers = _answers(session, moved)
    sums: dict[tuple[int, int, int, int, str], list[int]] = {}
    for one, answer in zip(moved, answers, strict=True):
        start = quarter_of(one.posted_at)
        used = start if answer is None else quarter_of(answer.received_at)
        link_id = 0 if answer is None else answer.link_id
        counted = sums.setdefault((start, used, one.user_id, link_id, _kind(one)), [0, 0])
        counted[0] += 1
        counted[1] += one.amount
    names = ("start", "used_start", "user_id", "link_id", "kind", "transactions", "amount")
    rows = [dict(zip(names, (*key, *sums[key]), strict=True)) for key in sorted(sums)]
    store.add_corrections(session, rows)
    return len(moved)


def _answers(session: Session, moved: Sequence[Moved]) -> list[Answer | None]:
    """The answer that each of them corrects."""
    references = {reference for one in moved if (reference := _reference(one)) is not None}
    by_reference = store.answers_by_reference(session, references)
    event_ids = {one.original_event for one in moved if one.original_event is not None}
    by_id = store.answers_by_id(session, event_ids)
    return [
        by_id.get(one.original_event or 0) or by_reference.get(_reference(one) or "")
        for one in moved
    ]


def _reference(moved: Moved) -> str | None:
    for details in (moved.details, moved.original_details):
        rerating = reratings.find(details) if details else None
        if rerating is not None:
            return rerating.reference
    return None


def _kind(moved: Moved) -> CorrectionKind:
    """A reversal counts as what it takes back, but that of a charge as what it is."""
    if _reference(moved) is not None:
        return "rerated"
    return _KINDS[moved.original_kind or moved.kind]
