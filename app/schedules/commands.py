"""What an operator may do to schedules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from app.alerts.destination_commands import Clock, Name
from app.audit import journal
from app.audit.journal import Actor
from app.config import ZoneName
from app.deliveries import destination_commands
from app.deliveries import store as delivery_store
from app.deliveries.models import FileDestination
from app.errors import Conflict, Invalid
from app.schedules import calendar, store
from app.schedules.calendar import Cadence
from app.schedules.makers import Kinds, Maker
from app.schedules.models import Schedule, ScheduleRun

Every = Literal["day", "week", "month", "closing"]
CLOSING = "closing"

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class _Schedule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Every = "day"
    at: Clock = "06:00"
    """By the clock of ``time_zone``."""
    weekday: Annotated[int, Field(ge=0, le=6)] = 0
    """Of weeks; Monday is 0."""
    day: Annotated[int, Field(ge=1, le=28)] = 1
    """Of months."""
    time_zone: ZoneName = "Asia/Shanghai"
    destination_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=20)] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Of the kind's own model."""
    is_enabled: bool = True


class ScheduleSpec(_Schedule):
    """A whole schedule."""

    name: Name
    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,20}$")]
    destination_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=20)]


class ScheduleChange(_Schedule):
    """What to change; only fields that are given change."""


@dataclass(frozen=True, slots=True)
class By:
    """Who asks. ``owner`` is the name by which saved views know them."""

    actor: Actor
    owner: str
    now: datetime


def add(session: Session, spec: ScheduleSpec, *, kinds: Kinds, by: By) -> Schedule:
    """The new schedule.

    Raises:
        Conflict: one of that name exists (``schedule_exists``).
        Invalid: kind, parameters or cadence cannot be (``schedule_invalid`` and the maker's own).
        DestinationNotFound: a destination is not there.
    """
    row = {"name": spec.name, "kind": spec.kind, "owner": by.owner, "created_at": by.now}
    values = _checked(session, spec.kind, spec.model_dump(), kinds=kinds, owner=by.owner)
    row |= {name: values[name] for name in _COLUMNS}
    row |= {"next_at": _next_at(values, by.now), "watches_from": by.now}
    if not store.insert_if_new(session, row):
        raise Conflict(f"there is a schedule named {spec.name!r} already", code="schedule_exists")
    schedule = store.get_named(session, spec.name)
    _record(session, "add", schedule, (None, describe(schedule)), by)
    return schedule


def update(
    session: Session, schedule: Schedule, change: ScheduleChange, *, kinds: Kinds, by: By
) -> Schedule:
    """Change a schedule. A new time counts from now on: nothing is caught up for it.

    Raises:
        Invalid, DestinationNotFound: as for ``add``.
    """
    before = describe(schedule)
    was_on = schedule.is_enabled
    values = {name: getattr(schedule, name) for name in _COLUMNS}
    values |= {name: getattr(change, name) for name in change.model_fields_set}
    values = _checked(session, schedule.kind, values, kinds=kinds, owner=schedule.owner)
    for name in _COLUMNS:
        setattr(schedule, name, values[name])
    if change.model_fields_set & {"every", "at", "weekday", "day", "time_zone", "is_enabled"}:
        schedule.next_at = _next_at(values, by.now)
        schedule.watches_from = by.now if not was_on else schedule.watches_from
    session.flush()
    _record(session, "update", schedule, (before, describe(schedule)), by)
    return schedule


def remove(session: Session, schedule: Schedule, *, by: By) -> None:
    """Remove a schedule with its history; what it delivered stays where it is."""
    _record(session, "remove", schedule, (describe(schedule), None), by)
    store.delete(session, schedule)


def remove_destination(
    session: Session, destination: FileDestination, *, actor: Actor, now: datetime
) -> None:
    """Remove a destination with its secrets and everything that waits for it.

    Raises:
        Conflict: schedules send something there (``file_destination_in_use``).
    """
    if names := store.names_using(session, destination.id):
        raise Conflict(
            f"schedules send something there: {', '.join(names)}", code="file_destination_in_use"
        )
    destination_commands.remove(session, destination, actor=actor, now=now)


