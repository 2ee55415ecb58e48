"""Every SQL statement on usage: events and their lines, daily sums, quarantined finishes."""

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session, aliased

from app.errors import NotFound
from app.ids import among
from app.keys import Keys
from app.metering.models import QuarantinedFinish, UsageDay, UsageEvent, UsageLine
from app.metering.months import month_of
from app.metering.rows import DayKey, EventRow, LineRow
from app.upserts import execute_rows, upsert_adding

_DAY_KEY = ["user_id", "day", "link_id"]
_DAY_SUMS = ["questions", "points", "charge", "input_tokens", "output_tokens"]

_TOLD = (
    *(UsageEvent.id, UsageEvent.reference, UsageEvent.received_at, UsageEvent.link_id),
    *(UsageEvent.points, UsageEvent.app_name, UsageEvent.chat_id, UsageEvent.price_version_id),
)

# Built once, and of tables, not of mapped classes: a finish pays for each statement it makes.
_EVENTS = UsageEvent.metadata.tables[UsageEvent.__tablename__]
_INSERT_EVENT = sa.insert(_EVENTS).returning(_EVENTS.c.id, _EVENTS.c.idempotency_key)
_INSERT_LINE = sa.insert(UsageLine.metadata.tables[UsageLine.__tablename__])
_COUNT_BY_FINGERPRINT = (
    sa.select(_EVENTS.c.fingerprint, sa.func.count())
    .where(_EVENTS.c.fingerprint.in_(sa.bindparam("digests", expanding=True)))
    .group_by(_EVENTS.c.fingerprint)
)


class EventNotFound(NotFound):
    """No usage event has this reference."""

    code = "event_not_found"


class QuarantinedNotFound(NotFound):
    """No quarantined finish has this reference."""

    code = "quarantined_not_found"


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A finish to keep aside. ``body`` is None when it was larger than the service takes."""

    reference: str
    link_id: int
    received_at: datetime
    reason: str
    body_bytes: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One finish to write: its event, its lines in the order of the answer, and its day."""

    row: EventRow
    lines: Sequence[LineRow]
    day: DayKey


@dataclass(frozen=True, slots=True)
class Sums:
    """How many answers, and nano-points of them."""

    questions: int
    points: int


@dataclass(frozen=True, slots=True)
class UserTotals:
    """All answers of a user: how many, their nano-points, and what they were charged."""

    questions: int
    points: int
    charge: int


def insert_events(session: Session, events: Sequence[NewEvent]) -> dict[str, int]:
    """Write events with their lines and add them to the days' sums; the new ids by key.

    Four statements at most, however many events there are.

    Raises:
        IntegrityError: an idempotency key is taken; look before, with the wallet locked.
    """
    if not events:
        return {}
    session.flush()  # Core statements do not: what the events refer to must be there
    inserted = session.execute(_INSERT_EVENT, [_columns(event.row) for event in events])
    ids: dict[str, int] = {key: event_id for event_id, key in inserted}
    lines = [
        {
            "event_id": ids[event.row.idempotency_key],
            "position": position,
            "received_month": month_of(event.row.received_at),
        }
        | _values(line)
        for event in events
        for position, line in enumerate(event.lines)
    ]
    if lines:
        execute_rows(session, _INSERT_LINE, lines)
    upsert_adding(UsageDay, session, _day_rows(events), key=_DAY_KEY, add=_DAY_SUMS)
    return ids


def count_by_fingerprint(session: Session, digests: Collection[str]) -> dict[str, int]:
    """How many events have each fingerprint; those that nothing has are absent.

    One more than that is the next ordinal of an idempotency key.
    """
    counts = session.execute(_COUNT_BY_FINGERPRINT, {"digests": list(digests)})
    return {row[0]: row[1] for row in counts}


def find_by_fingerprint(
    session: Session, digest: str, *, since: datetime | None = None, until: datetime | None = None
) -> UsageEvent | None:
    """The latest event with this fingerprint, received from ``since`` to ``until`` (inclusive)."""
    statement = sa.select(UsageEvent).where(UsageEvent.fingerprint == digest)
    if since is not None:
        statement = statement.where(UsageEvent.received_at >= since)
    if until is not None:
        statement = statement.where(UsageEvent.received_at <= until)
    return session.scalar(statement.order_by(UsageEvent.id.desc()).limit(1))


def get_event(session: Session, reference: str) -> UsageEvent:
    """The event of that reference.

    Raises:
        EventNotFound: there is none.
    """
    event = session.scalar(sa.select(UsageEvent).where(UsageEvent.reference == reference))
    if event is None:
        raise EventNotFound(f"there is no usage event with the reference {reference!r}")
    return event


