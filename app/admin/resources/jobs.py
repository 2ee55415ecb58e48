"""Long work that a worker process does, and how far it is."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Number, Reason, Text
from app.admin.paging import Page, PageQuery
from app.background import handlers
from app.background.rerate import KIND as RERATE
from app.background.rerate import Parameters
from app.jobs import commands, store
from app.jobs.models import BackgroundJob
from app.moments import Moment

State = Literal["queued", "running", "done", "failed", "cancelled"]


class JobOut(BaseModel):
    """One piece of long work."""

    id: int
    kind: str
    parameters: dict[str, Any]
    asked_by: str
    state: State
    is_stopping: bool = Field(description="It was cancelled and is at its last step.")
    done: int
    total: int | None = Field(description="Of what `done` counts; null while nobody knows.")
    message: str | None = Field(description="What it is at, or why it failed.")
    result: dict[str, Any] | None
    error_code: str | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None = Field(description="When its worker was last heard of.")
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.state in store.FINISHED

    @classmethod
    def of(cls, job: BackgroundJob) -> Self:
        return cls.model_validate(commands.describe(job))


class JobPage(Page[JobOut]):
    """Jobs."""


class JobQuery(PageQuery):
    """Which jobs."""

    state: State | None = None
    kind: Annotated[Text | None, Field(description="Such as `rerate`.")] = None
    asked_by: Annotated[Text | None, Field(description="Of the operator of this name.")] = None


class RerateParameters(Parameters):
    """Which answers are priced again, and by which version.

    `expect` is the digest of the preview that was looked at: what would be booked must be exactly
    that, so asking twice books nothing twice.
    """

    since: Moment
    until: Moment
    link_id: Number | None = None
    user_id: Number | None = None
    price: Annotated[int, Field(ge=1, lt=2**63)] | Literal["in-force"]
    reason: Reason
    expect: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]


class NewJob(BaseModel):
    """Long work to begin. Answers priced again are the one kind there is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["rerate"]
    parameters: RerateParameters


class JobReason(BaseModel):
    """Why a job is cancelled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason | None = None


def index(desk: Desk, query: JobQuery) -> JobPage:
    """Newest first."""
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        jobs = store.list_page(
            session,
            state=query.state,
            kind=query.kind,
            asked_by=query.asked_by,
            before_id=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(jobs, query.limit, shown=JobOut.of, at=lambda job: paging.cursor(job.id))
    return JobPage(items=page.items, next=page.next)


def show(desk: Desk, job_id: int) -> JobOut:
    paging.check_number(job_id, store.JobNotFound.code)
    with desk.db.read() as session:
        return JobOut.of(store.get(session, job_id))


def create(desk: Desk, new: NewJob) -> JobOut:
    with desk.db.begin() as session:
        job = handlers.enqueue(
            session,
            RERATE,
            new.parameters,
            actor=desk.actor,
            now=desk.now,
            reason=new.parameters.reason,
            operator_id=desk.caller.operator_id,
        )
        return JobOut.of(job)


def cancel(desk: Desk, job_id: int, reason: str | None) -> JobOut:
    """Raises: ``job_not_found``, ``job_finished``."""
    paging.check_number(job_id, store.JobNotFound.code)
    with desk.db.begin() as session:
        job = commands.cancel(session, job_id, actor=desk.actor, now=desk.now, reason=reason)
        return JobOut.of(job)
