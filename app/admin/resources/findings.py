"""What needs somebody: the spool, finishes kept aside, questions without a finish, and checks."""

import socket
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.admin import paging
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.audit import journal
from app.checks.examine import examine
from app.checks.finding import Finding, Status
from app.errors import Invalid, NotFound, ServiceError
from app.links import store as link_store
from app.metering import commands, masking, store
from app.metering.models import QuarantinedFinish
from app.moments import Moment
from app.money import from_nano
from app.spool.aside import Rejected
from app.unfinished import store as unfinished_store
from app.unfinished.models import UnfinishedTurn
from app.unfinished.store import Wanted
from app.users import store as user_store
from app.users.models import User

ASIDE_SHOWN_MAX = 200
BODY_SHOWN_BYTES_MAX = 4 * 1024 * 1024

Name = Annotated[str | None, Field(max_length=300)]
Resolution = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]


class NotInSpool(NotFound):
    """Nothing of that reference is set aside on this machine."""

    code = "not_in_spool"


class SpoolOut(BaseModel):
    """Finishes that wait for the database on the machine that answers."""

    machine: str
    directory: str
    records: int
    size_bytes: int
    oldest_at: datetime | None
    full_percent: int
    rejected: int = Field(description="Set aside: waiting does not mend what is wrong with them.")
    damaged: int


class AsideOut(BaseModel):
    """A finish that is set aside, and why."""

    reference: str | None = Field(description="Null: it cannot be opened with this secret key.")
    received_at: datetime | None
    rejected_at: datetime
    door: str | None = Field(description="`key`, or the name of the link.")
    body_bytes: int | None
    reason: str


class AsideList(BaseModel):
    """What is set aside on the machine that answers, oldest first; of many, the first."""

    items: list[AsideOut]
    total: int


class ReplayIn(BaseModel):
    """Which finishes to put back into the spool, to be judged anew."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    references: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=20)]], Field(max_length=ASIDE_SHOWN_MAX)
    ] = Field(default_factory=list)
    """None: all that the list shows and that can be opened."""


class ReplayOut(BaseModel):
    put_back: int


class QuarantineQuery(PageQuery):
    with_resolved: bool = False


class QuarantinedOut(BaseModel):
    """A finish that could not become an answer in the books."""

    id: int
    reference: str
    link: str | None
    received_at: datetime
    reason: str
    body_bytes: int
    digest: str
    resolved_at: datetime | None
    resolution: str | None


class QuarantinePage(Page[QuarantinedOut]):
    """Kept finishes, newest first."""


class QuarantineBodyOut(BaseModel):
    """The body with all content replaced by its size."""

    body: str | None
    problem: Literal["not_kept", "too_large", "unreadable"] | None


class ResolveIn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    resolution: Resolution
    """What was done about it."""


class UnfinishedQuery(PageQuery):
    """Questions whose finish did not come in time."""

    since: Moment | None = None
    until: Moment | None = None
    link: Name = None
    """The link's name."""
    user: Name = None
    """Subject or uid."""
    is_late: bool | None = None
    """Whether the finish came after all."""


class UnfinishedOut(BaseModel):
    """One of them."""

    id: int
    ticket: str
    link: str | None
    subject: str | None
    uid: str | None
    is_guest: bool
    asked_at: datetime
    expired_at: datetime
    expected_charge: Decimal
    expected_points: Decimal
    finished_late_at: datetime | None

    @classmethod
    def of(cls, turn: UnfinishedTurn, link: str | None, user: User | None) -> Self:
        return cls(
            id=turn.id,
            ticket=turn.ticket,
            link=link,
            subject=None if user is None else user.subject,
            uid=None if user is None else user.uid,
            is_guest=turn.is_guest,
            asked_at=turn.asked_at,
            expired_at=turn.expired_at,
            expected_charge=from_nano(turn.hold),
            expected_points=from_nano(turn.points_hold),
            finished_late_at=turn.finished_late_at,
        )


class UnfinishedPage(Page[UnfinishedOut]):
    """Newest first, with the sums of all that match."""

    unfinished: int
    expected_charge: Decimal
    expected_points: Decimal
    finished_late: int


class CheckQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    offline: bool = True
    """Leave out what calls other machines over HTTP."""


class CheckOut(BaseModel):
    """What one check found."""

    id: str = Field(description="Stays the same for ever.")
    check: str
    status: Status
    message: str
    advice: str | None

    @classmethod
    def of(cls, found: Finding) -> Self:
        return cls(
            id=found.id,
            check=found.check,
            status=found.status,
            message=found.message,
            advice=found.advice,
        )


class CheckList(BaseModel):
    ok: bool
    items: list[CheckOut]


def spool(desk: Desk) -> SpoolOut:
    found = desk.runtime.spool.status()
    return SpoolOut(
        machine=socket.gethostname(),
        directory=str(desk.settings.spool_directory),
        records=found.records,
        size_bytes=found.size_bytes,
        oldest_at=found.oldest_at,
        full_percent=round(found.fullness * 100),
        rejected=found.rejected,
        damaged=found.damaged,
    )


def aside(desk: Desk) -> AsideList:
    box = desk.runtime.spool
    items = [_aside(desk, one) for one in box.rejected(ASIDE_SHOWN_MAX)]
    return AsideList(items=items, total=box.status().rejected)


