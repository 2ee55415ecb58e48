"""Every SQL statement of reports: sums over spans of time, and the names of what they are of."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ids import among
from app.ledger.models import Transaction
from app.links.models import Link
from app.metering.models import UsageArchive, UsageEvent
from app.plans.models import Plan
from app.reports.cells import Place
from app.reports.given import store as given
from app.reports.models import ReportPosition, UsageCorrection, UsageName
from app.reports.query import ATTRIBUTE, SUMS, Basis, Counted, Group
from app.reports.sources import store as sources
from app.reports.sources.books import store as books
from app.reports.sources.wanted import Source, Wanted
from app.reports.spans import QUARTER, quarter_of
from app.reports.top import store as top_store
from app.tokens.models import Issuer
from app.users.models import User

Sums = dict[str, int]
CORRECTIONS = ("rerated", "reversed", "refunded")
"""What changes a charge; the other movements of a wallet do not."""

_CORRECTION = UsageCorrection.metadata.tables[UsageCorrection.__tablename__]
_NEWEST = sa.select(
    sa.select(sa.func.max(UsageEvent.id)).scalar_subquery(),
    sa.select(sa.func.max(Transaction.id)).scalar_subquery(),
    sa.select(sa.func.max(UsageEvent.received_at)).scalar_subquery(),
)
_NAMES: dict[str, Any] = {"link": Link, "issuer": Issuer, "plan": Plan}


@dataclass(frozen=True, slots=True)
class Found:
    """Sums of a bucket and a group; ids of users and links, numbers or texts of names."""

    bucket: int
    keys: tuple[Any, ...]
    sums: Sums


@dataclass(frozen=True, slots=True)
class Position:
    """How far the sums go, and by whose clock their days and months are kept.

    ``zone`` is None before anything was counted.
    """

    counted: Counted
    zone: str | None
    filled_to: int = 0
    """Costs, segments and times are counted up to this event."""
    totals_from: int | None = None
    """From this quarter on there are totals; None while there are none."""
    models_from: int | None = None
    """The same of models by user and by segment."""
    ended: int = 0
    """From this quarter on there is no answer."""

    @property
    def is_filling(self) -> bool:
        return self.filled_to < self.counted.event_id


def position(session: Session) -> Position:
    """As the snapshot has it: read it once for all reports of the snapshot."""
    found = session.get(ReportPosition, 1, populate_existing=True)
    event_id, transaction_id = (0, 0) if found is None else (found.event_id, found.transaction_id)
    event, transaction, received_at = session.execute(_NEWEST).one()
    is_behind = (event or 0) > event_id or (transaction or 0) > transaction_id
    counted = Counted(event_id, transaction_id, is_behind)
    if found is None:
        return Position(counted, None)
    totals = {found.totals_event_id, found.firsts_event_id, found.hours_event_id}
    has_totals = totals == {found.event_id}
    has_models = found.models_event_id == found.event_id
    return Position(
        counted,
        found.zone,
        found.wide_event_id,
        found.totals_from if has_totals else None,
        found.models_from if has_models else None,
        ended=0 if received_at is None else quarter_of(received_at) + 1,
    )


def top_sums(
    session: Session, wanted: Wanted, *, sort: str, limit: int, zone: ZoneInfo
) -> list[Found]:
    """As ``sums``, of the groups with the most; ``zone`` is the clock of days and months.

    The period is one bucket.
    """
    if "user" not in wanted.by or sources.reads_books(wanted):
        return sums(session, wanted, sort=sort, limit=limit)
    only = top_store.candidates(session, wanted, limit, zone) if sort == "charge" else None
    if only is not None:
        return sums(session, top_store.narrowed(wanted, only), sort=sort, limit=limit)
    return _sums_of_top(session, wanted, sort, limit)


def sums(
    session: Session, wanted: Wanted, *, sort: str = "charge", limit: int | None = None
) -> list[Found]:
    """What the groups of each bucket add up to, those with the most of ``sort`` first."""
    source = sources.source_of(session, wanted)
    keys = [source.groups[group] for group in wanted.by]
    measures = [source.measures[name].label(name) for name in SUMS]
    statement = (
        sa.select(source.bucket, *keys, *measures)
        .select_from(source.rows)
        .where(*sources.conditions(wanted, source))
        .group_by(source.bucket, *keys)
        .having(source.existing)
    )
    if limit is not None:
        order = source.measures[sort]
        statement = statement.order_by(order.desc(), *keys).limit(limit)
    width = 1 + len(keys)
    return [
        Found(row[0], tuple(row[1:width]), _sums(row[width:]))
        for row in session.execute(statement, source.given)
    ]


def _sums_of_top(session: Session, wanted: Wanted, sort: str, limit: int) -> list[Found]:
    """Of users: with many of them, adding up all that is not shown takes longest."""
    source = sources.source_of(session, wanted)
    keys = [source.groups[group] for group in wanted.by]
    statement = (
        sa.select(*keys)
        .select_from(source.rows)
        .where(*sources.conditions(wanted, source))
        .group_by(*keys)
        .having(source.existing)
        .order_by(source.measures[sort].desc(), *keys)
        .limit(limit)
    )
    top = [tuple(row) for row in session.execute(statement, source.given)]
    found = {one.keys: one for one in sums(session, replace(wanted, only=top))} if top else {}
    return [found[keys] for keys in top]


def times(session: Session, wanted: Wanted) -> dict[Place, Counter[int]]:
    """How many answers took how long (``times.bucket_of``), by bucket and group.

    Days and months are kept; quarters of an hour, and what no table has, are counted in the events.
    """
    kept = sources.kept_times(session, _of_width(wanted, is_quarter=False))
    rest = wanted if kept is None else _of_width(wanted, is_quarter=True)
    found: dict[Place, Counter[int]] = {}
    for source in (kept, books.times(session, rest) if any(rest.buckets) else None):
        if source is not None:
            _count_times(session, wanted, source, found)
    return found


def _of_width(wanted: Wanted, *, is_quarter: bool) -> Wanted:
    buckets = [
        [span for span in bucket if (span.width == QUARTER) is is_quarter]
        for bucket in wanted.buckets
    ]
    return replace(wanted, buckets=buckets)


def _count_times(
    session: Session, wanted: Wanted, source: Source, found: dict[Place, Counter[int]]
) -> None:
    keys = [source.groups[group] for group in wanted.by]
    names = ("bucket", *(f"key_{place}" for place in range(len(keys))), "time")
    columns = [source.bucket, *keys, source.groups["time"]]
    counted = (
        sa.select(
            *(column.label(name) for column, name in zip(columns, names, strict=True)),
            source.measures["answers"].label("answers"),
        )
        .select_from(source.rows)
        .where(*sources.conditions(wanted, source))
        .subquery()
    )
    grouped = [counted.c[name] for name in names]
    statement = sa.select(*grouped, sa.func.sum(counted.c.answers)).group_by(*grouped)
    for row in session.execute(statement, source.given):
        found.setdefault((row[0], tuple(row[1:-2])), Counter())[row[-2]] += int(row[-1])


def corrections(session: Session, wanted: Wanted, basis: Basis) -> dict[Place, int]:
    """What was charged more (or less, below zero) after the charge, by bucket and group.

    The buckets are plain quarters; the groups and filters are of users, issuers and links alone.
    """
    spans, parameters = given.spans(session, wanted.buckets)
    table = _CORRECTION
    start = table.c.start if basis == "posted" else table.c.used_start
    groups: dict[str, Any] = {"user": table.c.user_id, "link": table.c.link_id}
    groups["issuer"] = User.issuer_id
    rows = spans.join(table, (start >= spans.c.low) & (start < spans.c.high))
    if "issuer" in wanted.dimensions:
        rows = rows.join(User, User.id == table.c.user_id)
    chosen = [(groups.get(name), ids) for name, ids in wanted.filters.named().items()]
    chosen.append((groups["link"], wanted.link_ids))
    keys = [groups[group] for group in wanted.by]
    statement = (
        sa.select(spans.c.bucket, *keys, -sa.func.sum(table.c.amount))
        .select_from(rows)
        .where(
            table.c.kind.in_(CORRECTIONS),
            *(
                column.in_(sorted(ids))
                for column, ids in chosen
                if column is not None and ids is not None
            ),
        )
        .group_by(spans.c.bucket, *keys)
    )
    found = session.execute(statement, parameters)
    return {(row[0], tuple(row[1:-1])): int(row[-1]) for row in found}


def removed_months(session: Session) -> set[int]:
    """Months of which usage lines lie in archives only."""
    newest = sa.select(sa.func.max(UsageArchive.id)).group_by(
        UsageArchive.received_month, UsageArchive.part
    )
    removed = sa.select(UsageArchive.received_month).where(
        UsageArchive.id.in_(newest), UsageArchive.action == "removed"
    )
    return set(session.scalars(removed))


def labels(session: Session, group: Group, keys: Collection[Any]) -> dict[Any, tuple[Any, str]]:
    """What each key is in a report, and how it reads."""
    if group == "user":
        people = sa.select(User.id, User.name, User.subject).where(User.id.in_(sorted(keys)))
        return {row[0]: (row[0], row[1] or row[2]) for row in session.execute(people)}
    if group in _NAMES:
        table = _NAMES[group]
        named = sa.select(table.id, table.name).where(table.id.in_(sorted(keys)))
        return {0: (0, "")} | {row[0]: (row[0], row[1]) for row in session.execute(named)}
    if group.startswith(ATTRIBUTE):
        return {key: (key, key) for key in keys}
    texts = {key: (key, key) for key in keys if isinstance(key, str)}
    ids = sorted(key for key in keys if not isinstance(key, str))
    names = sa.select(UsageName.id, UsageName.name).where(among(UsageName.id, ids))
    return texts | {row[0]: (row[1], row[1]) for row in session.execute(names)}


def uids(session: Session, user_ids: Collection[int]) -> dict[int, str]:
    """The names by which users are asked for, by their ids."""
    rows = session.execute(sa.select(User.id, User.uid).where(among(User.id, user_ids)))
    return {row[0]: row[1] for row in rows}


def _sums(values: Sequence[Any]) -> Sums:
    # PostgreSQL adds BIGINTs up to NUMERIC, which arrives as Decimal: sums stay exact, then int.
    return {name: int(value) for name, value in zip(SUMS, values, strict=True)}
