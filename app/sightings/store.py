"""Every SQL statement on refusals and on the calls of links."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.sightings.models import NO_LINK, LinkCall, Refusal, RefusalCount
from app.sightings.sighting import Sighting
from app.sightings.tally import QUARTER, Calls, Place, quarter_of
from app.upserts import Otherwise, insert_ignoring, upsert_adding


class RefusalNotFound(NotFound):
    """No refusal has this reference."""

    code = "refusal_not_found"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which refusals are meant; None: whichever."""

    uid: str | None = None
    link_id: int | None = None
    code: str | None = None
    hook: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not that moment itself."""
    reached_no_link: bool = False
    link_ids: frozenset[int] | None = None
    """The links that may be looked at; then nothing that reached no link either."""


@dataclass(frozen=True, slots=True)
class After:
    """The last refusal of a page: the next one goes on behind it."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The calls of one hook of one link that had one answer."""

    hook: str
    code: str
    count: int
    first_at: datetime
    last_at: datetime
    reference: str
    address: str
    called: str | None
    generation: str | None


@dataclass(frozen=True, slots=True)
class Stray:
    """Calls from one address to one address of ours that belongs to no link."""

    called: str
    address: str
    code: str
    count: int
    last_at: datetime


def write(
    session: Session,
    *,
    calls: Mapping[Place, Calls],
    refusals: Sequence[Sighting],
    links: Mapping[str, int],
) -> None:
    """Add a batch to the tables. Rows in one order everywhere, so that batches cannot deadlock.

    A refusal that is written already stays as it is; ``links`` as for ``Tally.calls``.
    """
    upsert_adding(
        LinkCall,
        session,
        sorted(_call_rows(calls), key=lambda row: (row["link_id"], row["hook"], row["code"])),
        key=["link_id", "hook", "code"],
        add=["count"],
        otherwise=Otherwise("last_at", ("reference", "address", "called", "generation")),
    )
    upsert_adding(
        RefusalCount,
        session,
        sorted(
            _count_rows(calls),
            key=lambda row: (row["quarter"], row["link_id"], row["hook"], row["code"]),
        ),
        key=["quarter", "link_id", "hook", "code"],
        add=["count"],
    )
    insert_ignoring(Refusal, session, [_refusal_row(refusal, links) for refusal in refusals])


def list_page(
    session: Session, wanted: Wanted, *, limit: int, after: After | None = None
) -> Sequence[Refusal]:
    """Newest first; ``after`` the last one of the page before."""
    statement = sa.select(Refusal).where(*_conditions(wanted))
    if after is not None:
        place = sa.tuple_(Refusal.at, Refusal.id)
        behind = sa.tuple_(
            sa.literal(after.at, Refusal.at.type), sa.literal(after.id, Refusal.id.type)
        )
        statement = statement.where(place < behind)
    newest_first = (Refusal.at.desc(), Refusal.id.desc())
    return session.scalars(statement.order_by(*newest_first).limit(limit)).all()


def get_by_reference(
    session: Session, reference: str, *, link_ids: frozenset[int] | None = None
) -> Refusal:
    """The one with the reference that a visitor read out, in whatever case.

    Raises:
        RefusalNotFound: there is none, or not on these links.
    """
    found = session.scalar(
        sa.select(Refusal).where(
            Refusal.reference == reference.strip().lower(),
            *_conditions(Wanted(link_ids=link_ids)),
        )
    )
    if found is None:
        raise RefusalNotFound(
            "no refusal has this reference: it was answered with yes, is not written yet (a "
            "second), came in a flood that is only counted, or is older than hooks.refusals_days"
        )
    return found


def count_by_code(
    session: Session,
    *,
    since: datetime,
    until: datetime,
    link_ids: Collection[int] | None = None,
    hook: str | None = None,
) -> dict[tuple[datetime, str], int]:
    """How many refusals in each quarter of an hour, and why; ``periods.by_code`` adds them up.

    The quarter that ``since`` is in counts whole. Without ``link_ids`` those that reached no link
    count as well; ``NO_LINK`` among them stands for those.
    """
    total = sa.func.sum(RefusalCount.count)
    statement = (
        sa.select(RefusalCount.quarter, RefusalCount.code, total)
        .where(RefusalCount.quarter >= quarter_of(since), RefusalCount.quarter < until)
        .group_by(RefusalCount.quarter, RefusalCount.code)
        .order_by(RefusalCount.quarter, RefusalCount.code)
    )
    if link_ids is not None:
        statement = statement.where(RefusalCount.link_id.in_(link_ids))
    if hook is not None:
        statement = statement.where(RefusalCount.hook == hook)
    return {(quarter, code): int(count) for quarter, code, count in session.execute(statement)}


