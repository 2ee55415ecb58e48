"""Pricing answers again: a preview, then exactly that is booked.

Few answers are priced within the request, more of them by a worker: as a job that is left and found
again. ``is_small`` is the one place that says how many are few.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.resources.jobs import JobOut
from app.background import handlers, rerate, rerate_preview
from app.errors import Conflict, Invalid
from app.jobs import store as job_store
from app.links import store as link_store
from app.moments import Moment
from app.money import from_nano
from app.rerating import apply as booking
from app.rerating import store
from app.rerating.apply import Order
from app.rerating.preview import Preview, UserSums, preview
from app.users import store as user_store

ANSWERS_MAX = 3000
Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(min_length=1, max_length=300)]


class TooManyAnswers(Invalid):
    """More than can be priced while somebody waits."""

    code = "too_many_answers"


class NotToBeBooked(Conflict):
    """The job is no preview that has been made."""

    code = "no_such_preview"


class ReratingIn(BaseModel):
    """Which answers, and by which prices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    price: Annotated[int, Field(ge=1, lt=2**63)] | Literal["in-force"]
    """A version, or for each answer the one in force at its time."""
    since: Moment
    until: Moment | None = None
    """Default: now."""
    link: Name | None = None
    """Only answers on this link: its name."""
    user: Name | None = None
    """Only this user's: subject or uid."""
    issuer: Name | None = None
    """Whose subject it is, when several issuers know it."""


class ReratingApplyIn(ReratingIn):
    expect: Annotated[str, Field(min_length=1, max_length=64)]
    """The ``digest`` of the preview; anything else is refused."""
    reason: Text
    allow_negative: bool = False
    """Even if a wallet falls below zero by it."""


class BookingIn(BaseModel):
    """Why what a job's preview says is booked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Text
    allow_negative: bool = False
    """Even if a wallet falls below zero by it."""


class RerateUserOut(BaseModel):
    """What changes for one user."""

    subject: str
    uid: str
    events: int
    changes: int
    left: int
    charged: Decimal
    would_be: Decimal
    difference: Decimal
    balance: Decimal
    balance_after: Decimal
    falls_below_zero: bool

    @classmethod
    def of(cls, user: UserSums) -> Self:
        return cls(
            subject=user.owner.subject,
            uid=user.owner.uid,
            events=user.events,
            changes=user.changes,
            left=user.left,
            charged=from_nano(user.charged),
            would_be=from_nano(user.would_be),
            difference=from_nano(user.difference),
            balance=from_nano(user.owner.balance),
            balance_after=from_nano(user.balance_after),
            falls_below_zero=user.falls_below_zero,
        )


class ReratingPreviewOut(BaseModel):
    """What would change, user by user. Nothing is booked."""

    digest: str
    since: datetime
    until: datetime
    events: int
    changes: int
    left: dict[str, int] = Field(description="Answers that stay as they are, by reason.")
    charged: Decimal
    would_be: Decimal
    difference: Decimal
    to_book: Decimal = Field(description="What is not booked yet: the change of all wallets.")
    below_zero: int = Field(description="Wallets that would fall below zero.")
    users: list[RerateUserOut]


class ReratingOut(BaseModel):
    """What was booked."""

    run: str
    adjustments: int
    wallets: int
    amount: Decimal


def show(desk: Desk, asked: ReratingIn) -> ReratingPreviewOut:
    """Raises: TooManyAnswers; as ``rerating.preview``."""
    return _out(_find(desk, asked, run=None))


def apply(desk: Desk, asked: ReratingApplyIn) -> ReratingOut:
    """Book what was previewed. The same again books what is missing, and nothing twice.

    Raises:
        PreviewChanged, WalletsBelowZero, TooManyAnswers: nothing was booked.
    """
    found = _find(desk, asked, run=asked.expect)
    booking.check(found, expect=asked.expect, allow_negative=asked.allow_negative)
    order = Order(run=found.digest, currency=desk.settings.billing.currency, reason=asked.reason)
    adjustments = amount = 0
    wallets = set()
    for booked in booking.apply(desk.db, found, order, actor=desk.actor, now=desk.now):
        desk.tell_balance(booked)
        adjustments += booked.adjustments
        amount += booked.amount
        wallets.add(booked.user_id)
    return ReratingOut(
        run=found.digest, adjustments=adjustments, wallets=len(wallets), amount=from_nano(amount)
    )


def is_small(desk: Desk, asked: ReratingIn) -> bool:
    """Whether so few answers are asked for that they are priced while somebody waits."""
    with desk.db.read() as session:
        return _count(desk, session, _choice(desk, session, asked)) <= ANSWERS_MAX


def preview_in_background(desk: Desk, asked: ReratingIn) -> JobOut:
    """Have a worker say what would change; the job's result holds it."""
    with desk.db.begin() as session:
        choice = _choice(desk, session, asked)
        return _enqueue(desk, session, rerate_preview.KIND, choice)


