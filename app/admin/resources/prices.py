"""Versions of the price book: list, look at, preview, publish."""

import hashlib
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from app.admin import paging
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.errors import Conflict
from app.moments import Moment
from app.money import from_nano
from app.pricing import commands, differences, store
from app.pricing.book import DEFAULT_BOOK, PriceBook
from app.pricing.commands import PriceSpec
from app.pricing.models import PriceVersion
from app.rerating import impact
from app.rerating.impact import Change, Impact, UserChange

DIGEST_LENGTH = 16

Status = Literal["active", "planned", "replaced", "default"]


class PreviewChanged(Conflict):
    """What would be published is not what was looked at."""

    code = "preview_changed"


class DifferenceOut(BaseModel):
    """One price that is another than in the version before."""

    kind: Literal["changed", "added", "removed", "order"]
    rule: str | None = Field(description="The pattern of the model's rule; null: of the book.")
    applies: str | None
    name: str | None = Field(description="The price; null where the whole rule is meant.")
    before: str | None
    after: str | None


class PriceVersionOut(BaseModel):
    """One version of the price book; it never changes."""

    version: int | None = Field(description="Null: the prices before anything is published.")
    status: Status
    effective_at: datetime | None
    note: str | None
    created_at: datetime | None
    created_by: str | None
    digest: str
    book: PriceBook
    changes: list[DifferenceOut] = Field(description="Against the version that it takes over from.")


class PriceVersionPage(Page[PriceVersionOut]):
    """Versions, the one that takes effect last first."""


class PricePreviewIn(PriceSpec):
    """Prices to try on what was used; nothing is published."""

    since: Moment | None = None
    """Answers from then on; default: the last calendar month of the service's clock."""
    until: Moment | None = None


class PricePublishIn(PriceSpec):
    """Prices to publish."""

    expect: Annotated[str | None, Field(max_length=64)] = None
    """The ``digest`` of the preview that was looked at; anything else is refused."""


class ChangeOut(BaseModel):
    """What something cost by the old prices and would by the new."""

    name: str
    before: Decimal
    after: Decimal
    difference: Decimal

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(
            name=change.name,
            before=from_nano(change.before),
            after=from_nano(change.after),
            difference=from_nano(change.difference),
        )


class UserChangeOut(BaseModel):
    subject: str
    uid: str
    before: Decimal
    after: Decimal
    difference: Decimal

    @classmethod
    def of(cls, change: UserChange) -> Self:
        return cls(
            subject=change.owner.subject,
            uid=change.owner.uid,
            before=from_nano(change.before),
            after=from_nano(change.after),
            difference=from_nano(change.difference),
        )


class PricePreviewOut(BaseModel):
    """What would change, and what the period's answers would have cost.

    Amounts are of the counted answers, before the month's free allowance.
    """

    digest: str = Field(description="Give it as `expect` when publishing.")
    replaces: int | None
    changes: list[DifferenceOut]
    since: datetime
    until: datetime
    counted: int = Field(description="Answers that were priced by both.")
    step: int = Field(description="1: every answer of the period; n: every n-th.")
    left: dict[str, int] = Field(description="Answers that could not be priced, by reason.")
    before: Decimal
    after: Decimal
    difference: Decimal
    models: list[ChangeOut]
    node_kinds: list[ChangeOut]
    users: list[UserChangeOut] = Field(description="Whose sums change most.")
    users_counted: int
    unpriced: list[str] = Field(description="Models that no price fits, and that cost nothing.")


def index(desk: Desk, query: PageQuery) -> PriceVersionPage:
    place = paging.position(query.cursor, str, int)
    after = None if place is None else (paging.moment(place[0]), int(place[1]))
    with desk.db.read() as session:
        found = store.list_page(session, limit=query.limit + 1, after=after)
        in_force = store.find_in_force(session, desk.now)
    older = dict(zip([one.id for one in found], found[1:], strict=False))
    page = paging.page(
        found,
        query.limit,
        shown=lambda one: _out(one, older.get(one.id), in_force, desk.now),
        at=lambda one: paging.cursor(one.effective_at.isoformat(), one.id),
    )
    return PriceVersionPage(items=page.items, next=page.next)


def show(desk: Desk, version: int | None) -> PriceVersionOut:
    """Of that number, or the one in force now."""
    with desk.db.read() as session:
        in_force = store.find_in_force(session, desk.now)
        found = in_force if version is None else store.get(session, version)
        if found is None:
            return _default(desk)
        return _out(found, store.find_before(session, found), in_force, desk.now)


