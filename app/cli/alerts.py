"""``shareauth alerts``: what needs somebody, and who is told of it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import click

from app.alerts import destination_commands, payload, rule_commands, store, texts
from app.alerts.conditions import CONDITIONS, DEFAULTS, SEVERITIES, Condition, Rule
from app.alerts.models import Alert, Delivery
from app.alerts.rule_commands import RuleChange
from app.cli.alert_destinations import destinations
from app.cli.frame import Group, Report
from app.cli.inputs import Duration, given
from app.cli.output import card, iso, local, table
from app.cli.session import Desk, validated, with_desk
from app.errors import Invalid

alerts = Group(
    "alerts",
    help="What needs somebody: low balances, used up budgets, unusual spending, refusals, a spool "
    "that does not drain, findings, and more. All of it is watched from the start; it is told to "
    "the destinations you add. docs/alerts.md explains each condition.",
)
alerts.add_command(destinations)


@alerts.command("list", example="shareauth alerts list --all --condition budget")
@click.option("--all", "with_resolved", is_flag=True, help="Also those that are over.")
@click.option("--condition", type=click.Choice(CONDITIONS), help="Only these.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many."
)
@click.option("--before", "before_id", type=int, metavar="ID", help="Only alerts before this one.")
@with_desk
def list_(desk: Desk, *, limit: int, **wanted: Any) -> Report:  # noqa: ANN401 - the options above
    """List alerts, newest first."""
    with desk.db.read() as session:
        found = store.list_alerts(session, limit=limit, **wanted)
    older = found[-1].id if len(found) == limit else None
    shown = table(
        ["id>", "severity", "since", "until", "what"],
        [_alert_row(desk, alert) for alert in found],
        empty="No alert is open." if not wanted["with_resolved"] else "There was no alert yet.",
    )
    more = [f"Older ones: --before {older}"] if older else []
    data = [payload.describe(alert) for alert in found]
    return Report({"alerts": data, "next": older}, [shown, *more])


def _alert_row(desk: Desk, alert: Alert) -> list[object]:
    zone = desk.settings.zone
    return [
        alert.id,
        alert.severity,
        local(alert.opened_at, zone),
        local(alert.resolved_at, zone),
        texts.summary(payload.describe(alert), "en"),
    ]


@alerts.command("rules", example="shareauth alerts rules")
@with_desk
def rules(desk: Desk) -> Report:
    """List the rules: what is watched, and from where on it is told."""
    with desk.db.read() as session:
        found = rule_commands.load(session).all()
    rows = [rule_commands.describe(rule) for rule in found]
    shown = table(
        ["condition", "of", "watched", "severity", "again after", "thresholds", "changed"],
        [
            [
                rule.condition,
                rule.subject or "all",
                rule.is_enabled,
                rule.severity,
                str(rule.repeat_after) if rule.repeat_after else "never",
                row["thresholds"],
                not rule.is_default,
            ]
            for rule, row in zip(found, rows, strict=True)
        ],
        empty="",
    )
    return Report({"rules": rows}, [shown])


rule_group = Group("rule", help="Change from where on something is told, or stop watching it.")
alerts.add_command(rule_group)


_CONDITION = click.argument("condition", type=click.Choice(CONDITIONS), help="What is watched.")


def _named(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which rule is meant."""
    of = click.option(
        "--of",
        "subject",
        default="",
        metavar="SUBJECT",
        help="Only for user:ID or link:ID (low_balance: users; unusual_spend and budget: both).",
    )
    return click.argument("condition", type=click.Choice(CONDITIONS), help="What is watched.")(
        of(function)
    )


