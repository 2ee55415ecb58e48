"""What operators do to batches of redemption codes.

A code is money for whoever bears it. It is stored as a keyed digest, and its text only sealed, so
that printing can begin anew when a browser or a printer dies half-way. The sealed text goes when
somebody says that all is printed, for one code when it is redeemed, when the batch is cancelled,
and in any case after ``PRINTABLE_FOR``. Showing it is audited.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.codes import notation, store
from app.codes.models import CodeBatch
from app.errors import Conflict, Invalid
from app.keys import Keys
from app.money import NANO_MAX, format_nano

ACTIVE = "active"
PAUSED = "paused"
CANCELLED = "cancelled"

COUNT_MAX = 10_000
PRIORITY_MAX = 99
PRIORITY = 50
"""As the ledger has them."""
DAYS_MAX = 3650
PRINTABLE_FOR = timedelta(days=30)


BatchName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=120,
        pattern=r"^[^\x00-\x20\x7f./]([^\x00-\x1f\x7f/]*[^\x00-\x20\x7f/])?$",
    ),
]
"""A part of addresses: no slash, no dot to begin with, no blank at either end."""


class BatchCancelled(Conflict):
    """A cancelled batch stays cancelled."""

    code = "code_batch_cancelled"


class CodesNotPrintable(Conflict):
    """The text of the batch's codes is gone."""

    code = "codes_not_printable"


class Credit(BaseModel):
    """Granted credit that codes give: spent by priority before paid credit, until it is over.

    It is over at ``expires_at``, or after so many whole days after the day of redeeming, or never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX)] = PRIORITY
    expires_at: AwareDatetime | None = None
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] | None = None

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.expires_at is not None and self.days is not None:
            raise ValueError("say either when the credit is over, or for how many days it is good")
        return self


class BatchSpec(BaseModel):
    """A batch to make; ``amount`` in nano-units of ``currency``, the operator's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: BatchName
    amount: Annotated[int, Field(gt=0, le=NANO_MAX)]
    currency: Annotated[str, Field(min_length=1, max_length=12)]
    count: Annotated[int, Field(ge=1, le=COUNT_MAX)]
    expires_at: AwareDatetime | None = None
    """None: never."""
    per_user_max: Annotated[int, Field(ge=1, le=COUNT_MAX)] | None = None
    """How many codes of the batch one user may redeem; None: any number, as with gift cards."""
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None
    credit: Credit | None = None
    """None: each code gives paid credit."""


@dataclass(frozen=True, slots=True)
class PrintableCode:
    """``text`` is grouped, as it is printed; a secret."""

    serial: int
    text: str


def create(
    session: Session, spec: BatchSpec, *, keys: Keys, actor: Actor, now: datetime
) -> CodeBatch:
    """A new batch with its codes; ``load_printable`` shows them.

    Raises:
        Conflict: a batch has this name (``code_batch_exists``).
        Invalid: codes or credit would have expired already (``code_batch_expired``,
            ``code_credit_over``).
    """
    if spec.expires_at is not None and spec.expires_at <= now:
        raise Invalid("the codes would have expired already", code="code_batch_expired")
    credit = spec.credit
    if credit is not None and credit.expires_at is not None and credit.expires_at <= now:
        raise Invalid("the credit would be over already", code="code_credit_over")
    if store.find_batch(session, spec.name) is not None:
        raise _taken(spec.name)
    batch = CodeBatch(
        **spec.model_dump(exclude={"credit"}),
        credit_priority=None if credit is None else credit.priority,
        credit_until=None if credit is None else credit.expires_at,
        credit_days=None if credit is None else credit.days,
        status=ACTIVE,
        created_at=now,
        created_by=actor.name,
        printable_until=now + PRINTABLE_FOR,
    )
    session.add(batch)
    try:
        session.flush()
    except IntegrityError as error:  # somebody made it at the same moment
        raise _taken(spec.name) from error
    store.insert_codes(session, [_new_code(batch.id, n, keys) for n in range(1, spec.count + 1)])
    _record(session, "create", batch, actor=actor, now=now)
    return batch


