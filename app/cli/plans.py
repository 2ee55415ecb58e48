"""``shareauth plans``: what a kind of visitor may do, and how far they may owe."""

from collections.abc import Callable
from typing import Any

import click

from app.cli.frame import Group, Report
from app.cli.inputs import Amount, Limit, Number, changed_limits
from app.cli.output import card, iso, table
from app.cli.session import Desk, validated, with_desk
from app.limits import VisitorLimits
from app.money import from_nano
from app.plans import commands, store
from app.plans.commands import PlanChange, PlanSpec
from app.plans.models import Plan

LIMIT = Limit(VisitorLimits)
NO_LIMIT = "unlimited"

plans = Group(
    "plans",
    help="Plans say what a visitor may do and owe. Users without one have the plan `default`, "
    "guests the plan `guest`; both are made by `db upgrade` and may be changed. A link's "
    "visitor limits override the plan's, a user's own override both.",
)


class Credit(Amount):
    """An amount, or ``unlimited``."""

    name = "credit"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 - an amount or the word
        return value if value == NO_LIMIT else super().convert(value, param, ctx)


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both create and update."""
    options = [
        click.option(
            "--limit",
            "limits",
            type=LIMIT,
            multiple=True,
            metavar="LIMIT",
            help=f"What each visitor may do. {LIMIT.explained}",
        ),
        click.option(
            "--credit",
            type=Credit(),
            metavar="AMOUNT",
            help="How far below zero a wallet may go: 0 is prepaid, `unlimited` is without end.",
        ),
        click.option(
            "--multiplier",
            type=Number(),
            metavar="FACTOR",
            help="Charges are multiplied by it; 0 makes the plan free.",
        ),
        click.option(
            "--monthly-credit",
            type=Amount(),
            metavar="AMOUNT",
            help="Granted to each of its users every month; what is left expires at its end.",
        ),
        click.option(
            "--monthly-priority",
            type=click.IntRange(0, 99),
            metavar="N",
            help="Of the monthly credit among other grants: the lowest is spent first.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@plans.command(
    "create",
    example="shareauth plans create staff --limit questions-per-day=200 --credit 50",
)
@click.argument("name", help="What you call it; unique.")
@_settings
@with_desk
def create(desk: Desk, name: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Create a plan: prepaid and without limits unless the options say otherwise."""
    spec = validated(PlanSpec, {"name": name, **_stated(None, typed)})
    with desk.change() as session:
        data = _described(commands.create(session, spec, actor=desk.actor, now=desk.now))
    return Report(data, [f"Plan {name} is ready.", card(data)])


@plans.command("update", example="shareauth plans update default --limit questions-per-minute=10")
@click.argument("plan", help="The plan's name.")
@_settings
@with_desk
def update(desk: Desk, plan: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Change what is given and leave the rest; it holds from the next question on."""
    with desk.change() as session:
        found = store.get_by_name(session, plan)
        change = validated(PlanChange, _stated(found, typed))
        data = _described(commands.update(session, found, change, actor=desk.actor, now=desk.now))
    return Report(data, [f"Plan {plan} is changed.", card(data)])


@plans.command("list", example="shareauth plans list")
@with_desk
def list_(desk: Desk) -> Report:
    """List all plans."""
    with desk.db.read() as session:
        rows = [_described(plan) for plan in store.list_all(session)]
    shown = table(
        ["name", "credit limit>", "multiplier>", "limits"],
        [
            [
                row["name"],
                NO_LIMIT if row["credit_limit"] is None else row["credit_limit"],
                row["price_multiplier"],
                row["limits"],
            ]
            for row in rows
        ],
        empty="There is no plan: `shareauth db upgrade` makes the two that are always needed.",
    )
    return Report({"plans": rows}, [shown])


@plans.command("show", example="shareauth plans show default")
@click.argument("plan", help="The plan's name.")
@with_desk
def show(desk: Desk, plan: str) -> Report:
    """Show one plan."""
    with desk.db.read() as session:
        data = _described(store.get_by_name(session, plan))
    return Report(data, [card(data)])


def _stated(plan: Plan | None, typed: dict[str, Any]) -> dict[str, object]:
    """The fields of a spec that were typed; limits are changed, not replaced."""
    values: dict[str, object] = {}
    if typed["limits"]:
        values["limits"] = changed_limits(plan.limits if plan else {}, typed["limits"])
    if (credit := typed["credit"]) is not None:
        values["credit_limit"] = None if credit == NO_LIMIT else from_nano(credit)
    if typed["multiplier"] is not None:
        values["price_multiplier"] = typed["multiplier"]
    if typed["monthly_credit"] is not None:
        values["monthly_credit"] = from_nano(typed["monthly_credit"])
    if typed["monthly_priority"] is not None:
        values["monthly_priority"] = typed["monthly_priority"]
    return values


def _described(plan: Plan) -> dict[str, Any]:
    return {"id": plan.id, **commands.describe(plan), "created_at": iso(plan.created_at)}