def replay(desk: Desk, asked: ReplayIn) -> ReplayOut:
    """Put finishes back; the service settles them within seconds, each once.

    Raises:
        NotInSpool: one of them is not there, or cannot be opened.
    """
    box = desk.runtime.spool
    there: dict[str, Rejected] = {}
    for one in box.rejected(ASIDE_SHOWN_MAX):
        reference = _aside(desk, one).reference
        if reference is not None:
            there[reference] = one
    wanted = asked.references or list(there)
    if missing := [name for name in wanted if name not in there]:
        raise NotInSpool(f"nothing that can be read is set aside as {', '.join(missing)}")
    chosen = [there[name] for name in dict.fromkeys(wanted)]
    with desk.db.begin() as session:
        journal.record(
            session,
            actor=desk.actor,
            action="spool.replay",
            subject=("spool", socket.gethostname()[:80]),
            now=desk.now,
            change=(None, {"references": list(dict.fromkeys(wanted))}),
        )
        box.take_back(chosen, desk.now)
    return ReplayOut(put_back=len(chosen))


def quarantine(desk: Desk, query: QuarantineQuery) -> QuarantinePage:
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        rows = store.list_quarantined(
            session,
            limit=query.limit + 1,
            with_resolved=query.with_resolved,
            before_id=None if place is None else int(place[0]),
        )
        names = dict(link_store.list_names(session))
    page = paging.page(
        rows,
        query.limit,
        shown=lambda one: _quarantined(one, names),
        at=lambda one: paging.cursor(one.id),
    )
    return QuarantinePage(items=page.items, next=page.next)


def quarantined(desk: Desk, reference: str) -> QuarantinedOut:
    with desk.db.read() as session:
        kept = store.get_quarantined(session, _reference(reference))
        link = link_store.find_by_id(session, kept.link_id)
        return _quarantined(kept, {} if link is None else {link.id: link.name})


def quarantined_body(desk: Desk, reference: str) -> QuarantineBodyOut:
    """Masked: nobody reads here what a visitor asked or was answered.

    Raises: SealBroken, when the secret key is not the one it was sealed with.
    """
    with desk.db.read() as session:
        kept = store.get_quarantined(session, _reference(reference))
        if kept.sealed_body is None:
            return QuarantineBodyOut(body=None, problem="not_kept")
        if kept.body_bytes > BODY_SHOWN_BYTES_MAX:
            return QuarantineBodyOut(body=None, problem="too_large")
        body = store.quarantined_body(kept, keys=desk.keys) or b""
    text = masking.masked(body)
    return QuarantineBodyOut(body=text, problem="unreadable" if text is None else None)


def resolve(desk: Desk, reference: str, asked: ResolveIn) -> QuarantinedOut:
    with desk.db.begin() as session:
        kept = commands.resolve_quarantined(
            session, _reference(reference), asked.resolution, actor=desk.actor, now=desk.now
        )
        link = link_store.find_by_id(session, kept.link_id)
        return _quarantined(kept, {} if link is None else {link.id: link.name})


def count_quarantined(desk: Desk) -> int:
    with desk.db.read() as session:
        return store.count_quarantined(session)


def unfinished(desk: Desk, query: UnfinishedQuery) -> UnfinishedPage:
    place = paging.position(query.cursor, str, int)
    after = None if place is None else (paging.moment(place[0]), int(place[1]))
    with desk.db.read() as session:
        links = dict(link_store.list_names(session))
        by_name = {name: link_id for link_id, name in links.items()}
        if query.link and query.link not in by_name:
            raise NotFound("there is no such link", code="link_not_found")
        user = user_store.get_by_subject(session, query.user) if query.user else None
        wanted = Wanted(
            since=query.since,
            until=query.until,
            link_id=by_name[query.link] if query.link else None,
            user_id=None if user is None else user.id,
            is_late=query.is_late,
        )
        rows = unfinished_store.list_turns(session, wanted, limit=query.limit + 1, after=after)
        totals = unfinished_store.totals(session, wanted)
        users = user_store.load_by_ids(session, {row.user_id for row in rows})
        page = paging.page(
            rows,
            query.limit,
            shown=lambda one: UnfinishedOut.of(one, links.get(one.link_id), users.get(one.user_id)),
            at=lambda one: paging.cursor(one.asked_at.isoformat(), one.id),
        )
    return UnfinishedPage(
        items=page.items,
        next=page.next,
        unfinished=totals.open_turns,
        expected_charge=from_nano(totals.hold),
        expected_points=from_nano(totals.points_hold),
        finished_late=totals.late_turns,
    )


def checks(desk: Desk, *, offline: bool) -> CheckList:
    """What ``shareauth doctor`` would find here."""
    found = [CheckOut.of(one) for one in examine(desk, offline=offline)]
    return CheckList(ok=_are_well(found), items=found)


def _are_well(found: Sequence[CheckOut]) -> bool:
    return all(one.status != "failed" for one in found)


def _aside(desk: Desk, rejected: Rejected) -> AsideOut:
    try:
        finish = desk.runtime.spool.open(rejected.payload)
    except ServiceError:
        finish = None
    door = None
    if finish is not None:
        door = "key" if finish.link_key is not None else finish.link_name
    return AsideOut(
        reference=None if finish is None else finish.reference,
        received_at=None if finish is None else finish.received_at,
        rejected_at=rejected.rejected_at,
        door=door,
        body_bytes=None if finish is None else len(finish.body),
        reason=rejected.reason,
    )


def _quarantined(kept: QuarantinedFinish, links: dict[int, str]) -> QuarantinedOut:
    return QuarantinedOut(
        id=kept.id,
        reference=kept.reference,
        link=links.get(kept.link_id),
        received_at=kept.received_at,
        reason=kept.reason,
        body_bytes=kept.body_bytes,
        digest=kept.digest,
        resolved_at=kept.resolved_at,
        resolution=kept.resolution,
    )


def _reference(text: str) -> str:
    """Raises: Invalid, for text that no database takes."""
    if "\0" in text or not text.isascii():
        raise Invalid("a reference has letters and digits", code="reference_invalid")
    return text