def load_events(
    session: Session, ids: Collection[int], *, has_arithmetic: bool = False
) -> dict[int, sa.Row[Any]]:
    """What statements tell of these events; ``arithmetic``, the most of it, where asked for."""
    columns = (*_TOLD, UsageEvent.arithmetic) if has_arithmetic else _TOLD
    rows = session.execute(sa.select(*columns).where(among(UsageEvent.id, ids)))
    return {event.id: event for event in rows}


def load_lines(session: Session, received: Mapping[int, datetime]) -> dict[int, list[UsageLine]]:
    """The lines of each event, in the order of the answer; every id asked for has a list.

    ``received`` says when each event was received: that names the partition of its lines.
    """
    lines: dict[int, list[UsageLine]] = {event_id: [] for event_id in received}
    for condition in lines_of(received):
        statement = (
            sa.select(UsageLine).where(condition).order_by(UsageLine.event_id, UsageLine.position)
        )
        for line in session.scalars(statement):
            lines[line.event_id].append(line)
    return lines


def load_models(session: Session, received: Mapping[int, datetime]) -> dict[int, list[str]]:
    """The models of each event's lines, likewise."""
    models: dict[int, list[str]] = {event_id: [] for event_id in received}
    for condition in lines_of(received):
        statement = (
            sa.select(UsageLine.event_id, UsageLine.model)
            .where(condition)
            .order_by(UsageLine.event_id, UsageLine.position)
        )
        for event_id, model in session.execute(statement):
            models[event_id].append(model)
    return models


