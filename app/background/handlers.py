"""Which kinds of background jobs there are, and what does each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.audit.journal import Actor
from app.background import (
    close_month,
    export,
    granting,
    mail_statements,
    rerate,
    rerate_preview,
    scheduled,
)
from app.background.task import Task
from app.jobs import commands
from app.jobs.commands import JobSpec
from app.jobs.models import BackgroundJob
from app.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Handler:
    """``run`` does the job and returns its JSON-safe result.

    It may be begun again at any point: what was done must not be done twice. A ``ServiceError``
    it raises fails the job for good, but for ``Unavailable``, which is tried again.
    """

    parameters: type[BaseModel]
    run: Callable[[Runtime, Task], dict[str, Any]]


HANDLERS: Mapping[str, Handler] = {
    granting.KIND: Handler(granting.Parameters, granting.run),
    rerate.KIND: Handler(rerate.Parameters, rerate.run),
    scheduled.KIND: Handler(scheduled.Parameters, scheduled.run),
    close_month.KIND: Handler(close_month.Parameters, close_month.run),
    mail_statements.KIND: Handler(mail_statements.Parameters, mail_statements.run),
    export.KIND: Handler(export.Parameters, export.run),
    rerate_preview.KIND: Handler(rerate.Choice, rerate_preview.run),
}


def enqueue(
    session: Session,
    kind: str,
    parameters: BaseModel,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
    operator_id: int | None = None,
) -> BackgroundJob:
    """Ask for a job of that kind; ``parameters`` are of the handler's own model."""
    if not isinstance(parameters, HANDLERS[kind].parameters):
        raise TypeError(f"{type(parameters).__name__} are no parameters of {kind}")
    spec = JobSpec(kind, parameters.model_dump(mode="json"), operator_id)
    return commands.enqueue(session, spec, actor=actor, now=now, reason=reason)