def list_calls(session: Session, link_id: int) -> Sequence[Seen]:
    """All that was ever called on a link, by hook and answer."""
    statement = sa.select(LinkCall).where(LinkCall.link_id == link_id)
    rows = session.scalars(statement.order_by(LinkCall.hook, LinkCall.code))
    return [
        Seen(
            hook=row.hook,
            code=row.code,
            count=row.count,
            first_at=row.first_at,
            last_at=row.last_at,
            reference=row.reference,
            address=row.address,
            called=row.called,
            generation=row.generation,
        )
        for row in rows
    ]


def list_strays(session: Session, *, since: datetime, limit: int) -> Sequence[Stray]:
    """Calls that reached no link, by what was called and from where, the latest first."""
    last_at = sa.func.max(Refusal.at)
    rows = session.execute(
        sa.select(Refusal.called, Refusal.address, Refusal.code, sa.func.count(), last_at)
        .where(Refusal.link_id.is_(None), Refusal.at >= since)
        .group_by(Refusal.called, Refusal.address, Refusal.code)
        .order_by(last_at.desc(), Refusal.called, Refusal.address)
        .limit(limit)
    )
    return [Stray(*row) for row in rows]


def prune(session: Session, *, before: datetime) -> int:
    """Delete refusals and counts older than that; returns how many refusals."""
    session.execute(sa.delete(RefusalCount).where(RefusalCount.quarter < before - QUARTER))
    outdated = sa.delete(Refusal).where(Refusal.at < before)
    return int(getattr(session.execute(outdated), "rowcount", 0))


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    equal = {
        Refusal.uid: wanted.uid,
        Refusal.link_id: wanted.link_id,
        Refusal.code: wanted.code,
        Refusal.hook: wanted.hook,
    }
    conditions: list[sa.ColumnElement[bool]] = [
        column == value for column, value in equal.items() if value is not None
    ]
    if wanted.since is not None:
        conditions.append(Refusal.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Refusal.at < wanted.until)
    if wanted.reached_no_link:
        conditions.append(Refusal.link_id.is_(None))
    if wanted.link_ids is not None:
        conditions.append(Refusal.link_id.in_(wanted.link_ids))
    return conditions


def _call_rows(calls: Mapping[Place, Calls]) -> list[dict[str, Any]]:
    return [
        {
            "link_id": place.link_id,
            "hook": place.hook,
            "code": place.code,
            "count": seen.count,
            "first_at": seen.first_at,
            "last_at": seen.last.at,
            "reference": seen.last.reference,
            "address": seen.last.address,
            "called": seen.last.called,
            "generation": seen.generation,
        }
        for place, seen in calls.items()
        if place.link_id is not None
    ]


def _count_rows(calls: Mapping[Place, Calls]) -> list[dict[str, Any]]:
    return [
        {
            "quarter": quarter,
            "link_id": place.link_id or NO_LINK,
            "hook": place.hook,
            "code": place.code,
            "count": count,
        }
        for place, seen in calls.items()
        for quarter, count in seen.quarters.items()
    ]


def _refusal_row(refusal: Sighting, links: Mapping[str, int]) -> dict[str, Any]:
    person = refusal.person
    return {
        "reference": refusal.reference,
        "at": refusal.at,
        "hook": refusal.hook,
        "code": refusal.code,
        "link_id": refusal.link_id or links.get(refusal.key_digest or ""),
        "user_id": person and person.user_id,
        "uid": person and person.uid,
        "issuer": person and person.issuer,
        "subject": person and person.subject,
        "address": refusal.address,
        "called": refusal.called or "",
        "message": refusal.message,
        "details": dict(refusal.details),
    }
