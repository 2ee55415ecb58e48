"""Wallets: what is in them, their statements, and what an operator puts in or takes out."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Amount, Number, Paid, Reason, Signed
from app.admin.paging import Page, PageQuery
from app.admin.resources import user_access
from app.admin.resources.users import load_plans
from app.admission.periods import periods_at
from app.errors import Invalid
from app.funding import changes
from app.funding.changes import Change, Funded
from app.ledger import store as ledger_store
from app.links import store as link_store
from app.links.models import Link
from app.moments import Moment
from app.money import from_nano, to_nano
from app.people.standing import Limit, Standing, standing
from app.statements.period import load_period
from app.statements.statement import StatementEntry
from app.users import store as user_store

Movement = Literal["top_up", "adjustment", "refund"]
FUND: dict[Movement, Callable[..., Funded]] = {
    "top_up": changes.top_up,
    "adjustment": changes.adjust,
    "refund": changes.refund,
}


class WalletOut(BaseModel):
    """What a user has, and what of it is spoken for."""

    user_id: int
    currency: str
    balance: Amount
    held: Amount | None = Field(
        description="For questions that wait for their answer; null while Redis does not answer."
    )
    credit: Amount | None = Field(description="How far below zero it may go; null: without end.")
    spendable: Amount | None = Field(description="What questions may cost now; null: anything.")
    questions_today: int
    points_today: Amount
    points_this_month: Amount


class LimitOut(BaseModel):
    """One limit in effect."""

    name: str
    value: Amount | None = Field(description="Null: nothing limits it.")
    source: Literal["plan", "link", "user"] | None = Field(
        description="Who says so; null: nobody says anything."
    )
    used: Amount | None
    left: Amount | None
    renews_at: datetime | None


class LimitsOut(BaseModel):
    """The limits of a user on one link, and what all of its visitors may do together."""

    plan: str
    link_id: int | None
    link: str | None
    is_live: bool = Field(
        description="False while Redis does not answer: then open questions are not counted."
    )
    own: list[LimitOut]
    together: list[LimitOut]


class LimitsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    link_id: Number | None = Field(
        default=None, description="On this link; default: the one they asked on last."
    )


class SumOut(BaseModel):
    """The transactions of one kind in the period."""

    kind: str
    count: int
    amount: Amount


class EntryOut(BaseModel):
    """One transaction of a statement."""

    transaction: int
    sequence: int
    kind: str
    at: datetime
    amount: Amount
    balance_after: Amount
    points: Amount | None
    models: list[str]
    link: str | None
    app_name: str | None
    reference: str | None = Field(description="Of the answer that was charged.")
    reason: str | None
    actor: str
    reverses: int | None
    reversed_by: int | None


class StatementOut(Page[EntryOut]):
    """What went in and out of a wallet from `since` up to, not including, `until`."""

    user_id: int
    currency: str
    since: datetime
    until: datetime
    opening: Amount
    closing: Amount
    sums: list[SumOut] = Field(
        description="Of the whole period; they lead from `opening` to `closing`."
    )


class StatementQuery(PageQuery):
    since: Moment | None = Field(default=None, description="Default: the first of this month.")
    until: Moment | None = Field(default=None, description="Default: the first of the next month.")


class PaidBody(BaseModel):
    """An amount that goes in."""

    model_config = ConfigDict(extra="forbid")

    amount: Paid
    reason: Reason


class AdjustBody(BaseModel):
    """A correction, up or down."""

    model_config = ConfigDict(extra="forbid")

    amount: Signed = Field(description="The change of the balance; not zero.")
    reason: Reason
    allow_negative: bool = Field(default=False, description="Even if the balance falls below zero.")


class FundedOut(BaseModel):
    """The transaction, and the wallet after it."""

    transaction: int
    user_id: int
    balance: Amount
    currency: str
    is_replay: bool = Field(description="It was booked before with this key; nothing was moved.")


class Preview(BaseModel):
    """What a change would make of a wallet."""

    before: Amount
    amount: Amount
    after: Amount


def show(desk: Desk, user_id: int) -> WalletOut:
    stands = _standing(desk, user_id, None)
    wallet = stands.wallet
    return WalletOut(
        user_id=user_id,
        currency=desk.settings.billing.currency,
        balance=from_nano(wallet.balance),
        held=_amount(wallet.held),
        credit=_amount(wallet.credit),
        spendable=_amount(wallet.spendable),
        questions_today=wallet.questions_today,
        points_today=from_nano(wallet.points_today),
        points_this_month=from_nano(wallet.points_month),
    )


def limits(desk: Desk, user_id: int, query: LimitsQuery) -> LimitsOut:
    stands = _standing(desk, user_id, lambda session: _link(session, user_id, query.link_id))
    return LimitsOut(
        plan=stands.plan.name,
        link_id=None if stands.link is None else stands.link.id,
        link=None if stands.link is None else stands.link.name,
        is_live=stands.is_live,
        own=[_limit(one) for one in stands.own],
        together=[_limit(one) for one in stands.together],
    )


def link_names(desk: Desk) -> list[tuple[int, str]]:
    with desk.db.read() as session:
        return link_store.list_names(session)


def statement(desk: Desk, user_id: int, query: StatementQuery) -> StatementOut:
    """Raises: Invalid, when the period ends before it begins (``period_invalid``)."""
    month = periods_at(desk.now, desk.settings.zone).month
    since = query.since or month.starts_at
    until = query.until or max(month.ends_at, since)
    if until < since:
        raise Invalid("the period ends before it begins", code="period_invalid")
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        user_store.get(session, user_id)
        found = load_period(
            session,
            user_id,
            since=since,
            until=until,
            before=None if place is None else int(place[0]),
            limit=query.limit,
            now=desk.now,
        )
    return StatementOut(
        user_id=user_id,
        currency=desk.settings.billing.currency,
        since=since,
        until=until,
        opening=from_nano(found.opening),
        closing=from_nano(found.closing),
        sums=[
            SumOut(kind=one.kind, count=one.count, amount=from_nano(one.amount))
            for one in found.sums
        ],
        items=[_entry(one) for one in found.entries],
        next=None if found.next_before is None else paging.cursor(found.next_before),
    )


def fund(
    desk: Desk, user_id: int, movement: Movement, body: PaidBody | AdjustBody, *, key: str
) -> FundedOut:
    """Move money once, however often it is asked for with this key."""
    with desk.db.read() as session:
        user_store.get(session, user_id)
    change = Change(
        user_id=user_id,
        amount=to_nano(body.amount),
        currency=desk.settings.billing.currency,
        reason=body.reason,
        idempotency_key=key,
        allow_negative=isinstance(body, AdjustBody) and body.allow_negative,
    )
    return told(desk, FUND[movement](desk.db, change, actor=desk.actor, now=desk.now))


def told(desk: Desk, funded: Funded) -> FundedOut:
    """After money moved: the gate hears of it, and whoever asked."""
    desk.tell_balance(funded)
    return FundedOut(
        transaction=funded.transaction_id,
        user_id=funded.user_id,
        balance=from_nano(funded.balance),
        currency=desk.settings.billing.currency,
        is_replay=funded.is_replay,
    )


def preview(desk: Desk, user_id: int, amount: Decimal) -> Preview:
    with desk.db.read() as session:
        wallet = ledger_store.find_account(session, user_id)
    before = from_nano(0 if wallet is None else wallet.balance)
    return Preview(before=before, amount=amount, after=before + amount)


def _standing(
    desk: Desk, user_id: int, find_link: Callable[[Session], Link | None] | None
) -> Standing:
    with desk.db.read() as session:
        user = user_store.get(session, user_id)
        return standing(
            session,
            user,
            None if find_link is None else find_link(session),
            plans=load_plans(desk, session),
            gate=desk.gate,
            zone=desk.settings.zone,
            now=desk.now,
        )


def _link(session: Session, user_id: int, link_id: int | None) -> Link | None:
    chosen = user_access.last_link_id(session, user_id) if link_id is None else link_id
    found = None if chosen is None else link_store.find_by_id(session, chosen)
    if link_id is not None and found is None:
        raise link_store.LinkNotFound(f"there is no link {link_id}")
    return found


def _limit(limit: Limit) -> LimitOut:
    return LimitOut(
        name=limit.name,
        value=limit.value,
        source=limit.source,
        used=limit.used,
        left=limit.left,
        renews_at=limit.renews_at,
    )


def _entry(entry: StatementEntry) -> EntryOut:
    usage = entry.usage
    said: dict[str, Any] = {"points": None, "models": [], "link": None, "app_name": None}
    if usage is not None:
        said = {
            "points": from_nano(usage.points),
            "models": list(usage.models),
            "link": usage.link,
            "app_name": usage.app_name,
        }
    return EntryOut(
        transaction=entry.transaction,
        sequence=entry.sequence,
        kind=entry.kind,
        at=entry.at,
        amount=from_nano(entry.amount),
        balance_after=from_nano(entry.balance_after),
        reference=_reference(entry),
        reason=entry.reason,
        actor=entry.actor,
        reverses=entry.reverses,
        reversed_by=entry.reversed_by,
        **said,
    )


def _reference(entry: StatementEntry) -> str | None:
    if entry.usage is not None:
        return entry.usage.reference
    return None if entry.rerating is None else entry.rerating.reference


def _amount(nano: int | None) -> Decimal | None:
    return None if nano is None else from_nano(nano)