def cadence_of(schedule: Schedule) -> Cadence:
    """By which clock it runs; one that waits for closings has none."""
    return _cadence(
        {name: getattr(schedule, name) for name in ("every", "at", "time_zone", "weekday", "day")}
    )


def maker_of(kinds: Kinds, kind: str) -> Maker:
    """Who makes what is scheduled.

    Raises:
        Invalid: nobody, in this version (``schedule_invalid``).
    """
    maker = kinds.makers.get(kind)
    if maker is None:
        known = ", ".join(sorted(kinds.makers))
        raise Invalid(f"{kind!r} cannot be scheduled; {known} can", code="schedule_invalid")
    return maker


def parameters_of(maker: Maker, given: Mapping[str, Any]) -> BaseModel:
    """Raises: Invalid, naming what is wrong with them (``schedule_invalid``)."""
    try:
        return maker.parameters.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False)
        )
        raise Invalid(f"parameters: {problems}", code="schedule_invalid") from None


def describe(schedule: Schedule) -> dict[str, Any]:
    """The schedule as JSON."""
    return {
        "name": schedule.name,
        "kind": schedule.kind,
        "parameters": schedule.parameters,
        "every": schedule.every,
        "at": schedule.at,
        "weekday": schedule.weekday,
        "day": schedule.day,
        "time_zone": schedule.time_zone,
        "destination_ids": schedule.destination_ids,
        "is_enabled": schedule.is_enabled,
        "owner": schedule.owner,
        "next_at": None if schedule.next_at is None else schedule.next_at.isoformat(),
    }


def describe_run(run: ScheduleRun) -> dict[str, Any]:
    """The run as JSON."""
    return {
        "id": run.id,
        "period": run.period,
        "since": run.since.isoformat(),
        "until": run.until.isoformat(),
        "due_at": run.due_at.isoformat(),
        "asked_by": run.asked_by,
        "state": run.state,
        "error": run.error,
        "job_id": run.job_id,
        "delivery_ids": run.delivery_ids,
        "manifest": run.manifest,
        "started_at": None if run.started_at is None else run.started_at.isoformat(),
        "finished_at": None if run.finished_at is None else run.finished_at.isoformat(),
    }


_COLUMNS = (
    "parameters",
    "every",
    "at",
    "weekday",
    "day",
    "time_zone",
    "destination_ids",
    "is_enabled",
)


def _checked(
    session: Session, kind: str, values: dict[str, Any], *, kinds: Kinds, owner: str
) -> dict[str, Any]:
    """The values as they are kept."""
    maker = maker_of(kinds, kind)
    if values["every"] not in kinds.cadences:
        raise Invalid(
            f"every: one of {', '.join(kinds.cadences)}, in this version", code="schedule_invalid"
        )
    if maker.cadences is not None and values["every"] not in maker.cadences:
        raise Invalid(
            f"every: {kind} are made {', '.join(sorted(maker.cadences))} only",
            code="schedule_invalid",
        )
    parameters = parameters_of(maker, values["parameters"])
    maker.check(session, parameters, owner)
    ids = list(dict.fromkeys(values["destination_ids"]))
    if not ids:
        raise Invalid("destination_ids: it has to go somewhere", code="schedule_invalid")
    for destination_id in ids:
        delivery_store.get_destination(session, destination_id)
    return values | {"parameters": parameters.model_dump(mode="json"), "destination_ids": ids}


def _next_at(values: Mapping[str, Any], now: datetime) -> datetime | None:
    if not values["is_enabled"] or values["every"] == CLOSING:
        return None
    return calendar.next_after(_cadence(values), now)


def _cadence(values: Mapping[str, Any]) -> Cadence:
    every = "month" if values["every"] == CLOSING else values["every"]
    return Cadence(
        cast("calendar.Every", every),
        time.fromisoformat(values["at"]),
        ZoneInfo(values["time_zone"]),
        weekday=values["weekday"],
        day=values["day"],
    )


def _record(
    session: Session,
    verb: str,
    schedule: Schedule,
    change: tuple[dict[str, Any] | None, dict[str, Any] | None],
    by: By,
) -> None:
    journal.record(
        session,
        actor=by.actor,
        action=f"schedules.{verb}",
        subject=("schedule", schedule.id),
        now=by.now,
        change=change,
    )
