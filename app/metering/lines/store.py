"""Every SQL statement on usage lines by the month: partitions, archives, the rows in order."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.metering.models import UsageArchive, UsageEvent, UsageLine
from app.metering.months import month_after, month_bounds, month_of, months_from
from app.upserts import execute_rows

MONTHS_AHEAD = 3
"""Partitions that are to be there beside the one of this month."""
PAGE_ROWS = 2000
DELETED_AT_ONCE = 5000
PARTITIONING = 7_310_442  # an advisory lock; any number but the one of migrations/env.py
LOCK_TIMEOUT_MS = 2000
"""Whoever waits for a table makes finishes wait behind it: rather give up and come again."""

_TABLE = "usage_lines"
_DEFAULT = f"{_TABLE}_default"
_LINES = UsageLine.metadata.tables[_TABLE]


@dataclass(frozen=True, slots=True)
class Partitions:
    """``missing`` months have no partition; ``astray`` have rows in the default one."""

    missing: tuple[int, ...] = ()
    astray: tuple[int, ...] = ()

    @property
    def are_right(self) -> bool:
        return not self.missing and not self.astray


@dataclass(frozen=True, slots=True)
class Span:
    """Lines of a month: how many, and of which events the first and last are; zeros for none."""

    line_count: int
    first_event: int
    last_event: int


def is_partitioned(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def examine_partitions(session: Session, now: datetime) -> Partitions:
    """What is wrong with the partitions; nothing ever is on SQLite, which has none."""
    if not is_partitioned(session):
        return Partitions()
    there = _partitions(session)
    wanted = months_from(month_of(now), month_after(month_of(now), MONTHS_AHEAD))
    return Partitions(
        missing=tuple(month for month in wanted if f"{_TABLE}_{month}" not in there),
        astray=_months_astray(session, there),
    )


def prepare_partitions(session: Session, now: datetime) -> tuple[int, ...]:
    """Make the partitions of this month and those ahead, and of months whose rows are astray.

    Returns the months that were made; several processes may do this at once.
    Rows of the default partition go where they belong: it is taken out, copied and made anew, in
    this transaction.
    """
    if not is_partitioned(session):
        return ()
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(PARTITIONING)))
    _be_impatient(session)
    found = examine_partitions(session, now)
    if found.astray:
        _lock_as_writers_do(session)
        session.execute(sa.text(f"ALTER TABLE {_TABLE} DETACH PARTITION {_DEFAULT}"))
    made = tuple(sorted({*found.missing, *found.astray}))
    for month in made:
        add_partition(session, month)
    if found.astray:
        columns = ", ".join(column.name for column in _LINES.columns)
        copied = f"INSERT INTO {_TABLE} ({columns}) SELECT {columns} FROM {_DEFAULT}"  # noqa: S608 - names of ours
        session.execute(sa.text(copied))
        session.execute(sa.text(f"DROP TABLE {_DEFAULT}"))
        add_partition(session, None)
    return made


def add_partition(session: Session, month: int | None) -> bool:
    """Make the partition of a month, or the default one for None; False when it is there."""
    made = sa.select(sa.func.shareauth_add_usage_month(sa.cast(month, sa.Integer)))
    return bool(session.scalar(made))


def span_of(
    session: Session, month: int, *, after_event: int = 0, last_event: int | None = None
) -> Span:
    """The month's lines, of events with ids above ``after_event`` and up to ``last_event``."""
    lines = sa.select(
        sa.func.count(), sa.func.min(UsageLine.event_id), sa.func.max(UsageLine.event_id)
    ).where(UsageLine.received_month == month, UsageLine.event_id > after_event)
    if last_event is not None:
        lines = lines.where(UsageLine.event_id <= last_event)
    count, first, last = session.execute(lines).one()
    return Span(count, first or 0, last or 0)


def months_with_lines(session: Session, *, before: int) -> Sequence[int]:
    """Months before that one which have lines in the database, oldest first."""
    months = sa.select(UsageLine.received_month).where(UsageLine.received_month < before)
    return session.scalars(months.distinct().order_by(UsageLine.received_month)).all()


def iter_lines(
    session: Session, month: int, *, after_event: int, last_event: int
) -> Iterator[list[dict[str, Any]]]:
    """The month's lines of those events, by event and position, in pages of rows."""
    order = (UsageLine.event_id, UsageLine.position)
    after = (after_event, 2**31 - 1)
    while True:
        statement = (
            sa.select(_LINES)
            .where(
                UsageLine.received_month == month,
                UsageLine.event_id <= last_event,
                sa.tuple_(*order) > sa.tuple_(*(sa.literal(value) for value in after)),
            )
            .order_by(*order)
            .limit(PAGE_ROWS)
        )
        page = [dict(row) for row in session.execute(statement).mappings()]
        if not page:
            return
        yield page
        after = (page[-1]["event_id"], page[-1]["position"])


