"""Granted credit: giving it, what is left of it, taking it back, and what expired unused."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Amount, Number, Paid, Reason
from app.admin.paging import Page, PageQuery
from app.admin.resources.wallets import FundedOut, told
from app.admission.periods import periods_at
from app.errors import Invalid
from app.funding import grants as funding
from app.funding.grants import Grace, GrantNotFound
from app.ledger.credit import store
from app.ledger.credit.models import Grant
from app.ledger.credit.monthly import is_due
from app.ledger.credit.store import Breakage, Filters
from app.ledger.grants import PRIORITY, PRIORITY_MAX, source_of
from app.moments import Moment
from app.money import from_nano, to_nano
from app.people.credit import Left, credit_standing
from app.people.monthly import monthly_credit
from app.plans import store as plan_store
from app.tokens.issuers import parse_configured
from app.users import store as user_store

State = Literal["in_force", "used_up", "over", "expired", "revoked"]
Source = Literal["operator", "plan", "code"]


class GrantOut(BaseModel):
    """Credit that was granted, and what became of it."""

    transaction: int = Field(description="Its transaction in the ledger; it names the grant.")
    user_id: int
    subject: str
    state: State = Field(description="`over`: its time is over, and its expiry about to be posted.")
    source: Source
    plan: str | None = Field(description="Which plan gives it every month; null: none.")
    month: str | None = Field(description="Such as 2026-11: of the plan's monthly credit.")
    amount: Amount
    left: Amount = Field(
        description="What may still be spent; in lists as it was noted last, some minutes ago."
    )
    lapsed: Amount = Field(description="What was left when it ended.")
    priority: int = Field(description="The lowest is spent first, and all before paid credit.")
    granted_at: datetime
    expires_at: datetime | None = Field(description="Null: never.")
    ended_at: datetime | None
    reason: str


class GrantPage(Page[GrantOut]):
    """Grants, newest first."""


class GrantQuery(PageQuery):
    user_id: Number | None = None
    source: Source | None = None
    is_open: bool | None = Field(default=None, description="Whether it has not ended.")


class CreditOut(BaseModel):
    """What a user's balance is made of."""

    user_id: int
    currency: str
    balance: Amount
    granted: Amount = Field(description="What is left of grants in force; it is spent first.")
    paid: Amount = Field(description="Paid credit; below zero it is what the user owes.")
    lapsing: Amount = Field(description="Of grants that are over; it leaves within the minute.")
    coming: Amount = Field(
        description="Their plan's credit of this month, while they have not come for it: it is "
        "given with their next question, or when they open their own page. 0: none."
    )
    grants: list[GrantOut] = Field(description="Those in force, in the order they are spent.")


class NewGrant(BaseModel):
    """Credit to give."""

    model_config = ConfigDict(extra="forbid")

    amount: Paid
    reason: Reason
    expires_at: Moment | None = Field(default=None, description="Default: never.")
    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX)] = PRIORITY


class Revocation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason


class RevokedOut(FundedOut):
    """The transaction that took it back, and the wallet after it."""

    lapsed: Amount = Field(description="What was taken back; what was spent stays spent.")


class BreakageOut(BaseModel):
    """Grants of one plan, of operators, or of redeemed codes, in the period."""

    plan: str | None = Field(description="Null: what operators or codes gave.")
    source: Source
    given: int
    granted: Amount
    ended: int
    spent: Amount = Field(description="Of the grants that ended in the period.")
    lapsed: Amount = Field(description="Of the same: what was left, the breakage.")
    revoked: Amount = Field(description="The part of `lapsed` that somebody took back.")


class BreakagePage(Page[BreakageOut]):
    """What was granted in the period, and what of ended grants nobody spent."""

    currency: str
    since: datetime
    until: datetime


class BreakageQuery(PageQuery):
    since: Moment | None = Field(default=None, description="Default: the first of this month.")
    until: Moment | None = Field(default=None, description="Default: the first of the next month.")


