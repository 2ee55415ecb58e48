"""Put finishes into the books: events, lines, charges and daily sums in one transaction.

However many there are, it takes about ten statements: all that is read is read for all of them,
then each is billed on top of the one before, then all that is new is written at once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.ledger import writer
from app.ledger.models import Account, Transaction
from app.ledger.transactions import Entry
from app.ledger.writer import Booking
from app.metering import rows
from app.metering import store as metering_store
from app.metering.body import FinishBody
from app.metering.counting import Usage
from app.metering.models import UsageEvent
from app.metering.rows import DayKey, EventRow
from app.metering.store import NewEvent
from app.money import to_nano
from app.pricing import rating
from app.pricing import store as pricing_store
from app.pricing.rating import Charge
from app.turns.fingerprint import Fingerprint
from app.turns.link_context import Visitor
from app.turns.price_shelf import PricedBy

ACTOR = "fastgpt"


@dataclass(frozen=True, slots=True)
class FinishRules:
    """The settings a finish depends on."""

    currency: str
    zone: ZoneInfo
    points_per_price_unit: Decimal
    points_per_node_max: Decimal
    replay_window: timedelta


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything known of a finish before the database is asked."""

    visitor: Visitor
    body: FinishBody
    body_bytes: int
    usage: Usage
    fingerprint: Fingerprint
    priced_by: PricedBy
    reference: str
    received_at: datetime
    segment_id: int | None = None

    @property
    def warnings(self) -> Mapping[str, int]:
        merged = dict(self.body.warnings)
        for code, times in self.usage.warnings.items():
            merged[code] = merged.get(code, 0) + times
        return merged


@dataclass(frozen=True, slots=True)
class Recorded:
    """A finish that is in the books. ``is_replay``: it was there before, nothing was written.

    A replay with the ``reference`` of the turn is that very finish, whose answer was lost on the
    way. ``balance`` and ``version`` are the wallet's as this charge leaves or this replay finds it.
    """

    reference: str
    settle_key: str
    points: int
    charge: int
    balance: int
    version: int
    is_replay: bool


def settle_turn(session: Session, turn: Turn, rules: FinishRules) -> Recorded:
    """Bill the turn's visitor, once: whatever calls it with the same finish gets the first result.

    The wallet's lock makes finishes of one visitor follow each other, so looking for an earlier
    one and writing this one cannot be torn apart; the unique idempotency key stands behind it.
    """
    return settle_turns(session, [turn], rules)[0]


def settle_turns(session: Session, turns: Sequence[Turn], rules: FinishRules) -> list[Recorded]:
    """Bill each turn's visitor as ``settle_turn`` would, one turn after the other.

    The results are in the order of the turns. What one turn raises it raises for all: roll back.
    """
    wallets = writer.lock_wallets(
        session,
        {turn.visitor.user_id for turn in turns},
        currency=rules.currency,
        now=turns[0].received_at,
    )
    history = _History(session, turns, rules)
    allowances = _Allowances(session, turns, rules)
    new: list[NewEvent] = []
    found: list[tuple[EventRow | UsageEvent, bool]] = []
    for turn in turns:
        earlier = history.find_earlier(turn)
        if earlier is None:
            new.append(_event(turn, allowances.rate(turn), history.next_key(turn), rules))
            history.add(new[-1].row)
        found.append((earlier or new[-1].row, earlier is not None))
    allowances.save()
    posted = _write(session, new, wallets)
    return [
        _replayed(event, wallets[event.user_id]) if is_replay else _charged(event, posted)
        for event, is_replay in found
    ]


class _History:
    """The earlier events that the turns of a batch may repeat: those stored, then their own."""

    def __init__(self, session: Session, turns: Sequence[Turn], rules: FinishRules) -> None:
        digests = {turn.fingerprint.digest for turn in turns}
        self._session = session
        self._window = rules.replay_window
        self._stored = metering_store.count_by_fingerprint(session, digests)
        self._added: defaultdict[str, list[EventRow]] = defaultdict(list)

    def find_earlier(self, turn: Turn) -> EventRow | UsageEvent | None:
        """The event that this turn is a replay of.

        Without run ids that is one received at about the same time, before or after: a finish
        that waited in the spool comes late and was received early.
        """
        digest = turn.fingerprint.digest
        lasting = turn.fingerprint.is_lasting
        since = None if lasting else turn.received_at - self._window
        until = None if lasting else turn.received_at + self._window
        for row in self._added[digest]:
            if since is None or until is None or since <= row.received_at <= until:
                return row
        if digest not in self._stored:
            return None
        return metering_store.find_by_fingerprint(self._session, digest, since=since, until=until)

    def next_key(self, turn: Turn) -> str:
        digest = turn.fingerprint.digest
        return f"{digest}:{self._stored.get(digest, 0) + len(self._added[digest]) + 1}"

    def add(self, row: EventRow) -> None:
        self._added[row.fingerprint].append(row)