def iter_priced_events(
    session: Session, month: int, *, after_event: int, last_event: int
) -> Iterator[Sequence[tuple[int, int, int]]]:
    """Id, points and charge of the month's events that have any of them, by id, in pages."""
    begins, ends = month_bounds(month)
    after = after_event
    while True:
        page = session.execute(
            sa.select(UsageEvent.id, UsageEvent.points, UsageEvent.charge)
            .where(
                UsageEvent.id > after,
                UsageEvent.id <= last_event,
                UsageEvent.received_at >= begins,
                UsageEvent.received_at < ends,
                (UsageEvent.points > 0) | (UsageEvent.charge > 0),
            )
            .order_by(UsageEvent.id)
            .limit(PAGE_ROWS)
        ).all()
        if not page:
            return
        yield [(row.id, row.points, row.charge) for row in page]
        after = page[-1].id


def insert_lines(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write lines as they are, such as those of an archive; there is at least one."""
    execute_rows(session, sa.insert(_LINES), [dict(row) for row in rows])


def drop_month(session: Session, month: int) -> None:
    """Remove a month's partition with all that is in it.

    Finishes wait meanwhile, which is short: nothing is read.
    """
    _be_impatient(session)
    _lock_as_writers_do(session)
    partition = f"{_TABLE}_{month}"
    session.execute(sa.text(f"ALTER TABLE {_TABLE} DETACH PARTITION {partition}"))
    session.execute(sa.text(f"DROP TABLE {partition}"))


def lock_month(session: Session, month: int) -> bool:
    """Keep writers off a month until the transaction ends; False when it has no partition.

    On SQLite the transaction keeps them off everything already.
    """
    if not is_partitioned(session):
        return True
    partition = f"{_TABLE}_{month}"
    if partition not in _partitions(session):
        return False
    session.execute(sa.text(f"LOCK TABLE {partition} IN SHARE MODE"))
    return True


def delete_some(session: Session, month: int, *, after_event: int, last_event: int) -> int:
    """SQLite: delete some lines of what was declared removed; how many, zero at the end."""
    theirs = (UsageLine.received_month == month) & (UsageLine.event_id > after_event)
    some = (
        sa.select(UsageLine.event_id)
        .where(theirs, UsageLine.event_id <= last_event)
        .order_by(UsageLine.event_id)
        .limit(DELETED_AT_ONCE)
        .subquery()
    )
    upto = session.scalar(sa.select(sa.func.max(some.c.event_id)))
    if upto is None:
        return 0
    gone = sa.delete(UsageLine).where(theirs, UsageLine.event_id <= upto)
    return int(getattr(session.execute(gone), "rowcount", 0))


def record_archive(session: Session, row: UsageArchive) -> None:
    session.add(row)
    session.flush()


def list_archives(session: Session, *, months: Collection[int] | None = None) -> list[UsageArchive]:
    """The newest row of each part of each month, in their order: what is so now."""
    rows = sa.select(UsageArchive).order_by(UsageArchive.id)
    if months is not None:
        rows = rows.where(UsageArchive.received_month.in_(sorted(months)))
    newest: dict[tuple[int, int], UsageArchive] = {}
    for row in session.scalars(rows):
        newest[row.received_month, row.part] = row
    return [newest[key] for key in sorted(newest)]


def _partitions(session: Session) -> set[str]:
    inherits = sa.table("pg_inherits", sa.column("inhrelid"), sa.column("inhparent"))
    tables = sa.table("pg_class", sa.column("oid"), sa.column("relname"))
    names = (
        sa.select(tables.c.relname)
        .join(inherits, inherits.c.inhrelid == tables.c.oid)
        .where(inherits.c.inhparent == sa.func.to_regclass(_TABLE))
    )
    return set(session.scalars(names))


def _months_astray(session: Session, partitions: Collection[str]) -> tuple[int, ...]:
    # Asked of the whole table, of which a service that owns none may read no part alone. That the
    # months are literals lets the planner leave out their partitions.
    months = [
        int(name) for part in partitions if (name := part.removeprefix(f"{_TABLE}_")).isdigit()
    ]
    known: sa.BindParameter[int] = sa.bindparam(
        "known", months, expanding=True, literal_execute=True
    )
    astray = (
        sa.select(UsageLine.received_month)
        .where(UsageLine.received_month.notin_(known))
        .distinct()
        .order_by(UsageLine.received_month)
    )
    return tuple(session.scalars(astray))


def _be_impatient(session: Session) -> None:
    session.execute(sa.text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))


def _lock_as_writers_do(session: Session) -> None:
    """Lock what a finish writes in the order it does, so that the two never wait in a circle."""
    for table in (UsageEvent.__tablename__, _TABLE):
        session.execute(sa.text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