def index(desk: Desk, query: GrantQuery) -> GrantPage:
    place = paging.position(query.cursor, int)
    wanted = Filters(user_id=query.user_id, source=query.source, is_open=query.is_open)
    with desk.db.read() as session:
        rows = store.list_grants(
            session,
            wanted,
            before=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
        shown = rows[: query.limit]
        items = _outs(desk, session, [(row, row.remaining) for row in shown])
    more = len(rows) > query.limit
    return GrantPage(items=items, next=paging.cursor(shown[-1].transaction_id) if more else None)


def show(desk: Desk, transaction_id: int) -> GrantOut:
    """Raises: GrantNotFound."""
    with desk.db.read() as session:
        row = store.find(session, transaction_id)
        if row is None:
            raise GrantNotFound(f"transaction {transaction_id} is no grant")
        stands = credit_standing(session, row.user_id, desk.now)
        left = {one.grant.transaction_id: one.left for one in stands.grants}
        return _outs(desk, session, [(row, left.get(transaction_id, 0))])[0]


def credit(desk: Desk, user_id: int) -> CreditOut:
    with desk.db.read() as session:
        user_store.get(session, user_id)
        stands = credit_standing(session, user_id, desk.now)
        return CreditOut(
            user_id=user_id,
            currency=desk.settings.billing.currency,
            balance=from_nano(stands.paid + stands.granted + stands.lapsing),
            granted=from_nano(stands.granted),
            paid=from_nano(stands.paid),
            lapsing=from_nano(stands.lapsing),
            coming=from_nano(_coming(desk, session, user_id)),
            grants=_outs(desk, session, [_pair(one) for one in stands.grants]),
        )


def give(desk: Desk, user_id: int, body: NewGrant, *, key: str) -> FundedOut:
    """Give it once, however often it is asked for with this key."""
    with desk.db.read() as session:
        user_store.get(session, user_id)
    grace = Grace(
        user_id=user_id,
        amount=to_nano(body.amount),
        currency=desk.settings.billing.currency,
        reason=body.reason,
        idempotency_key=key,
        expires_at=body.expires_at,
        priority=body.priority,
    )
    return told(desk, funding.grant(desk.db, grace, actor=desk.actor, now=desk.now))


def revoke(desk: Desk, transaction_id: int, body: Revocation) -> RevokedOut:
    done = funding.revoke(
        desk.db, transaction_id, reason=body.reason, actor=desk.actor, now=desk.now
    )
    funded = told(desk, done.funded)
    return RevokedOut(**funded.model_dump(), lapsed=from_nano(done.lapsed))


def breakage(desk: Desk, query: BreakageQuery) -> BreakagePage:
    """Raises: Invalid, when the period ends before it begins (``period_invalid``)."""
    month = periods_at(desk.now, desk.settings.zone).month
    since = query.since or month.starts_at
    until = query.until or max(month.ends_at, since)
    if until < since:
        raise Invalid("the period ends before it begins", code="period_invalid")
    with desk.db.read() as session:
        names = _plan_names(session)
        found = store.sum_breakage(session, since=since, until=until)
    return BreakagePage(
        currency=desk.settings.billing.currency,
        since=since,
        until=until,
        items=[_breakage(one, names) for one in found],
        next=None,
    )


def _coming(desk: Desk, session: Session, user_id: int) -> int:
    settings = desk.settings
    found = monthly_credit(
        session,
        [user_id],
        configured=parse_configured(settings.issuers),
        zone=settings.zone,
        now=desk.now,
    )
    return sum(one.amount for one in found.values() if is_due(session, user_id, one))


def _pair(one: Left) -> tuple[Grant, int]:
    return one.grant, one.left


def _outs(desk: Desk, session: Session, rows: list[tuple[Grant, int]]) -> list[GrantOut]:
    subjects = user_store.load_subjects(session, {row.user_id for row, _ in rows})
    names = _plan_names(session)
    return [
        GrantOut(
            transaction=row.transaction_id,
            user_id=row.user_id,
            subject=subjects.get(row.user_id, ""),
            state=_state(row, left, desk.now),
            source=source_of(row.source),
            plan=names.get(row.plan_id or 0),
            month=row.month,
            amount=from_nano(row.amount),
            left=from_nano(left),
            lapsed=from_nano(row.lapsed),
            priority=row.priority,
            granted_at=row.granted_at,
            expires_at=row.expires_at,
            ended_at=row.closed_at,
            reason=row.reason,
        )
        for row, left in rows
    ]


def _state(row: Grant, left: int, now: datetime) -> State:
    if row.closed_as is not None:
        return "revoked" if row.closed_as == "revoked" else "expired"
    if row.expires_at is not None and row.expires_at <= now:
        return "over"
    return "in_force" if left else "used_up"


def _breakage(one: Breakage, names: dict[int, str]) -> BreakageOut:
    return BreakageOut(
        plan=names.get(one.plan_id or 0),
        source=source_of(one.source),
        given=one.given,
        granted=from_nano(one.granted),
        ended=one.ended,
        spent=from_nano(one.spent),
        lapsed=from_nano(one.lapsed),
        revoked=from_nano(one.revoked),
    )


def _plan_names(session: Session) -> dict[int, str]:
    return {plan.id: plan.name for plan in plan_store.list_all(session)}
