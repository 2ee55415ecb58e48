"""Every SQL statement that brings the sums up to date, or makes them anew."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from app.db import Base
from app.ids import among
from app.ledger.models import Account, Transaction
from app.metering.lines import store as lines_store
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of
from app.metering.store import lines_of
from app.reports.models import (
    ReportPosition,
    UsageByLink,
    UsageByModel,
    UsageBySegment,
    UsageByUser,
    UsageCorrection,
    UsageName,
    UsageTimesByLink,
    UsageTimesBySegment,
)
from app.reports.named.store import OTHER_NAME
from app.reports.rollup.asked import store as asked
from app.reports.rollup.clock import store as clock
from app.reports.rollup.fold import (
    COSTS,
    Event,
    Fold,
    Line,
    Name,
    Sums,
)
from app.reports.rollup.totals import store as totals
from app.upserts import execute_rows, insert_ignoring, upsert_adding
from app.users.models import User

T = TypeVar("T")
NAMES_MAX = 10_000
"""Of each kind; what FastGPT calls its apps and models is not in our hands."""
LOOKS_MAX = 25
LOOK_AGAIN_S = 0.02
"""A finish takes milliseconds; who takes longer is waited for the next time."""

_WRITING = ("RowExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
_LOCKS = sa.table(
    "pg_locks",
    sa.column("virtualtransaction"),
    sa.column("relation"),
    sa.column("database"),
    sa.column("mode"),
    sa.column("granted"),
    sa.column("pid"),
)
_ORIGINAL = orm.aliased(Transaction)
_EVENT_FACTS = (
    *("id", "received_at", "user_id", "link_id", "app_name", "points", "charge", "segment_id"),
    *("plan_id", "issuer_id", "price_version_id", "running_time_ms"),
)


@dataclass(frozen=True, slots=True)
class Tops:
    """The newest event and transaction that can be seen."""

    event_id: int
    transaction_id: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A transaction that is no charge, and what it reverses if it does."""

    user_id: int
    kind: str
    amount: int
    posted_at: datetime
    details: dict[str, object]
    original_kind: str | None
    original_event: int | None
    original_details: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Answer:
    link_id: int
    received_at: datetime


def lock_position(session: Session, *, zone: str, now: datetime) -> ReportPosition:
    """The one row, made on first use; nobody else counts until the transaction ends."""
    start = {"event_id": 0, "transaction_id": 0, "totals_from": 0, "models_from": 0}
    first = {"id": 1, **start, "zone": zone, "moved_at": now}
    insert_ignoring(ReportPosition, session, [first])
    return session.get_one(ReportPosition, 1, with_for_update=True, populate_existing=True)


def find_position(session: Session) -> ReportPosition | None:
    return session.get(ReportPosition, 1)


def tops(session: Session) -> Tops:
    events = sa.select(sa.func.max(UsageEvent.id)).scalar_subquery()
    transactions = sa.select(sa.func.max(Transaction.id)).scalar_subquery()
    event_id, transaction_id = session.execute(sa.select(events, transactions)).one()
    return Tops(event_id or 0, transaction_id or 0)


def decided_tops(session: Session) -> Tops | None:
    """Tops below which nothing can appear any more; None while somebody still writes there."""
    return decided(session, tops, (UsageEvent, Transaction))


def decided(
    session: Session, look: Callable[[Session], T], tables: Sequence[type[Base]]
) -> T | None:
    """The highest ids of these tables that ``look`` finds, once nothing can appear below them.

    None while somebody still writes there.

    On PostgreSQL an id is given out before it is committed, so a lower one may appear after a
    higher one. Whoever has been given an id below one that is seen holds a writer's lock on the
    table since before, and until what was written can be seen: when all who hold one after the
    look are gone, the ids up to it are decided. Transactions here read what is committed now, so
    the next statement sees them all.
    """
    seen = look(session)
    if session.get_bind().dialect.name != "postgresql":
        return seen  # one writer at a time, who is this one
    writers = _writers(session, tables)
    for _ in range(LOOKS_MAX):
        if not writers:
            return seen
        session.execute(sa.select(sa.func.pg_sleep(LOOK_AGAIN_S)))
        writers &= _writers(session, tables)
    return None


