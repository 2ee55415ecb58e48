"""Billing periods: what closing a month would freeze, closing it, the months that are closed."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Amount, Reason
from app.admin.paging import Page, PageQuery
from app.admin.resources.jobs import JobOut
from app.background import close_month, handlers
from app.closings import checking, closing, preview, store
from app.closings.checking import Checked
from app.closings.content import sums_document
from app.closings.models import Closing
from app.closings.months import month_text, parse
from app.closings.ordering import order_of
from app.closings.preview import Preview
from app.errors import Conflict, Invalid
from app.jobs import store as job_store
from app.money import from_nano

MonthText = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]


CHECKED_MAX = 2000
"""Statements that can be derived anew while somebody waits."""


class TooManyStatements(Invalid):
    """More than can be derived anew while somebody waits."""

    code = "too_many_statements"


class TypedOtherwise(Invalid):
    """What was typed to be sure is not the month."""

    code = "month_typed_otherwise"


class ClosingQueued(Conflict):
    """A worker has been asked for it already."""

    code = "closing_under_way"


class SumOut(BaseModel):
    """What the transactions of a kind add up to."""

    kind: str
    is_rerating: bool
    is_late: bool = Field(description="Of earlier months, come after these were closed.")
    count: int
    amount: Amount


class ObstacleOut(BaseModel):
    """Something that stands in the way of closing."""

    code: str
    message: str
    count: int
    is_final: bool = Field(description="There is no way around it.")
    is_mild: bool = Field(description="It does not stop a closing.")


class PreviewOut(BaseModel):
    """What closing the month would freeze now."""

    month: str
    since: datetime
    until: datetime
    opening: Amount
    closing: Amount
    currency: str
    sums: list[SumOut]
    wallets: int
    moved: int = Field(description="Wallets that something happened to.")
    is_under_way: bool = Field(description="It was begun, and goes on where it was left.")
    can_close: bool = Field(description="Nothing stands in the way.")
    could_close: bool = Field(description="When one insists.")
    obstacles: list[ObstacleOut]

    @classmethod
    def of(cls, found: Preview, currency: str) -> Self:
        return cls(
            month=month_text(found.month),
            since=found.since,
            until=found.until,
            opening=from_nano(found.opening),
            closing=from_nano(found.closing),
            currency=currency,
            sums=[SumOut.model_validate(one) for one in sums_document(found.sums)],
            wallets=found.wallets,
            moved=found.moved,
            is_under_way=found.is_under_way,
            can_close=found.can_close,
            could_close=found.could_close,
            obstacles=[
                ObstacleOut(
                    code=one.code,
                    message=one.message,
                    count=one.count,
                    is_final=one.is_final,
                    is_mild=one.is_mild,
                )
                for one in found.obstacles
            ],
        )


class ClosingOut(BaseModel):
    """A closed month."""

    month: str
    since: datetime
    until: datetime
    zone: str
    opening: Amount
    closing: Amount
    currency: str
    sums: list[SumOut]
    statements: int
    departments: int = Field(description="How many of them are of departments.")
    event: int = Field(description="The last usage event it may have.")
    transaction: int = Field(description="The last transaction it may have.")
    closed_by: str
    closed_at: datetime
    reason: str | None
    previous_hash: str
    hash: str

    @classmethod
    def of(cls, found: Closing) -> Self:
        return cls(
            month=month_text(found.month),
            since=found.since,
            until=found.until,
            zone=found.zone,
            opening=from_nano(found.opening),
            closing=from_nano(found.closing),
            currency=found.currency,
            sums=[SumOut.model_validate(one) for one in found.sums],
            statements=found.statements,
            departments=found.departments,
            event=found.event_id,
            transaction=found.transaction_id,
            closed_by=found.closed_by,
            closed_at=found.closed_at,
            reason=found.reason,
            previous_hash=found.previous_hash,
            hash=found.hash,
        )


class ClosingPage(Page[ClosingOut]):
    """Closed months."""


class PreviewQuery(BaseModel):
    """Which month; by default the one to close next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    month: MonthText | None = None


class CloseIn(BaseModel):
    """A month to close for good. `insist`: over what should be looked at before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    month: MonthText
    reason: Reason
    insist: bool = False


class CheckOut(BaseModel):
    """Whether a closed month can be derived from the ledger again."""

    ok: bool
    hash: str
    statements: int
    findings: list[str]


def index(desk: Desk, query: PageQuery) -> ClosingPage:
    """Newest month first."""
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        rows = store.list_page(
            session,
            before=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(
        rows, query.limit, shown=ClosingOut.of, at=lambda row: paging.cursor(row.month)
    )
    return ClosingPage(items=page.items, next=page.next)


def show(desk: Desk, month: str) -> ClosingOut:
    with desk.db.read() as session:
        return ClosingOut.of(store.get(session, parse(month)))


def content(desk: Desk, month: str) -> bytes:
    """The very bytes that the closing's hash is of."""
    with desk.db.read() as session:
        return store.get(session, parse(month)).content.encode("ascii")


def look(desk: Desk, month: str | None) -> PreviewOut:
    """Raises: MonthClosed."""
    spool = desk.runtime.spool.status()
    with desk.db.read() as session:
        wanted = (
            parse(month) if month else preview.next_month(session, desk.settings.zone, desk.now)
        )
        order = order_of(desk.settings, wanted, actor=desk.actor, now=desk.now)
        found = preview.preview(session, order, spool)
    return PreviewOut.of(found, desk.settings.billing.currency)


def close(desk: Desk, asked: CloseIn) -> JobOut:
    """Have a worker close the month.

    Raises:
        Obstructed, MonthClosed, MonthNotOver, MonthOutOfOrder: it cannot be closed.
        ClosingQueued: a worker was asked for it already.
    """
    desk.check_permissions("jobs:write")
    month = parse(asked.month)
    order = order_of(desk.settings, month, actor=desk.actor, now=desk.now, reason=asked.reason)
    spool = desk.runtime.spool.status()
    with desk.db.begin() as session:
        if open_job(session) is not None:
            raise ClosingQueued("a month is being closed already: see the long work")
        closing.check_order(session, order)
        if not asked.insist:
            preview.check_obstacles(session, order, spool)
        job = handlers.enqueue(
            session,
            close_month.KIND,
            close_month.Parameters(month=month, reason=asked.reason, insist=asked.insist),
            actor=desk.actor,
            now=desk.now,
            reason=asked.reason,
            operator_id=desk.caller.operator_id,
        )
        return JobOut.of(job)


def open_job(session: Session) -> int | None:
    """The number of the job that is closing a month, or will."""
    for state in ("running", "queued"):
        jobs = job_store.list_page(session, state=state, kind=close_month.KIND, limit=1)
        if jobs:
            return jobs[0].id
    return None


def find_open_job(desk: Desk) -> int | None:
    with desk.db.read() as session:
        return open_job(session)


def check(desk: Desk, month: str) -> CheckOut:
    """Derive the month anew, and compare.

    Raises:
        TooManyStatements: that is for the command line, and for the audit of each night.
    """
    chosen, checked = parse(month), Checked()
    with desk.db.read() as session:
        made = store.get(session, chosen)
        if made.statements > CHECKED_MAX:
            raise TooManyStatements(
                f"{made.statements} statements are more than {CHECKED_MAX}: run `shareauth "
                "closings verify` where the service runs"
            )
        findings = [one.message for one in checking.verify(session, month=chosen, checked=checked)]
    return CheckOut(
        ok=not findings, hash=made.hash, statements=checked.statements, findings=findings
    )
