"""``prices rerate apply`` as a background job.

What the job booked so far is noted in the transaction of each page, so that its sums are exact
however often it is interrupted.
"""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.background.task import Task
from app.jobs.leases import Progress
from app.money import format_nano
from app.rerating import apply as booking
from app.rerating.apply import Booked, Order
from app.rerating.preview import Preview, preview
from app.rerating.selection import Selection
from app.runtime import Runtime

KIND = "rerate"


class Choice(BaseModel):
    """What is priced again by which version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: AwareDatetime
    until: AwareDatetime
    link_id: int | None = None
    user_id: int | None = None
    price: int | Literal["in-force"]

    @property
    def selection(self) -> Selection:
        return Selection(
            since=self.since, until=self.until, link_id=self.link_id, user_id=self.user_id
        )


class Parameters(Choice):
    """And why.

    ``expect`` is the digest of the preview that was looked at; anything else is refused.
    """

    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    expect: str
    allow_negative: bool = False


@dataclass(frozen=True, slots=True)
class _SoFar:
    """What is noted after each page; amounts in nano-units.

    ``last_event`` bounds the run to the answers that its preview saw.
    """

    run: str
    last_event: int
    changes: int
    adjustments: int = 0
    amount: int = 0

    def plus(self, booked: Booked) -> Self:
        return replace(
            self,
            adjustments=self.adjustments + booked.adjustments,
            amount=self.amount + booked.amount,
        )

    def progress(self) -> Progress:
        return Progress(
            done=self.adjustments, total=self.changes, message="booking", saved=asdict(self)
        )


def run(runtime: Runtime, task: Task) -> dict[str, Any]:
    """Book the differences and tell the gate; the run's digest, adjustments and their sum.

    Raises:
        PreviewChanged: what would be booked is not what was looked at.
        WalletsBelowZero: wallets would fall below zero, and they may not.
        PriceVersionNotFound: there is no such version.
    """
    asked = Parameters.model_validate(task.parameters)
    found, so_far = _begin(runtime, task, asked)

    def note(session: Session, booked: Booked) -> None:
        task.advance(session, so_far.plus(booked).progress())

    order = Order(so_far.run, runtime.settings.billing.currency, asked.reason)
    for booked in booking.apply(
        runtime.db, found, order, actor=task.actor, now=task.clock(), alongside=note
    ):
        so_far = so_far.plus(booked)
        runtime.gate.set_balance(booked.user_id, booked.balance, booked.version)
    return {
        "run": so_far.run,
        "adjustments": so_far.adjustments,
        "amount": format_nano(so_far.amount),
        "currency": order.currency,
    }


def _begin(runtime: Runtime, task: Task, asked: Parameters) -> tuple[Preview, _SoFar]:
    """What is to be booked, and what an attempt before this one has booked of it."""
    if task.saved is not None:
        so_far = _SoFar(**task.saved)
        return _bounded(_find(runtime, asked, run=so_far.run), so_far.last_event), so_far
    found = _find(runtime, asked, run=asked.expect)
    booking.check(found, expect=asked.expect, allow_negative=asked.allow_negative)
    last_event = found.quest.selection.last_event or 0
    so_far = _SoFar(found.digest, last_event, changes=found.total("changes"))
    task.report(so_far.progress())
    return found, so_far


def _find(runtime: Runtime, asked: Parameters, *, run: str) -> Preview:
    return preview(runtime.db, asked.selection, asked.price, zone=runtime.settings.zone, run=run)


def _bounded(found: Preview, last_event: int) -> Preview:
    """Without the answers that came after the preview that was looked at."""
    quest = found.quest
    bounded = replace(quest, selection=replace(quest.selection, last_event=last_event))
    return replace(found, quest=bounded)
