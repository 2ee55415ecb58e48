"""Redemption codes: batches, what became of each code, and redeeming one for a user."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Amount, Paid, Text
from app.admin.paging import Page, PageQuery
from app.codes import commands, notation, store
from app.codes.commands import (
    COUNT_MAX,
    DAYS_MAX,
    PRIORITY,
    PRIORITY_MAX,
    BatchName,
    BatchSpec,
    Credit,
)
from app.codes.models import CodeBatch
from app.codes.store import ListedCode
from app.errors import NotFound
from app.funding import redeem as redemption
from app.funding.redeem import Ask
from app.moments import Moment
from app.money import from_nano, to_nano
from app.users import store as user_store

Status = Literal["active", "paused", "cancelled"]
Why = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")] | None
"""For the audit."""


class CreditIn(BaseModel):
    """Granted credit that each code gives, instead of paid credit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: Annotated[
        int,
        Field(ge=0, le=PRIORITY_MAX, description="The lowest is spent first, all before paid."),
    ] = PRIORITY
    expires_at: Annotated[Moment | None, Field(description="When the credit is over.")] = None
    days: Annotated[
        int | None,
        Field(
            ge=1,
            le=DAYS_MAX,
            description="Or: it is good until the end of so many days after it is redeemed.",
        ),
    ] = None

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.expires_at is not None and self.days is not None:
            raise ValueError("say either when the credit is over, or for how many days it is good")
        return self


class CreditTermsOut(BaseModel):
    """How the credit that each code gives may be spent."""

    priority: int
    expires_at: datetime | None = Field(description="When it is over; null: see `days`.")
    days: int | None = Field(
        description="Good until the end of so many days after it is redeemed; null with null "
        "`expires_at`: for ever."
    )


class BatchOut(BaseModel):
    """Codes of one amount that were made together, and what became of them."""

    id: int
    name: str
    status: Status
    is_expired: bool
    amount: Amount = Field(description="What each code is worth.")
    currency: str
    count: int
    redeemed: int
    left: int = Field(description="How many nobody has redeemed.")
    outstanding: Amount = Field(
        description="What the codes that may still be redeemed are worth; 0 when none may."
    )
    expires_at: datetime | None = Field(description="Null: never.")
    per_user_max: int | None = Field(description="How many one user may redeem; null: any number.")
    credit: CreditTermsOut | None = Field(
        description="Each code gives granted credit on these terms; null: paid credit."
    )
    note: str | None
    created_at: datetime
    created_by: str
    printable_until: datetime | None = Field(
        description="Until then its codes can be shown again; null: their text is gone."
    )

    @classmethod
    def of(cls, batch: CodeBatch, *, redeemed: int, now: datetime) -> Self:
        is_expired = batch.expires_at is not None and batch.expires_at <= now
        is_over = is_expired or batch.status == commands.CANCELLED
        is_printable = batch.printable_until is not None and batch.printable_until > now
        left = batch.count - redeemed
        return cls.model_validate(
            {
                "id": batch.id,
                "name": batch.name,
                "status": batch.status,
                "is_expired": is_expired,
                "amount": from_nano(batch.amount),
                "currency": batch.currency,
                "count": batch.count,
                "redeemed": redeemed,
                "left": left,
                "outstanding": from_nano(0 if is_over else left * batch.amount),
                "expires_at": batch.expires_at,
                "per_user_max": batch.per_user_max,
                "credit": commands.describe(batch)["credit"],
                "note": batch.note,
                "created_at": batch.created_at,
                "created_by": batch.created_by,
                "printable_until": batch.printable_until if is_printable else None,
            }
        )


class BatchPage(Page[BatchOut]):
    """Batches."""


class BatchQuery(PageQuery):
    """Which batches."""

    status: Status | None = None
    q: Annotated[Text | None, Field(description="A part of the name.")] = None


class NewBatch(BaseModel):
    """A batch to make."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[BatchName, Field(description="Unique; users see it on their statement.")]
    amount: Annotated[Paid, Field(description="What each code is worth.")]
    count: Annotated[int, Field(ge=1, le=COUNT_MAX)]
    expires_at: Annotated[Moment | None, Field(description="Null: never.")] = None
    per_user_max: Annotated[int, Field(ge=1, le=COUNT_MAX)] | None = None
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None
    credit: Annotated[
        CreditIn | None, Field(description="Null: each code gives paid credit, for good.")
    ] = None


class BatchReason(BaseModel):
    """Why a batch is paused, resumed or cancelled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Why = None


class CodeOut(BaseModel):
    """One code without its text."""

    serial: int
    redeemed_at: datetime | None
    user_id: int | None
    subject: str | None
    transaction_id: int | None

    @classmethod
    def of(cls, code: ListedCode) -> Self:
        return cls(
            serial=code.serial,
            redeemed_at=code.redeemed_at,
            user_id=code.user_id,
            subject=code.subject,
            transaction_id=code.transaction_id,
        )


class CodePage(Page[CodeOut]):
    """Codes."""


class CodeQuery(PageQuery):
    """Which codes of a batch."""

    redeemed: Annotated[
        bool | None, Field(description="Only those that are, or only those that are not.")
    ] = None


class PrintableCodeOut(BaseModel):
    serial: int
    code: str = Field(description="A secret: whoever has it can redeem it.")


class PrintableOut(BaseModel):
    """The codes of a batch that nobody has redeemed."""

    batch: BatchOut
    codes: list[PrintableCodeOut]