class _Allowances:
    """What each user of a batch has used of the month's free allowance, kept up to date."""

    def __init__(self, session: Session, turns: Sequence[Turn], rules: FinishRules) -> None:
        self._session = session
        self._rules = rules
        months = {self._month(turn) for turn in turns if turn.priced_by.book.monthly_allowance}
        self._used = pricing_store.allowances_used(session, months)
        self._taken: defaultdict[tuple[int, str], int] = defaultdict(int)

    def rate(self, turn: Turn) -> Charge:
        month = self._month(turn)
        charge = rating.rate(
            rows.in_points(turn.usage, points_per_price_unit=self._rules.points_per_price_unit),
            book=turn.priced_by.book,
            link_multiplier=turn.visitor.link.price_multiplier,
            plan_multiplier=turn.visitor.user.plan.price_multiplier,
            allowance_used=self._used.get(month, 0) + self._taken[month],
        )
        self._taken[month] += charge.allowance_taken
        return charge

    def save(self) -> None:
        pricing_store.use_allowances(self._session, self._taken)

    def _month(self, turn: Turn) -> tuple[int, str]:
        return turn.visitor.user_id, f"{_local_day(turn, self._rules):%Y-%m}"


def _write(
    session: Session, new: Sequence[NewEvent], wallets: Mapping[int, Account]
) -> dict[str, Transaction]:
    """The charges of the new events, by the events' idempotency keys."""
    ids = metering_store.insert_events(session, new)
    bookings = [
        Booking(
            wallet=wallets[event.row.user_id],
            entry=Entry(
                kind="charge",
                amount=-event.row.charge,
                counter_account="revenue",
                idempotency_key=f"finish:{event.row.idempotency_key}",
                actor=ACTOR,
                event_id=ids[event.row.idempotency_key],
            ),
            posted_at=event.row.received_at,
        )
        for event in new
    ]
    posted = writer.post_many(session, bookings)
    return {event.row.idempotency_key: charge for event, charge in zip(new, posted, strict=True)}


def _charged(event: EventRow | UsageEvent, posted: Mapping[str, Transaction]) -> Recorded:
    charge = posted[event.idempotency_key]
    return Recorded(
        reference=event.reference,
        settle_key=event.idempotency_key,
        points=event.points,
        charge=event.charge,
        balance=charge.balance_after,
        version=charge.sequence,
        is_replay=False,
    )


def _replayed(event: EventRow | UsageEvent, wallet: Account) -> Recorded:
    return Recorded(
        reference=event.reference,
        settle_key=event.idempotency_key,
        points=event.points,
        charge=event.charge,
        balance=wallet.balance,
        version=wallet.version,
        is_replay=True,
    )


def _event(turn: Turn, charge: Charge, key: str, rules: FinishRules) -> NewEvent:
    in_points = rows.in_points(turn.usage, points_per_price_unit=rules.points_per_price_unit)
    points = to_nano(in_points.total)
    visitor = turn.visitor
    row = EventRow(
        reference=turn.reference,
        idempotency_key=key,
        fingerprint=turn.fingerprint.digest,
        link_id=visitor.link.id,
        user_id=visitor.user_id,
        plan_id=visitor.user.plan.id,
        price_version_id=turn.priced_by.version_id,
        received_at=turn.received_at,
        app_name=turn.body.app_name,
        chat_id=turn.body.chat_id,
        generation=turn.usage.generation,
        billed_by=visitor.proof,
        points=points,
        price_sum=rows.price_sum(turn.usage),
        charge=charge.total,
        input_tokens=turn.usage.input_tokens,
        output_tokens=turn.usage.output_tokens,
        node_count=turn.usage.node_count,
        running_time_ms=turn.usage.running_time_ms,
        body_bytes=turn.body_bytes,
        warnings=turn.warnings,
        arithmetic=charge.arithmetic,
        segment_id=turn.segment_id,
    )
    lines = rows.line_rows(
        in_points.lines, points=points, charge=charge.total, line_charges=charge.line_charges
    )
    return NewEvent(row, lines, DayKey(_local_day(turn, rules), visitor.is_guest))


def _local_day(turn: Turn, rules: FinishRules) -> date:
    return turn.received_at.astimezone(rules.zone).date()