def load_events(session: Session, *, after: int, upto: int) -> list[Event]:
    """The events with ids above ``after`` and up to ``upto``, with their lines."""
    found = session.execute(
        sa.select(
            UsageEvent.id,
            UsageEvent.received_at,
            UsageEvent.user_id,
            UsageEvent.link_id,
            UsageEvent.app_name,
            UsageEvent.points,
            UsageEvent.charge,
            sa.func.coalesce(UsageEvent.segment_id, 0).label("segment_id"),
            sa.func.coalesce(UsageEvent.plan_id, 0).label("plan_id"),
            User.issuer_id,
            UsageEvent.price_version_id,
            UsageEvent.running_time_ms,
            UsageEvent.input_tokens,
            UsageEvent.output_tokens,
        )
        .join(User, User.id == UsageEvent.user_id)
        .where(UsageEvent.id > after, UsageEvent.id <= upto)
        .order_by(UsageEvent.id)
    ).all()
    lines: dict[int, list[Line]] = {row.id: [] for row in found}
    for condition in lines_of({row.id: row.received_at for row in found}):
        for event_id, line in _lines(session, condition):
            lines[event_id].append(line)
    gone = set(removed_months(session)) if not all(lines.values()) else set()
    return [_event(row, lines[row.id], gone) for row in found]


def _event(row: Any, lines: Sequence[Line], gone: Collection[int]) -> Event:  # noqa: ANN401 - a row
    *facts, given, written = row
    known = dict(zip(_EVENT_FACTS, facts, strict=True))
    is_gone = not lines and month_of(known["received_at"]) in gone
    own = (given or 0, written or 0, 0, 0) if is_gone else None
    return Event(**known, lines=lines, own_tokens=own)


def name_ids(session: Session, names: Collection[Name]) -> dict[Name, int]:
    """The number of each name; new ones get one, until there are too many of the kind."""
    known = _known(session, names)
    missing = sorted(set(names) - set(known))
    if not missing:
        return known
    counted = sa.select(UsageName.kind, sa.func.count()).group_by(UsageName.kind)
    counts: dict[str, int] = {row[0]: row[1] for row in session.execute(counted)}
    new: set[Name] = set()
    stands_for: dict[Name, Name] = {}
    for name in missing:
        counts[name[0]] = counts.get(name[0], 0) + 1
        stands_for[name] = name if counts[name[0]] < NAMES_MAX else (name[0], OTHER_NAME)
        new.add(stands_for[name])
    insert_ignoring(
        UsageName, session, [{"kind": kind, "name": name} for kind, name in sorted(new)]
    )
    made = _known(session, new)
    return known | {name: made[other] for name, other in stands_for.items()}


def add(session: Session, folded: Fold) -> None:
    """Add everything of these events."""
    for table, sums in _base_of(folded):
        upsert_adding(table, session, sums.rows(), key=sums.key, add=sums.columns)
    _add_separate(session, folded)


def add_base(session: Session, folded: Fold) -> None:
    """Add all but costs, segments and times."""
    for table, sums in _base_of(folded):
        rows = [{name: row[name] for name in row if name not in COSTS} for row in sums.rows()]
        add = [name for name in sums.columns if name not in COSTS]
        upsert_adding(table, session, rows, key=sums.key, add=add)


def add_wide(session: Session, folded: Fold) -> None:
    """Add the costs, segments and times of events whose other sums are there."""
    for table, sums in _base_of(folded):
        rows = [row for row in sums.rows() if any(row[name] for name in COSTS)]
        if rows:
            given = [{f"given_{name}": row[name] for name in (*sums.key, *COSTS)} for row in rows]
            execute_rows(session, _adding_costs(table, sums.key), given)
    _add_separate(session, folded)


def _base_of(folded: Fold) -> tuple[tuple[type[Base], Sums], ...]:
    return (
        (UsageByLink, folded.by_link),
        (UsageByUser, folded.by_user),
        (UsageByModel, folded.by_model),
    )


def _add_separate(session: Session, folded: Fold) -> None:
    for table, sums in (
        (UsageBySegment, folded.by_segment),
        (UsageTimesByLink, folded.times_by_link),
        (UsageTimesBySegment, folded.times_by_segment),
    ):
        upsert_adding(table, session, sums.rows(), key=sums.key, add=sums.columns)


def _adding_costs(table: type[Base], key: Sequence[str]) -> sa.Update:
    columns = table.metadata.tables[table.__tablename__].c
    changed = {name: columns[name] + sa.bindparam(f"given_{name}") for name in COSTS}
    same = [columns[name] == sa.bindparam(f"given_{name}") for name in key]
    return sa.update(table.metadata.tables[table.__tablename__]).where(*same).values(changed)