def lines_of(received: Mapping[int, datetime]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that together select the lines of these events, one for each month they are of.

    One statement for all months would look for each event in each partition.
    """
    months: defaultdict[int, list[int]] = defaultdict(list)
    for event_id, received_at in received.items():
        months[month_of(received_at)].append(event_id)
    for month, event_ids in sorted(months.items()):
        yield (UsageLine.received_month == month) & among(UsageLine.event_id, event_ids)


def list_events(
    session: Session, user_id: int, *, limit: int, before_id: int | None = None
) -> Sequence[UsageEvent]:
    """A user's events, newest first; ``before_id`` is the last one of the page before."""
    # In the order of an index: who asked most would have all of theirs sorted for one.
    place = (UsageEvent.received_at, UsageEvent.id)
    statement = sa.select(UsageEvent).where(UsageEvent.user_id == user_id)
    if before_id is not None:
        last = aliased(UsageEvent)
        at = sa.select(last.received_at).where(last.id == before_id).scalar_subquery()
        statement = statement.where(sa.tuple_(*place) < sa.tuple_(at, before_id))
    newest_first = [column.desc() for column in place]
    return session.scalars(statement.order_by(*newest_first).limit(limit)).all()


def points_used(session: Session, user_id: int) -> int:
    """All nano-points a user ever used, on all links."""
    return _sums(session, UsageDay.user_id == user_id).points


def user_totals(session: Session, user_ids: Collection[int]) -> dict[int, UserTotals]:
    """Added up from the events themselves, not from the days; users without any are absent."""
    totals = (
        sa.select(
            UsageEvent.user_id,
            sa.func.count(),
            sa.func.sum(UsageEvent.points),
            sa.func.sum(UsageEvent.charge),
        )
        .where(among(UsageEvent.user_id, user_ids))
        .group_by(UsageEvent.user_id)
    )
    rows = session.execute(totals)
    return {row[0]: UserTotals(int(row[1]), int(row[2]), int(row[3])) for row in rows}


def user_day(session: Session, user_id: int, day: date) -> Sums:
    """A user's answers and points of one day, on all links."""
    return _sums(session, UsageDay.user_id == user_id, UsageDay.day == day)


def user_points_since(session: Session, user_id: int, first: date) -> int:
    """A user's nano-points from that day on, such as the first of this month."""
    return _sums(session, UsageDay.user_id == user_id, UsageDay.day >= first).points


def questions_since(session: Session, first: date) -> int:
    """Everybody's answers from that day on."""
    return _sums(session, UsageDay.day >= first).questions


def questions_by_link(session: Session, link_ids: Collection[int], first: date) -> dict[int, int]:
    """Answers booked on each link since that day; links without any are not in it."""
    rows = session.execute(
        sa.select(UsageDay.link_id, sa.func.sum(UsageDay.questions))
        .where(UsageDay.link_id.in_(link_ids), UsageDay.day >= first)
        .group_by(UsageDay.link_id)
    )
    return {link_id: int(questions) for link_id, questions in rows}


def link_points(session: Session, link_id: int) -> int:
    """All nano-points ever used on a link."""
    return _sums(session, UsageDay.link_id == link_id).points


def link_points_since(session: Session, link_id: int, first: date) -> int:
    """A link's nano-points from that day on."""
    return _sums(session, UsageDay.link_id == link_id, UsageDay.day >= first).points


def guests_day(session: Session, link_id: int, day: date) -> Sums:
    """Answers and points of all guests of a link on one day."""
    return _sums(
        session, UsageDay.link_id == link_id, UsageDay.day == day, UsageDay.is_guest.is_(True)
    )


def quarantine(session: Session, row: QuarantineRow, *, keys: Keys) -> QuarantinedFinish:
    """Keep a finish, its body compressed and encrypted."""
    kept = QuarantinedFinish(
        reference=row.reference,
        link_id=row.link_id,
        received_at=row.received_at,
        reason=row.reason,
        digest="" if row.body is None else hashlib.sha256(row.body).hexdigest(),
        body_bytes=row.body_bytes,
        sealed_body=None if row.body is None else keys.seal(zlib.compress(row.body)).encode(),
    )
    session.add(kept)
    session.flush()
    return kept


def quarantined_body(kept: QuarantinedFinish, *, keys: Keys) -> bytes | None:
    """The body as it came; None when it was not kept.

    Raises:
        SealBroken: the secret key is not the one it was sealed with.
    """
    if kept.sealed_body is None:
        return None
    return zlib.decompress(keys.unseal(kept.sealed_body.decode()))


def find_quarantined(session: Session, reference: str) -> QuarantinedFinish | None:
    """The finish kept under that reference, if there is one."""
    return session.scalar(
        sa.select(QuarantinedFinish).where(QuarantinedFinish.reference == reference)
    )


def get_quarantined(session: Session, reference: str) -> QuarantinedFinish:
    """The finish kept under that reference.

    Raises:
        QuarantinedNotFound: there is none, or it was pruned.
    """
    kept = find_quarantined(session, reference)
    if kept is None:
        raise QuarantinedNotFound(f"no finish is kept under the reference {reference!r}")
    return kept


def list_quarantined(
    session: Session,
    *,
    limit: int,
    with_resolved: bool = False,
    before_id: int | None = None,
) -> Sequence[QuarantinedFinish]:
    """Kept finishes, newest first, without their bodies' bytes being loaded.

    ``before_id`` is the last one of the page before.
    """
    statement = sa.select(QuarantinedFinish).options(
        orm.defer(QuarantinedFinish.sealed_body, raiseload=True)
    )
    if not with_resolved:
        statement = statement.where(QuarantinedFinish.resolved_at.is_(None))
    if before_id is not None:
        statement = statement.where(QuarantinedFinish.id < before_id)
    return session.scalars(statement.order_by(QuarantinedFinish.id.desc()).limit(limit)).all()


def count_quarantined(session: Session, *, received_before: datetime | None = None) -> int:
    """How many kept finishes nobody has resolved, of those that came before then."""
    counted = sa.select(sa.func.count()).select_from(QuarantinedFinish)
    counted = counted.where(QuarantinedFinish.resolved_at.is_(None))
    if received_before is not None:
        counted = counted.where(QuarantinedFinish.received_at < received_before)
    return session.scalar(counted) or 0


def prune_quarantined(session: Session, *, received_before: datetime) -> int:
    """Delete what was kept before that time, resolved or not; returns how many."""
    outdated = sa.delete(QuarantinedFinish).where(QuarantinedFinish.received_at < received_before)
    return int(getattr(session.execute(outdated), "rowcount", 0))


def _sums(session: Session, *conditions: sa.ColumnElement[bool]) -> Sums:
    # PostgreSQL adds BIGINTs up to NUMERIC, which arrives as Decimal: sums stay exact, then int.
    questions, points = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(UsageDay.questions), 0),
            sa.func.coalesce(sa.func.sum(UsageDay.points), 0),
        ).where(*conditions)
    ).one()
    return Sums(questions=int(questions), points=int(points))


def _day_rows(events: Iterable[NewEvent]) -> list[dict[str, Any]]:
    # Added up first: two rows of one day in one statement would be in each other's way.
    days: dict[tuple[int, date, int], dict[str, Any]] = {}
    for event in events:
        row, day = event.row, event.day
        key = (row.user_id, day.day, row.link_id)
        sums = days.setdefault(
            key,
            dict(zip(_DAY_KEY, key, strict=True), is_guest=day.is_guest)
            | dict.fromkeys(_DAY_SUMS, 0),
        )
        sums["questions"] += 1
        sums["points"] += row.points
        sums["charge"] += row.charge
        sums["input_tokens"] += row.input_tokens or 0
        sums["output_tokens"] += row.output_tokens or 0
    return [days[key] for key in sorted(days)]


def _columns(row: EventRow) -> dict[str, Any]:
    return _values(row) | {"warnings": dict(row.warnings), "arithmetic": dict(row.arithmetic)}


def _values(row: EventRow | LineRow) -> dict[str, Any]:
    # Not asdict: it copies what is nested, and most of a finish's rows is nested.
    return {field.name: getattr(row, field.name) for field in fields(row)}
