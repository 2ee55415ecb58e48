"""What is made and sent regularly, as the API and the pages show and change it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.admin import paging, versions
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.background.periodic import enqueue_at
from app.deliveries import store as delivery_store
from app.schedules import commands, running, store
from app.schedules.commands import By, Every, ScheduleChange, ScheduleSpec
from app.schedules.kinds import KINDS
from app.schedules.models import Schedule, ScheduleRun

RunState = Literal["queued", "running", "done", "failed"]


class RunOut(BaseModel):
    """One period of a schedule."""

    id: int
    period: str
    since: datetime
    until: datetime
    due_at: datetime
    asked_by: str
    state: RunState = Field(description="Of making the files; deliveries have their own.")
    error: str | None
    job_id: int | None
    delivery_ids: list[int]
    manifest: dict[str, Any] | None
    started_at: datetime | None
    finished_at: datetime | None
    deliveries: dict[str, str] = Field(description="By its number, the state of each delivery.")

    @classmethod
    def of(cls, run: ScheduleRun, states: Mapping[int, str]) -> Self:
        known = {str(one): states[one] for one in run.delivery_ids if one in states}
        return cls(**commands.describe_run(run), deliveries=known)


class ScheduleOut(BaseModel):
    """Something that is made at certain times and sent somewhere."""

    id: int
    name: str
    kind: str
    parameters: dict[str, Any]
    every: Every
    at: str
    weekday: int = Field(description="Of weeks; Monday is 0.")
    day: int = Field(description="Of months.")
    time_zone: str
    destination_ids: list[int]
    is_enabled: bool
    owner: str = Field(description="Whose saved views it may use.")
    next_at: datetime | None
    last_run: RunOut | None

    @classmethod
    def of(cls, one: Schedule, last: ScheduleRun | None, states: Mapping[int, str]) -> Self:
        run = None if last is None else RunOut.of(last, states)
        return cls(id=one.id, **commands.describe(one), last_run=run)


class SchedulePage(Page[ScheduleOut]):
    """Schedules, by name."""


class RunPage(Page[RunOut]):
    """Runs of a schedule, newest first."""


class KindOut(BaseModel):
    """Something that can be scheduled."""

    kind: str
    parameters: dict[str, Any] = Field(description="JSON Schema of its parameters.")


class KindsOut(BaseModel):
    """What can be scheduled, and how often."""

    kinds: list[KindOut]
    cadences: list[str]


def kinds(desk: Desk) -> KindsOut:
    del desk
    return KindsOut(
        kinds=[
            KindOut(kind=name, parameters=maker.parameters.model_json_schema())
            for name, maker in KINDS.makers.items()
        ],
        cadences=list(KINDS.cadences),
    )


def index(desk: Desk) -> SchedulePage:
    """There are few: all of them are one page."""
    with desk.db.read() as session:
        found = store.list_schedules(session)
        last = store.last_runs(session, [one.id for one in found])
        states = _states(session, last.values())
        return SchedulePage(items=[ScheduleOut.of(one, last.get(one.id), states) for one in found])


def show(desk: Desk, schedule_id: int) -> ScheduleOut:
    with desk.db.read() as session:
        return _shown(session, store.get(session, schedule_id))


def add(desk: Desk, spec: ScheduleSpec) -> ScheduleOut:
    _check_permission(desk, spec.kind, spec.parameters)
    with desk.db.begin() as session:
        return _shown(session, commands.add(session, spec, kinds=KINDS, by=_by(desk)))


def update(desk: Desk, schedule_id: int, change: ScheduleChange) -> ScheduleOut:
    with desk.db.begin() as session:
        found = store.get(session, schedule_id)
        _check_permission(desk, found.kind, found.parameters)
        if "parameters" in change.model_fields_set:
            _check_permission(desk, found.kind, change.parameters)
        versions.check(commands.describe(found))
        commands.update(session, found, change, kinds=KINDS, by=_by(desk))
        return _shown(session, found)


def remove(desk: Desk, schedule_id: int) -> str:
    """The name of what is no longer there."""
    with desk.db.begin() as session:
        found = store.get(session, schedule_id)
        name = found.name
        commands.remove(session, found, by=_by(desk))
    return name


def run_now(desk: Desk, schedule_id: int) -> RunOut:
    with desk.db.begin() as session:
        found = store.get(session, schedule_id)
        _check_permission(desk, found.kind, found.parameters)
        made = running.run_now(
            session, found, enqueue=enqueue_at(desk.now), kinds=KINDS, by=_by(desk)
        )
        return RunOut.of(made, _states(session, [made]))


def run_again(desk: Desk, run_id: int) -> RunOut:
    with desk.db.begin() as session:
        found = store.get_run(session, run_id)
        schedule = store.get(session, found.schedule_id)
        _check_permission(desk, schedule.kind, schedule.parameters)
        made = running.run_again(session, found, enqueue=enqueue_at(desk.now), by=_by(desk))
        return RunOut.of(made, _states(session, [made]))


def runs(desk: Desk, schedule_id: int, query: PageQuery) -> RunPage:
    before = paging.position(query.cursor, int)
    with desk.db.read() as session:
        store.get(session, schedule_id)
        found = store.list_runs(
            session,
            schedule_id,
            before_id=None if before is None else int(before[0]),
            limit=query.limit + 1,
        )
        states = _states(session, found)
    shown = paging.page(
        found,
        query.limit,
        shown=lambda one: RunOut.of(one, states),
        at=lambda one: paging.cursor(one.id),
    )
    return RunPage(items=shown.items, next=shown.next)


def _states(session: Session, found: Any) -> dict[int, str]:  # noqa: ANN401 - any runs
    ids = {one for run in found for one in run.delivery_ids}
    return {one.id: one.status for one in delivery_store.list_by_ids(session, ids)}


def _check_permission(desk: Desk, kind: str, parameters: Mapping[str, Any]) -> None:
    """Raises: NotPermitted, when they may not see what is made; Invalid, when nobody makes it."""
    maker = commands.maker_of(KINDS, kind)
    desk.check_permissions(maker.permission(commands.parameters_of(maker, parameters)))


def _by(desk: Desk) -> By:
    return By(desk.actor, desk.caller.name, desk.now)


def _shown(session: Session, schedule: Schedule) -> ScheduleOut:
    versions.show(commands.describe(schedule))
    last = store.last_runs(session, [schedule.id]).get(schedule.id)
    states = _states(session, [] if last is None else [last])
    return ScheduleOut.of(schedule, last, states)
