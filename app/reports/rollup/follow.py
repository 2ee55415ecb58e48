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
from app.reports.models import ReportPosition
from app.reports.rollup import store
from app.reports.rollup.fold import Fold, names_of
from app.reports.rollup.store import Answer, Moved
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
    """What one call counted, and whether it has reached the end of what was there."""

    events: int
    transactions: int
    is_done: bool


def advance(
    session: Session, *, zone: ZoneInfo, now: datetime, events_max: int = EVENTS_AT_ONCE
) -> Advanced:
    """Count the next events and transactions; call it again, in a new transaction, until done.

    ``zone`` is the operator's. Where it is another than before, the days and months are made anew
    by it, at once. Nothing is done while somebody writes who can not be waited for.
    """
    position = store.lock_position(session, zone=zone.key, now=now)
    _follow_clock(session, position, zone)
    decided = store.decided_tops(session)
    if decided is None:
        return Advanced(0, 0, is_done=True)
    upto_event = min(decided.event_id, position.event_id + events_max)
    upto_transaction = min(decided.transaction_id, position.transaction_id + TRANSACTIONS_AT_ONCE)
    counted = Advanced(
        events=_count_events(session, position.event_id, upto_event, zone),
        transactions=_count_moved(session, position.transaction_id, upto_transaction),
        is_done=(upto_event, upto_transaction) == (decided.event_id, decided.transaction_id),
    )
    if (upto_event, upto_transaction) != (position.event_id, position.transaction_id):
        position.event_id, position.transaction_id = upto_event, upto_transaction
        position.moved_at = now
        session.flush()
    return counted


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
    position.event_id = position.transaction_id = 0
    position.zone, position.moved_at = zone.key, now
    session.flush()


def _follow_clock(session: Session, position: ReportPosition, zone: ZoneInfo) -> None:
    if position.zone != zone.key:
        store.derive_days_and_months(session, zone)
        position.zone = zone.key
        session.flush()


def _count_events(session: Session, after: int, upto: int, zone: ZoneInfo) -> int:
    if upto <= after:
        return 0
    events = store.load_events(session, after=after, upto=upto)
    folded = Fold(zone, store.name_ids(session, names_of(events)))
    for event in events:
        folded.add(event)
    store.add(session, folded)
    return len(events)


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
