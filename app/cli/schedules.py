"""``shareauth schedules``: what is made and sent regularly."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import click
from sqlalchemy.orm import Session

from app.background.periodic import enqueue_at
from app.cli.frame import Group, Report
from app.cli.inputs import given
from app.cli.output import card, local, table
from app.cli.session import Desk, validated, with_desk
from app.deliveries import store as delivery_store
from app.errors import Invalid, NotFound
from app.saved_views import store as view_store
from app.schedules import commands, report, running, store
from app.schedules.commands import By, ScheduleChange, ScheduleSpec
from app.schedules.kinds import KINDS
from app.schedules.models import Schedule

schedules = Group(
    "schedules",
    help="What is made and sent regularly: of the last whole day, week or month. A period that was "
    "missed while nothing ran is made once when it runs again. docs/deliveries.md tells more.",
)


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both add and update."""
    options = [
        click.option(
            "--view",
            type=int,
            metavar="N",
            help="Of a report: the saved view's number, the last part of its address.",
        ),
        click.option("--parameters", metavar="JSON", help="Of other kinds: what they take."),
        click.option("--every", type=click.Choice(KINDS.cadences), help="How often."),
        click.option("--at", metavar="HH:MM", help="When, by the clock of the time zone."),
        click.option("--weekday", type=click.IntRange(0, 6), help="Of weeks; Monday is 0."),
        click.option("--day", type=click.IntRange(1, 28), help="Of months."),
        click.option("--time-zone", metavar="ZONE", help="Whose days, weeks and months."),
        click.option("--to", "names", multiple=True, metavar="NAME", help="Destination; several."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@schedules.command(
    "add", example="shareauth schedules add daily --view 3 --every day --at 06:00 --to team"
)
@click.argument("name", help="What you call it; unique.")
@click.option(
    "--kind",
    type=click.Choice(sorted(KINDS.makers)),
    default=report.KIND,
    show_default=True,
    help="What is made.",
)
@_settings
@with_desk
def add(desk: Desk, name: str, kind: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Make and send something regularly."""
    zone = desk.settings.service.time_zone
    with desk.db.begin() as session:
        values = {"name": name, "kind": kind, "time_zone": zone, **_stated(desk, session, typed)}
        spec = validated(ScheduleSpec, values)
        owner = _owner(session, spec.parameters) or desk.actor.name
        made = commands.add(session, spec, kinds=KINDS, by=By(desk.actor, owner, desk.now))
        data = _described(made)
    return Report(data, [f"Schedule {name} is added.", card(data)])


@schedules.command("update", example="shareauth schedules update daily --at 07:30")
@click.argument("name", help="The schedule's name.")
@click.option("--on/--off", "is_enabled", default=None, help="Whether it runs.")
@_settings
@with_desk
def update(desk: Desk, name: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Change what is given and leave the rest."""
    with desk.db.begin() as session:
        change = validated(ScheduleChange, _stated(desk, session, typed))
        found = store.get_named(session, name)
        commands.update(session, found, change, kinds=KINDS, by=_by(desk))
        data = _described(found)
    return Report(data, [f"Schedule {name} is changed.", card(data)])


@schedules.command("list", example="shareauth schedules list")
@with_desk
def list_(desk: Desk) -> Report:
    """List schedules, when each runs next, and what became of its last run."""
    with desk.db.read() as session:
        found = store.list_schedules(session)
        last = store.last_runs(session, [one.id for one in found])
        names = {one.id: one.name for one in delivery_store.list_destinations(session)}
    rows = [
        {**_described(one), "last_run": commands.describe_run(last[one.id])}
        if one.id in last
        else {**_described(one), "last_run": None}
        for one in found
    ]
    zone = desk.settings.zone
    shown = table(
        ["name", "kind", "every", "at", "zone", "to", "on", "next", "last", "outcome"],
        [
            [
                one.name,
                one.kind,
                one.every,
                one.at,
                one.time_zone,
                [names.get(id_, "?") for id_ in one.destination_ids],
                one.is_enabled,
                local(one.next_at, zone),
                last[one.id].period if one.id in last else None,
                last[one.id].state if one.id in last else None,
            ]
            for one in found
        ],
        empty="Nothing is sent regularly yet: `shareauth schedules add --help` shows how.",
    )
    return Report({"schedules": rows}, [shown])


@schedules.command("show", example="shareauth schedules show daily")
@click.argument("name", help="The schedule's name.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, help="How many runs.")
@with_desk
def show(desk: Desk, name: str, limit: int) -> Report:
    """Show a schedule and its last runs."""
    with desk.db.read() as session:
        found = store.get_named(session, name)
        runs = [
            commands.describe_run(one) for one in store.list_runs(session, found.id, limit=limit)
        ]
        data = _described(found)
    shown = table(
        ["run>", "period", "state", "asked by", "deliveries", "error"],
        [
            [
                run["id"],
                run["period"],
                run["state"],
                run["asked_by"],
                run["delivery_ids"],
                run["error"],
            ]
            for run in runs
        ],
        empty="It never ran.",
    )
    return Report({**data, "runs": runs}, [card(data), "", shown])


@schedules.command("run", example="shareauth schedules run daily")
@click.argument("name", help="The schedule's name.")
@with_desk
def run(desk: Desk, name: str) -> Report:
    """Make and send the last whole period now, by a worker; anew, if it was made before."""
    with desk.db.begin() as session:
        found = store.get_named(session, name)
        made = running.run_now(
            session, found, enqueue=enqueue_at(desk.now), kinds=KINDS, by=_by(desk)
        )
        data = commands.describe_run(made)
    return Report(data, [f"A worker makes {data['period']}: shareauth jobs show {data['job_id']}"])


@schedules.command("remove", example="shareauth schedules remove daily")
@click.argument("name", help="The schedule's name.")
@with_desk
def remove(desk: Desk, name: str) -> Report:
    """Remove a schedule with its history; what it delivered stays."""
    with desk.db.begin() as session:
        commands.remove(session, store.get_named(session, name), by=_by(desk))
    return Report({"name": name}, [f"Schedule {name} is gone."])


def _by(desk: Desk) -> By:
    return By(desk.actor, desk.actor.name, desk.now)


def _stated(desk: Desk, session: Session, typed: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a spec that were typed."""
    plain = ("every", "at", "weekday", "day", "time_zone", "is_enabled")
    values = given(**{name: typed[name] for name in plain if name in typed})
    if typed["names"]:
        values["destination_ids"] = [
            delivery_store.get_destination_named(session, name).id for name in typed["names"]
        ]
    if typed["view"] is not None:
        values["parameters"] = {"view_id": typed["view"], "locale": desk.settings.service.locale}
    if typed["parameters"] is not None:
        try:
            values["parameters"] = json.loads(typed["parameters"])
        except ValueError:
            raise Invalid("--parameters: not JSON", code="schedule_invalid") from None
    return values


def _owner(session: Session, parameters: Mapping[str, Any]) -> str | None:
    """Whose view it is: the command line sees them all."""
    view_id = parameters.get("view_id")
    if not isinstance(view_id, int):
        return None
    view = view_store.find(session, view_id)
    if view is None:
        raise NotFound(f"there is no saved view {view_id}", code="saved_view_not_found")
    return view.operator_name


def _described(schedule: Schedule) -> dict[str, Any]:
    return {"id": schedule.id, **commands.describe(schedule)}