class TypedCode(BaseModel):
    """A code as a person wrote it: case, spaces and dashes do not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Text


class FoundCodeOut(BaseModel):
    """Which code of which batch it is."""

    code: CodeOut
    batch: BatchOut


class RedeemedOut(BaseModel):
    """What a code put into a wallet."""

    transaction_id: int
    user_id: int
    batch: str
    serial: int
    amount: Amount
    currency: str
    balance: Amount = Field(description="Of the wallet now.")
    is_granted: bool = Field(description="It is granted credit, spent before paid credit.")
    expires_at: datetime | None = Field(description="When granted credit is over; null: never.")
    is_replay: bool = Field(description="The user had redeemed it before; nothing moved this time.")


def index(desk: Desk, query: BatchQuery) -> BatchPage:
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        counted = store.list_batches(
            session,
            status=query.status,
            search=query.q,
            before_id=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(
        counted,
        query.limit,
        shown=lambda one: BatchOut.of(one.batch, redeemed=one.redeemed, now=desk.now),
        at=lambda one: paging.cursor(one.batch.id),
    )
    return BatchPage(items=page.items, next=page.next)


def show(desk: Desk, name: str) -> BatchOut:
    with desk.db.read() as session:
        return _shown(desk, session, store.get_batch(session, name))


def create(desk: Desk, new: NewBatch) -> BatchOut:
    """Raises: ``code_batch_exists``, ``code_batch_expired``, ``code_credit_over``."""
    spec = BatchSpec(
        name=new.name,
        amount=to_nano(new.amount),
        currency=desk.settings.billing.currency,
        count=new.count,
        expires_at=new.expires_at,
        per_user_max=new.per_user_max,
        note=new.note or None,
        credit=None if new.credit is None else Credit(**new.credit.model_dump()),
    )
    with desk.db.begin() as session:
        batch = commands.create(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now)
        return BatchOut.of(batch, redeemed=0, now=desk.now)


def list_codes(desk: Desk, name: str, query: CodeQuery) -> CodePage:
    """By serial."""
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        codes = store.list_codes(
            session,
            store.get_batch(session, name).id,
            is_redeemed=query.redeemed,
            after_serial=0 if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(
        codes, query.limit, shown=CodeOut.of, at=lambda code: paging.cursor(code.serial)
    )
    return CodePage(items=page.items, next=page.next)


def show_texts(desk: Desk, name: str) -> PrintableOut:
    """The codes themselves; the audit notes who saw how many.

    Raises:
        CodesNotPrintable: their text is gone.
    """
    with desk.db.begin() as session:
        batch = store.get_batch(session, name)
        printable = commands.load_printable(
            session, batch, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        return PrintableOut(
            batch=_shown(desk, session, batch),
            codes=[PrintableCodeOut(serial=one.serial, code=one.text) for one in printable],
        )


def confirm_printed(desk: Desk, name: str) -> BatchOut:
    with desk.db.begin() as session:
        batch = commands.confirm_printed(
            session, store.get_batch(session, name), actor=desk.actor, now=desk.now
        )
        return _shown(desk, session, batch)


def set_paused(desk: Desk, name: str, reason: str | None, *, paused: bool) -> BatchOut:
    with desk.db.begin() as session:
        batch = commands.set_paused(
            session,
            store.get_batch(session, name),
            paused=paused,
            actor=desk.actor,
            now=desk.now,
            reason=reason,
        )
        return _shown(desk, session, batch)


def cancel(desk: Desk, name: str, reason: str | None) -> BatchOut:
    with desk.db.begin() as session:
        batch = commands.cancel(
            session, store.get_batch(session, name), actor=desk.actor, now=desk.now, reason=reason
        )
        return _shown(desk, session, batch)


def find(desk: Desk, typed: str) -> FoundCodeOut:
    """Raises: ``code_malformed``, ``code_unknown``."""
    digest = desk.keys.code_digest(notation.parse(typed))
    with desk.db.read() as session:
        found = store.find_code(session, digest)
        if found is None:
            raise NotFound("no code reads like this", code="code_unknown")
        return FoundCodeOut(code=CodeOut.of(found.code), batch=_shown(desk, session, found.batch))


def find_user_id(desk: Desk, subject: str, issuer: str | None) -> int:
    """The user whom an operator means by subject or uid."""
    with desk.db.read() as session:
        return user_store.get_by_subject(session, subject, issuer_name=issuer).id


def redeem(desk: Desk, user_id: int, typed: str) -> RedeemedOut:
    """Put what the code is worth into the user's wallet; again for the same code: nothing moves."""
    paging.check_number(user_id, "user_not_found")
    ask = Ask(user_id, typed, desk.settings.billing.currency, desk.settings.zone)
    done = redemption.redeem(desk.db, ask, keys=desk.keys, actor=desk.actor, now=desk.now)
    desk.tell_balance(done.funded)
    return RedeemedOut(
        transaction_id=done.funded.transaction_id,
        user_id=user_id,
        batch=done.batch,
        serial=done.serial,
        amount=from_nano(done.amount),
        currency=done.currency,
        balance=from_nano(done.funded.balance),
        is_granted=done.terms is not None,
        expires_at=None if done.terms is None else done.terms.expires_at,
        is_replay=done.funded.is_replay,
    )


def _shown(desk: Desk, session: Session, batch: CodeBatch) -> BatchOut:
    session.flush()
    redeemed = store.count_redeemed(session, batch.id)
    return BatchOut.of(batch, redeemed=redeemed, now=desk.now)
