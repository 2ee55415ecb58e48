"""Every SQL statement on how much of each kind of data there is, and when it was pruned."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import Base, UtcDateTime
from app.retention.kinds import Kind
from app.retention.models import Pruning
from app.upserts import Otherwise, upsert_adding


@dataclass(frozen=True, slots=True)
class Held:
    """``rows`` is None where they are too many to count."""

    rows: int | None
    oldest: datetime | None


def note(session: Session, kind: str, removed: int, now: datetime) -> None:
    """Remember that the old rows of a kind were looked for, and how many went."""
    row = {
        "kind": kind,
        "at": now,
        "removed": removed,
        "removed_ever": removed,
        "last_removed_at": now if removed else None,
    }
    upsert_adding(
        Pruning,
        session,
        [row],
        key=["kind"],
        add=["removed_ever"],
        otherwise=Otherwise("at", ("removed", "last_removed_at")),
    )


def load_prunings(session: Session) -> dict[str, Pruning]:
    return {row.kind: row for row in session.scalars(sa.select(Pruning))}


def held(session: Session, kind: Kind) -> Held:
    """How much there is of a kind, and how old the oldest of it is."""
    table = Base.metadata.tables[kind.table]
    rows = None
    if kind.count == "rows":
        rows = session.scalar(sa.select(sa.func.count()).select_from(table))
    elif kind.count == "ids":
        rows = session.scalar(sa.select(sa.func.max(table.c.id))) or 0
    column = table.c[kind.age]
    oldest = None
    if kind.count != "none" and isinstance(column.type, UtcDateTime):
        oldest = session.scalar(sa.select(sa.func.min(column)))
    return Held(rows, oldest)
