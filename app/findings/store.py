"""Every SQL statement on kept findings."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.findings.models import AuditRun, FindingRecord

VOLATILE = frozenset({"count", "first", "last", "months"})
"""Ids that say how much was found, not where: they change while the finding stays the same."""
_LOOKED_UP_AT_ONCE = 500


class Found(Protocol):
    """A finding as the audits give it."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def ids(self) -> Mapping[str, int | str]: ...


@dataclass(frozen=True, slots=True)
class OpenCode:
    """Open findings of one code: how many, since when, and what one of them says."""

    code: str
    count: int
    since: datetime
    message: str


def digest_of(found: Found) -> str:
    """The same for the same thing found again."""
    where = {name: value for name, value in found.ids.items() if name not in VOLATILE}
    return hashlib.sha256(json.dumps([found.code, where], sort_keys=True).encode()).hexdigest()


def record(
    session: Session, findings: Iterable[Found], *, resolves: Collection[str], now: datetime
) -> None:
    """Write down what one run found.

    ``resolves`` are the codes whose every finding the run would have found: open ones that it did
    not find are resolved. Give none when it stopped before its end.
    """
    newest = {digest_of(one): one for one in findings}
    known = _load(session, newest)
    for digest, found in newest.items():
        row = known.get(digest)
        if row is None:
            row = FindingRecord(digest=digest, code=found.code, times=0, first_seen_at=now)
            session.add(row)
        elif row.resolved_at is not None:
            row.times, row.first_seen_at, row.resolved_at = 0, now, None
        row.message, row.ids = found.message, dict(found.ids)
        row.times, row.last_seen_at = row.times + 1, now
    session.flush()
    if resolves:
        session.execute(
            sa.update(FindingRecord)
            .where(
                FindingRecord.resolved_at.is_(None),
                FindingRecord.code.in_(sorted(resolves)),
                FindingRecord.last_seen_at < now,
            )
            .values(resolved_at=now)
        )


def note_run(session: Session, scope: str, *, findings: int, now: datetime) -> None:
    """Write down that a run of this scope came to its end."""
    run = session.get(AuditRun, scope)
    if run is None:
        session.add(AuditRun(scope=scope, at=now, findings=findings))
    else:
        run.at, run.findings = now, findings
    session.flush()


def list_runs(session: Session) -> Sequence[AuditRun]:
    """The last run of each scope, by its name."""
    return session.scalars(sa.select(AuditRun).order_by(AuditRun.scope)).all()


def count_open(session: Session) -> list[OpenCode]:
    """Open findings by code."""
    grouped = sa.select(
        FindingRecord.code,
        sa.func.count(),
        sa.func.min(FindingRecord.first_seen_at, type_=FindingRecord.first_seen_at.type),
        sa.func.min(FindingRecord.message),
    )
    rows = session.execute(
        grouped.where(FindingRecord.resolved_at.is_(None))
        .group_by(FindingRecord.code)
        .order_by(FindingRecord.code)
    )
    return [OpenCode(code, int(count), since, message) for code, count, since, message in rows]


def list_page(
    session: Session,
    *,
    with_resolved: bool = False,
    code: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> Sequence[FindingRecord]:
    """Findings that match, newest first, those with an id below ``before_id``."""
    statement = sa.select(FindingRecord).order_by(FindingRecord.id.desc()).limit(limit)
    if not with_resolved:
        statement = statement.where(FindingRecord.resolved_at.is_(None))
    if code is not None:
        statement = statement.where(FindingRecord.code == code)
    if before_id is not None:
        statement = statement.where(FindingRecord.id < before_id)
    return session.scalars(statement).all()


def prune(session: Session, *, resolved_before: datetime) -> int:
    """Forget what was resolved before that time; returns how many."""
    outdated = sa.delete(FindingRecord).where(FindingRecord.resolved_at < resolved_before)
    return int(getattr(session.execute(outdated), "rowcount", 0))


def _load(session: Session, digests: Collection[str]) -> dict[str, FindingRecord]:
    wanted, found = sorted(digests), dict[str, FindingRecord]()
    for begin in range(0, len(wanted), _LOOKED_UP_AT_ONCE):
        some = wanted[begin : begin + _LOOKED_UP_AT_ONCE]
        rows = session.scalars(sa.select(FindingRecord).where(FindingRecord.digest.in_(some)))
        found |= {row.digest: row for row in rows}
    return found