def apply_in_background(desk: Desk, asked: ReratingApplyIn) -> JobOut:
    """Have a worker book what was previewed; it refuses anything else, and says so."""
    with desk.db.begin() as session:
        choice = _choice(desk, session, asked)
        return _enqueue_booking(
            desk, session, choice, asked.expect, BookingIn.model_validate(_why(asked))
        )


def apply_previewed(desk: Desk, job_id: int, why: BookingIn) -> JobOut:
    """Have a worker book exactly what a job's preview says.

    Raises:
        JobNotFound: there is no such job.
        NotToBeBooked: it is no preview, or not done.
    """
    paging.check_number(job_id, job_store.JobNotFound.code)
    with desk.db.begin() as session:
        job = job_store.get(session, job_id)
        if job.kind != rerate_preview.KIND or job.state != "done" or not job.result:
            raise NotToBeBooked(f"job {job_id} is no preview that has been made")
        choice = rerate.Choice.model_validate(job.parameters)
        return _enqueue_booking(desk, session, choice, str(job.result["digest"]), why)


def _why(asked: ReratingApplyIn) -> dict[str, object]:
    return {"reason": asked.reason, "allow_negative": asked.allow_negative}


def _enqueue_booking(
    desk: Desk, session: Session, choice: rerate.Choice, digest: str, why: BookingIn
) -> JobOut:
    parameters = rerate.Parameters.model_validate(
        {**choice.model_dump(), **why.model_dump(), "expect": digest}
    )
    return _enqueue(desk, session, rerate.KIND, parameters, reason=why.reason)


def _enqueue(
    desk: Desk, session: Session, kind: str, asked: rerate.Choice, reason: str | None = None
) -> JobOut:
    job = handlers.enqueue(
        session,
        kind,
        asked,
        actor=desk.actor,
        now=desk.now,
        reason=reason,
        operator_id=desk.caller.operator_id,
    )
    return JobOut.of(job)


def _choice(desk: Desk, session: Session, asked: ReratingIn) -> rerate.Choice:
    """What was asked, by number."""
    digest = "" if asked.link is None else desk.keys.link_key_digest(asked.link)
    link = link_store.get_by_reference(session, asked.link, digest) if asked.link else None
    user = (
        user_store.get_by_subject(session, asked.user, issuer_name=asked.issuer)
        if asked.user
        else None
    )
    return rerate.Choice(
        since=asked.since,
        until=asked.until or desk.now,
        link_id=None if link is None else link.id,
        user_id=None if user is None else user.id,
        price=asked.price,
    )


def _count(desk: Desk, session: Session, choice: rerate.Choice) -> int:
    return store.count_answers(session, choice.selection, desk.settings.zone)


def _find(desk: Desk, asked: ReratingIn, *, run: str | None) -> Preview:
    with desk.db.read() as session:
        choice = _choice(desk, session, asked)
        _check_is_small(_count(desk, session, choice))
    zone = desk.settings.zone
    return preview(desk.db, choice.selection, choice.price, zone=zone, run=run)


def _check_is_small(answers: int) -> None:
    """Raises: TooManyAnswers, with what to do instead."""
    if answers > ANSWERS_MAX:
        raise TooManyAnswers(
            f"up to {answers} answers are more than {ANSWERS_MAX}: have them priced in the "
            "background (POST /reratings/previews, then POST /jobs), or choose a shorter period, "
            "a link or a user"
        )


def _out(found: Preview) -> ReratingPreviewOut:
    selection = found.quest.selection
    users = sorted(found.users, key=lambda user: (-abs(user.difference), user.owner.user_id))
    return ReratingPreviewOut(
        digest=found.digest,
        since=selection.since,
        until=selection.until,
        events=found.total("events"),
        changes=found.total("changes"),
        left=dict(found.left_by_problem),
        charged=from_nano(found.total("charged")),
        would_be=from_nano(found.total("would_be")),
        difference=from_nano(found.total("difference")),
        to_book=from_nano(found.total("to_book")),
        below_zero=len(found.below_zero),
        users=[RerateUserOut.of(user) for user in users],
    )