def add_corrections(session: Session, rows: list[dict[str, object]]) -> None:
    key = ["start", "used_start", "user_id", "link_id", "kind"]
    upsert_adding(UsageCorrection, session, rows, key=key, add=["transactions", "amount"])


def load_moved(session: Session, *, after: int, upto: int) -> list[Moved]:
    """The transactions in between that are no charges."""
    rows = session.execute(
        sa.select(
            Account.user_id,
            Transaction.kind,
            Transaction.amount,
            Transaction.posted_at,
            Transaction.details,
            _ORIGINAL.kind,
            _ORIGINAL.event_id,
            _ORIGINAL.details,
        )
        .join(Account, Account.id == Transaction.wallet_id)
        .outerjoin(_ORIGINAL, _ORIGINAL.id == Transaction.reverses_id)
        .where(Transaction.id > after, Transaction.id <= upto, Transaction.kind != "charge")
        .order_by(Transaction.id)
    )
    return [Moved(*row) for row in rows]


def answers_by_id(session: Session, ids: Collection[int]) -> dict[int, Answer]:
    rows = session.execute(
        sa.select(UsageEvent.id, UsageEvent.link_id, UsageEvent.received_at).where(
            among(UsageEvent.id, ids)
        )
    )
    return {row[0]: Answer(row[1], row[2]) for row in rows}


def answers_by_reference(session: Session, references: Collection[str]) -> dict[str, Answer]:
    rows = session.execute(
        sa.select(UsageEvent.reference, UsageEvent.link_id, UsageEvent.received_at).where(
            UsageEvent.reference.in_(sorted(references))
        )
    )
    return {row[0]: Answer(row[1], row[2]) for row in rows}


def removed_months(session: Session) -> list[int]:
    """Months of which usage lines lie in archives only."""
    archives = lines_store.list_archives(session)
    return sorted({row.received_month for row in archives if row.action == "removed"})


def empty(session: Session) -> None:
    """Forget all sums, however long that takes."""
    clock.take_time(session)
    tables: list[type[Base]] = [
        *(table for table, _ in clock.SUMS),
        *clock.TIMED,
        *totals.TABLES,
        *asked.TABLES,
        UsageCorrection,
    ]
    for table in tables:
        session.execute(sa.delete(table))


def _writers(session: Session, written: Sequence[type[Base]]) -> set[str]:
    """Who else may be writing these tables: their transactions' names."""
    tables = [sa.func.to_regclass(table.__tablename__) for table in written]
    database = sa.table("pg_database", sa.column("oid"), sa.column("datname"))
    here = (
        sa.select(database.c.oid)
        .where(database.c.datname == sa.func.current_database())
        .scalar_subquery()
    )
    holders = sa.select(_LOCKS.c.virtualtransaction).where(
        _LOCKS.c.relation.in_(tables),
        _LOCKS.c.database == here,
        _LOCKS.c.mode.in_(_WRITING),
        _LOCKS.c.granted,
        sa.func.coalesce(_LOCKS.c.pid, 0) != sa.func.pg_backend_pid(),
    )
    return set(session.scalars(holders))


def _lines(session: Session, condition: sa.ColumnElement[bool]) -> Iterator[tuple[int, Line]]:
    rows = session.execute(
        sa.select(
            UsageLine.event_id,
            UsageLine.model,
            UsageLine.node_kind,
            UsageLine.points,
            UsageLine.charge,
            UsageLine.input_tokens,
            UsageLine.output_tokens,
            UsageLine.embedding_tokens,
            UsageLine.rerank_tokens,
        )
        .where(condition)
        .order_by(UsageLine.event_id, UsageLine.position)
    )
    for event_id, model, kind, points, charge, *tokens in rows:
        a, b, c, d = (count or 0 for count in tokens)
        yield event_id, Line(model, kind, points, charge, (a, b, c, d))


def _known(session: Session, names: Collection[Name]) -> dict[Name, int]:
    rows = session.execute(
        sa.select(UsageName.kind, UsageName.name, UsageName.id).where(
            UsageName.name.in_(sorted({name for _, name in names}))
        )
    )
    return {(kind, name): id_ for kind, name, id_ in rows if (kind, name) in names}