def preview(desk: Desk, asked: PricePreviewIn) -> PricePreviewOut:
    """What publishing would change. Refuses what publishing would refuse."""
    since, until = _period(desk, asked.since, asked.until)
    with desk.db.read() as session:
        replaced = commands.check(
            session, asked, currency=desk.settings.billing.currency, now=desk.now
        )
        before = DEFAULT_BOOK if replaced is None else store.book_of(replaced)
        found = impact.measure(session, before=before, after=asked.book, since=since, until=until)
    return _preview_out(found, before, asked, replaced)


def publish(desk: Desk, asked: PricePublishIn) -> PriceVersionOut:
    """Raises: PreviewChanged, when it is not what ``expect`` stands for."""
    currency = desk.settings.billing.currency
    spec = PriceSpec(book=asked.book, effective_at=asked.effective_at, note=asked.note)
    with desk.change() as session:
        replaced = commands.check(session, spec, currency=currency, now=desk.now)
        if asked.expect is not None and asked.expect != digest(spec, replaced):
            raise PreviewChanged(
                "the prices, their time or the version they replace are not those of the preview: "
                "look at a new preview"
            )
        made = commands.publish(session, spec, currency=currency, actor=desk.actor, now=desk.now)
        in_force = store.find_in_force(session, desk.now)
        return _out(made, store.find_before(session, made), in_force, desk.now)


def digest(spec: PriceSpec, replaced: PriceVersion | None) -> str:
    """Stands for the prices, when they take over and from which version."""
    at = "at once" if spec.effective_at is None else spec.effective_at.isoformat()
    said = f"{spec.book.digest()} {at} {replaced.id if replaced else None}"
    return hashlib.sha256(said.encode()).hexdigest()[:DIGEST_LENGTH]


def last_month(desk: Desk) -> tuple[date, date]:
    """The first day of the last calendar month, and of this one."""
    this = desk.now.astimezone(desk.settings.zone).date().replace(day=1)
    last = this.replace(year=this.year - 1, month=12) if this.month == 1 else None
    return last or this.replace(month=this.month - 1), this


def midnight(desk: Desk, day: date) -> datetime:
    """When the day begins by the service's clock."""
    return datetime.combine(day, time.min, tzinfo=desk.settings.zone)


def _period(
    desk: Desk, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime]:
    first, end = (midnight(desk, day) for day in last_month(desk))
    return since or first, until or (end if since is None else desk.now)


def _default(desk: Desk) -> PriceVersionOut:
    book = DEFAULT_BOOK.model_copy(update={"currency": desk.settings.billing.currency})
    return PriceVersionOut(
        version=None,
        status="default",
        effective_at=None,
        note=None,
        created_at=None,
        created_by=None,
        digest=book.digest(),
        book=book,
        changes=[],
    )


def _out(
    version: PriceVersion,
    older: PriceVersion | None,
    in_force: PriceVersion | None,
    now: datetime,
) -> PriceVersionOut:
    status: Status = "planned" if version.effective_at > now else "replaced"
    if in_force is not None and in_force.id == version.id:
        status = "active"
    book = store.book_of(version)
    return PriceVersionOut(
        version=version.id,
        status=status,
        effective_at=version.effective_at,
        note=version.note,
        created_at=version.created_at,
        created_by=version.created_by,
        digest=version.digest,
        book=book,
        changes=[] if older is None else _changes(store.book_of(older), book),
    )


def _changes(before: PriceBook, after: PriceBook) -> list[DifferenceOut]:
    return [
        DifferenceOut(
            kind=one.kind,
            rule=one.rule,
            applies=one.applies,
            name=one.name,
            before=one.before,
            after=one.after,
        )
        for one in differences.compare(before, after)
    ]


def _preview_out(
    found: Impact, before: PriceBook, asked: PricePreviewIn, replaced: PriceVersion | None
) -> PricePreviewOut:
    return PricePreviewOut(
        digest=digest(asked, replaced),
        replaces=None if replaced is None else replaced.id,
        changes=_changes(before, asked.book),
        since=found.since,
        until=found.until,
        counted=found.counted,
        step=found.step,
        left=dict(found.left),
        before=from_nano(found.before),
        after=from_nano(found.after),
        difference=from_nano(found.difference),
        models=[ChangeOut.of(one) for one in found.models],
        node_kinds=[ChangeOut.of(one) for one in found.node_kinds],
        users=[UserChangeOut.of(one) for one in found.users],
        users_counted=found.users_counted,
        unpriced=list(found.unpriced),
    )