@rule_group.command(
    "set", example="shareauth alerts rule set low_balance --set below=50 --severity warning"
)
@_named
@click.option("--on/--off", "is_enabled", default=None, help="Watch it, or stop watching it.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="How bad it is.")
@click.option(
    "--repeat-after", type=Duration(), help="Tell again when it stays open so long; 0s: never."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A threshold, such as below=50 or percents=50,80,100; `alerts rules` shows their names.",
)
@with_desk
def set_(
    desk: Desk,
    condition: Condition,
    subject: str,
    repeat_after: timedelta | None,
    settings: tuple[str, ...],
    **typed: Any,  # noqa: ANN401 - the options above
) -> Report:
    """Change what is given and leave the rest; it holds from the next look on."""
    values = given(**typed)
    if repeat_after is not None:
        values["repeat_after_s"] = int(repeat_after.total_seconds())
    values["thresholds"] = _thresholds(condition, settings)
    change = validated(RuleChange, values)
    with desk.db.begin() as session:
        rule = rule_commands.set_rule(
            session, condition, change, subject=subject, actor=desk.actor, now=desk.now
        )
    return _rule_report(rule, f"The rule of {condition} is changed.")


@rule_group.command("reset", example="shareauth alerts rule reset low_balance")
@_named
@with_desk
def reset(desk: Desk, condition: Condition, subject: str) -> Report:
    """Forget what was changed about a rule."""
    with desk.db.begin() as session:
        rule = rule_commands.reset_rule(
            session, condition, subject=subject, actor=desk.actor, now=desk.now
        )
    return _rule_report(rule, f"The rule of {condition} is as it was.")


def _rule_report(rule: Rule, said: str) -> Report:
    data = rule_commands.describe(rule)
    return Report(data, [said, card(data)])


def _thresholds(condition: Condition, settings: tuple[str, ...]) -> dict[str, object]:
    """What was typed, as the condition's own model reads it."""
    fields = DEFAULTS[condition].thresholds.model_dump()
    found: dict[str, object] = {}
    for text in settings:
        name, sign, value = text.partition("=")
        if not sign or name not in fields:
            known = ", ".join(fields) or "none"
            raise Invalid(f"{text!r} is no threshold of {condition}; it has {known}")
        is_list = isinstance(fields[name], tuple)
        found[name] = [part.strip() for part in value.split(",") if part] if is_list else value
    return found


@alerts.command("deliveries", example="shareauth alerts deliveries --status dead")
@click.option("--to", "destination", metavar="NAME", help="Only to this destination.")
@click.option(
    "--status",
    type=click.Choice(["pending", "delivered", "dead", "skipped", "folded"]),
    help="Only these; dead: tried for a day and given up.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many."
)
@click.option("--before", "before_id", type=int, metavar="ID", help="Only those before this one.")
@with_desk
def deliveries(
    desk: Desk,
    *,
    destination: str | None,
    status: str | None,
    limit: int,
    before_id: int | None,
) -> Report:
    """List messages and what became of them, newest first."""
    with desk.db.read() as session:
        names = {one.id: one.name for one in store.list_destinations(session)}
        to = None if destination is None else store.get_destination(session, destination).id
        found = store.list_deliveries(
            session, destination_id=to, status=status, before_id=before_id, limit=limit
        )
    older = found[-1].id if len(found) == limit else None
    rows = [_delivery(one, names) for one in found]
    zone = desk.settings.zone
    shown = table(
        ["id>", "to", "event", "alert>", "status", "attempts>", "due", "error"],
        [
            [
                one.id,
                row["destination"],
                one.event,
                one.alert_id,
                one.status,
                one.attempts,
                local(one.due_at, zone),
                one.error,
            ]
            for one, row in zip(found, rows, strict=True)
        ],
        empty="No message was written yet, or none that matches.",
    )
    more = [f"Older ones: --before {older}"] if older else []
    return Report({"deliveries": rows, "next": older}, [shown, *more])


@alerts.command("replay", example="shareauth alerts replay 17")
@click.argument("delivery_id", type=int, metavar="ID", help="Of the delivery.")
@with_desk
def replay(desk: Desk, delivery_id: int) -> Report:
    """Send a message again, under the same id: a dead one, or one the receiver has lost."""
    with desk.db.begin() as session:
        delivery = store.get_delivery(session, delivery_id)
        destination_commands.replay(session, delivery, actor=desk.actor, now=desk.now)
        names = {one.id: one.name for one in store.list_destinations(session)}
        data = _delivery(delivery, names)
    return Report(data, [f"Delivery {delivery_id} is sent again within seconds, by the worker."])


def _delivery(delivery: Delivery, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "message_id": delivery.message_id,
        "destination": names.get(delivery.destination_id),
        "alert": delivery.alert_id,
        "event": delivery.event,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "due_at": iso(delivery.due_at),
        "attempted_at": iso(delivery.attempted_at),
        "finished_at": iso(delivery.finished_at),
        "error": delivery.error,
        "payload": delivery.payload,
    }
