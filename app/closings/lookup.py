"""Which period a month is: closed, as the books were then, or open."""

from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.closings import store
from app.closings.content import Frame
from app.closings.models import Closing
from app.closings.months import month_after, month_text, window
from app.ledger.transactions import canonical_time
from app.periods import Period, Position


def closed_period(session: Session, month: int) -> Period | None:
    """What belongs to a closed month such as 202611; None while it is open."""
    closing = store.find(session, month)
    return None if closing is None else period_of(closing)


def period_of_month(session: Session, month: int, zone: ZoneInfo) -> Period:
    """The same, and for an open month all of its time that is there.

    ``zone`` is the operator's. An open month that follows a closed one also takes what has come
    late for those before.
    """
    closed = closed_period(session, month)
    if closed is not None:
        return closed
    span = window(month, zone)
    before = store.find_last(session)
    if before is None or month != month_after(before.month):
        return Period(span.starts_at, span.ends_at)
    return Period(before.until, span.ends_at, after=position_of(before))


def period_of(closing: Closing) -> Period:
    """What belongs to this closing."""
    after = None
    if closing.after_transaction is not None:
        after = Position(closing.after_event or 0, closing.after_transaction)
    return Period(closing.since, closing.until, upto=position_of(closing), after=after)


def position_of(closing: Closing) -> Position:
    return Position(closing.event_id, closing.transaction_id)


def frame_of(month: int, period: Period, *, zone: str, currency: str) -> Frame:
    """What the statements of a closed period say alike."""
    if period.upto is None:
        raise AssertionError("only what is closed has statements")
    return Frame(
        month=month_text(month),
        since=canonical_time(period.since),
        until=canonical_time(period.until),
        zone=zone,
        currency=currency,
        after=None if period.after is None else period.after.transaction_id,
        upto=period.upto.transaction_id,
    )