def set_paused(
    session: Session,
    batch: CodeBatch,
    *,
    paused: bool,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> CodeBatch:
    """Refuse the batch's codes for a while, or take them again.

    Raises:
        BatchCancelled: it was cancelled.
    """
    batch = _changeable(session, batch)
    before = describe(batch)
    batch.status = PAUSED if paused else ACTIVE
    session.flush()
    verb = "pause" if paused else "resume"
    _record(session, verb, batch, actor=actor, now=now, before=before, reason=reason)
    return batch


def cancel(
    session: Session,
    batch: CodeBatch,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> CodeBatch:
    """Make the batch's codes worthless, for good; what was redeemed stays redeemed.

    Raises:
        BatchCancelled: it was cancelled before.
    """
    batch = _changeable(session, batch)
    before = describe(batch)
    batch.status = CANCELLED
    _forget_texts(session, batch)
    _record(session, "cancel", batch, actor=actor, now=now, before=before, reason=reason)
    return batch


def load_printable(
    session: Session, batch: CodeBatch, *, keys: Keys, actor: Actor, now: datetime
) -> list[PrintableCode]:
    """The batch's codes that nobody has redeemed yet, by serial. Writes an audit row.

    Raises:
        CodesNotPrintable: they were confirmed as printed, the batch was cancelled, or it is too
            long ago.
        SealBroken: they were made with another ``service.secret_key``.
    """
    if batch.printable_until is None or batch.printable_until <= now:
        raise CodesNotPrintable(
            f"the codes of {batch.name!r} cannot be shown any more: they were printed, cancelled, "
            f"or made more than {PRINTABLE_FOR.days} days ago. Cancel the batch and make a new one"
        )
    printable = [
        PrintableCode(serial, notation.grouped(keys.unseal(sealed).decode("ascii")))
        for serial, sealed in store.list_sealed(session, batch.id)
    ]
    journal.record(
        session,
        actor=actor,
        action="codes.print",
        subject=("code_batch", batch.id),
        now=now,
        change=(None, {"name": batch.name, "shown": len(printable)}),
    )
    return printable


def confirm_printed(
    session: Session, batch: CodeBatch, *, actor: Actor, now: datetime
) -> CodeBatch:
    """Forget the text of the batch's codes: nobody can be shown them again.

    Said twice it changes nothing.
    """
    batch = store.lock_batch(session, batch.id, for_change=True)
    if batch.printable_until is not None:
        before = describe(batch)
        _forget_texts(session, batch)
        _record(session, "confirm_printed", batch, actor=actor, now=now, before=before)
    return batch


def forget_overdue_texts(session: Session, *, actor: Actor, now: datetime) -> int:
    """Drop what was to be printed long ago; of how many batches."""
    overdue = store.list_overdue(session, now)
    for batch in overdue:
        before = describe(batch)
        _forget_texts(session, batch)
        _record(session, "forget_texts", batch, actor=actor, now=now, before=before)
    return len(overdue)


def describe(batch: CodeBatch) -> dict[str, Any]:
    """The batch as JSON; no code is in it."""
    return {
        "name": batch.name,
        "amount": format_nano(batch.amount),
        "currency": batch.currency,
        "count": batch.count,
        "expires_at": _iso(batch.expires_at),
        "per_user_max": batch.per_user_max,
        "credit": _credit(batch),
        "note": batch.note,
        "status": batch.status,
        "printable_until": _iso(batch.printable_until),
    }


def _credit(batch: CodeBatch) -> dict[str, Any] | None:
    if batch.credit_priority is None:
        return None
    return {
        "priority": batch.credit_priority,
        "expires_at": _iso(batch.credit_until),
        "days": batch.credit_days,
    }


def _taken(name: str) -> Conflict:
    return Conflict(f"a batch is called {name!r} already", code="code_batch_exists")


def _new_code(batch_id: int, serial: int, keys: Keys) -> dict[str, object]:
    code = notation.new_code()
    return {
        "batch_id": batch_id,
        "serial": serial,
        "digest": keys.code_digest(code),
        "sealed_code": keys.seal(code.encode("ascii")),
    }


def _changeable(session: Session, batch: CodeBatch) -> CodeBatch:
    locked = store.lock_batch(session, batch.id, for_change=True)
    if locked.status == CANCELLED:
        raise BatchCancelled(f"the batch {locked.name!r} is cancelled, which is for good")
    return locked


def _forget_texts(session: Session, batch: CodeBatch) -> None:
    batch.printable_until = None
    session.flush()
    store.drop_sealed(session, batch.id)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _record(
    session: Session,
    verb: str,
    batch: CodeBatch,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"codes.{verb}",
        subject=("code_batch", batch.id),
        now=now,
        change=(before, describe(batch)),
        reason=reason,
    )
