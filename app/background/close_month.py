"""Closing a month as a background job: it goes on wherever an attempt before it was left."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.background.task import Task
from app.closings import closing, preview, store
from app.closings.closing import MonthClosed, Step
from app.closings.months import month_text
from app.closings.ordering import order_of
from app.jobs.leases import Progress
from app.money import format_nano
from app.runtime import Runtime

KIND = "close_month"


class Parameters(BaseModel):
    """Which month, and why. ``insist``: over what should be looked at before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    month: Annotated[int, Field(ge=197101, le=899912)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    insist: bool = False


def run(runtime: Runtime, task: Task) -> dict[str, Any]:
    """Close the month; what was frozen.

    Raises:
        Obstructed: something should be looked at before.
        MonthClosed, MonthOutOfOrder, MonthNotOver, ClosingUnderWay, BooksDiffer: see ``close``.
    """
    asked = Parameters.model_validate(task.parameters)
    order = order_of(
        runtime.settings, asked.month, actor=task.actor, now=task.clock(), reason=asked.reason
    )
    was_begun = bool(task.saved)
    if not asked.insist and not was_begun:
        spool = runtime.spool.status()
        with runtime.db.read() as session:
            preview.check_obstacles(session, order, spool)

    def note(session: Session, step: Step) -> None:
        saved = {"statements": step.statements}
        task.advance(session, Progress(step.done, step.total, "freezing statements", saved))

    try:
        for _ in closing.close(runtime.db, order, alongside=note):
            pass
    except MonthClosed:
        if not was_begun:  # else the attempt before had ended before it could say so
            raise
    with runtime.db.read() as session:
        closed = store.get(session, asked.month)
    return {
        "month": month_text(closed.month),
        "statements": closed.statements,
        "closing": format_nano(closed.closing),
        "hash": closed.hash,
    }
