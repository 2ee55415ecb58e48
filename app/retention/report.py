"""How long every kind of data is kept, how much there is, and when what is old was last removed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.config import Settings
from app.retention import store
from app.retention.kinds import KINDS, Kind

EVERY = timedelta(hours=1)
"""How often the jobs look for what is old."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of data. ``kept`` None: for ever. ``next_at``: when old rows are looked for next."""

    kind: Kind
    kept: timedelta | None
    rows: int | None
    oldest: datetime | None
    looked_at: datetime | None
    removed_ever: int
    last_removed_at: datetime | None
    next_at: datetime | None


def report(session: Session, settings: Settings) -> list[Row]:
    """A row for each of ``KINDS``."""
    prunings = store.load_prunings(session)
    rows = []
    for kind in KINDS:
        held, pruned, kept = store.held(session, kind), prunings.get(kind.name), kind.kept(settings)
        looked_at = None if pruned is None else pruned.at
        is_pruned = kind.job is not None and kept is not None
        rows.append(
            Row(
                kind=kind,
                kept=kept,
                rows=held.rows,
                oldest=held.oldest,
                looked_at=looked_at,
                removed_ever=0 if pruned is None else pruned.removed_ever,
                last_removed_at=None if pruned is None else pruned.last_removed_at,
                next_at=looked_at + EVERY if is_pruned and looked_at is not None else None,
            )
        )
    return rows
