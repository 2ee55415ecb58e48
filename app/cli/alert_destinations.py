"""``shareauth alerts destinations``: where alerts go."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from app.alarms import sending
from app.alarms.delivering import Post, send_test
from app.alerts import destination_commands as commands
from app.alerts import store
from app.alerts.conditions import CONDITIONS, SEVERITIES
from app.alerts.destination_commands import KINDS, DestinationChange, DestinationSpec
from app.alerts.models import Destination
from app.cli.frame import Group, Report
from app.cli.inputs import Duration, given
from app.cli.output import card, iso, table
from app.cli.session import Desk, validated, with_desk
from app.errors import Invalid, Unavailable
from app.i18n import LOCALES

ALWAYS = "always"

destinations = Group(
    "destinations",
    help="Where alerts go: webhooks signed as Standard Webhooks says, e-mail by the server of "
    "[mail] in the settings, and the group bots of WeCom, Feishu and DingTalk. Addresses and "
    "secrets are kept sealed and never shown again.",
)


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both add and update."""
    options = [
        click.option("--url", metavar="URL", help="Of a webhook or bot, with the bot's key in it."),
        click.option(
            "--to", "recipients", multiple=True, metavar="ADDRESS", help="Of an e-mail; several."
        ),
        click.option(
            "--secret-file",
            type=click.File("r"),
            metavar="FILE",
            help="File with the secret of a Feishu or DingTalk bot (- for stdin).",
        ),
        click.option("--locale", type=click.Choice(LOCALES), help="Language of its messages."),
        click.option(
            "--min-severity", type=click.Choice(SEVERITIES), help="Only alerts at least so bad."
        ),
        click.option(
            "--only",
            "conditions",
            type=click.Choice([*CONDITIONS, "all"]),
            multiple=True,
            help="Only alerts of these conditions; several, or all.",
        ),
        click.option(
            "--quiet",
            metavar="HH:MM-HH:MM",
            help="Hours in which only what is critical is sent; the rest waits. "
            f"'{ALWAYS}' lifts them.",
        ),
        click.option("--time-zone", metavar="ZONE", help="Whose clock the quiet hours go by."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@destinations.command(
    "add",
    example="shareauth alerts destinations add ops --kind webhook --url https://ops.example/hook\n"
    "shareauth alerts destinations add team --kind email --to ops@example.com "
    "--quiet 22:00-08:00",
)
@click.argument("name", help="What you call it; unique.")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="How it is spoken to.")
@_settings
@with_desk
def add(desk: Desk, name: str, kind: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Add a destination; a webhook's secret is shown now and never again."""
    service = desk.settings.service
    inherited = {"locale": service.locale, "time_zone": service.time_zone}
    values = {"name": name, "kind": kind, **inherited, **_stated(typed)}
    spec = validated(DestinationSpec, values)
    with desk.db.begin() as session:
        added = commands.add(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now)
        data = _described(added.destination)
    shown: list[object] = [f"Alerts go to {name}.", card(data)]
    if added.secret is not None:
        data["secret"] = added.secret
        shown += ["", f"Its receiver verifies signatures with: {added.secret}"]
    return Report(data, [*shown, f"Try it: shareauth alerts destinations test {name}"])


@destinations.command("update", example="shareauth alerts destinations update team --quiet always")
@click.argument("name", help="The destination's name.")
@click.option("--on/--off", "is_enabled", default=None, help="Send there, or keep what waits.")
@_settings
@with_desk
def update(desk: Desk, name: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Change what is given and leave the rest."""
    change = validated(DestinationChange, _stated(typed))
    with desk.db.begin() as session:
        found = store.get_destination(session, name)
        commands.update(session, found, change, keys=desk.keys, actor=desk.actor, now=desk.now)
        data = _described(found)
    return Report(data, [f"Destination {name} is changed.", card(data)])


@destinations.command("list", example="shareauth alerts destinations list")
@with_desk
def list_(desk: Desk) -> Report:
    """List where alerts go."""
    with desk.db.read() as session:
        rows = [_described(one) for one in store.list_destinations(session)]
    shown = table(
        ["name", "kind", "address", "on", "from", "only", "quiet", "language"],
        [
            [
                row["name"],
                row["kind"],
                row["address"],
                row["is_enabled"],
                row["min_severity"],
                row["conditions"],
                f"{row['quiet_from']}-{row['quiet_until']}" if row["quiet_from"] else None,
                row["locale"],
            ]
            for row in rows
        ],
        empty="Nobody is told yet: alerts are in `shareauth alerts list` only.",
    )
    return Report({"destinations": rows}, [shown])


@destinations.command("test", example="shareauth alerts destinations test team")
@click.argument("name", help="The destination's name.")
@with_desk
def test(desk: Desk, name: str) -> Report:
    """Send a test message now, and say whether it was taken."""
    post = Post(
        db=desk.db,
        send=sending.build(desk.settings, desk.keys),
        clock=lambda: datetime.now(UTC),
        on_sent=lambda _kind, _outcome: None,
    )
    verdict = send_test(post, name)
    if verdict.error is not None:
        raise Unavailable(f"{name} did not take it: {verdict.error}", code="not_delivered")
    return Report({"name": name, "is_delivered": True}, [f"{name} has taken a test message."])


@destinations.command(
    "rotate-secret", example="shareauth alerts destinations rotate-secret ops --overlap 2d"
)
@click.argument("name", help="The destination's name.")
@click.option(
    "--overlap",
    type=Duration(),
    default="1d",
    show_default=True,
    help="How long the old secret signs beside the new one.",
)
@with_desk
def rotate_secret(desk: Desk, name: str, overlap: timedelta) -> Report:
    """Give a webhook a new secret, shown now and never again."""
    with desk.db.begin() as session:
        secret = commands.rotate_secret(
            session,
            store.get_destination(session, name),
            overlap_s=int(overlap.total_seconds()),
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
        )
    return Report({"name": name, "secret": secret}, [f"The new secret of {name}: {secret}"])


@destinations.command("remove", example="shareauth alerts destinations remove team")
@click.argument("name", help="The destination's name.")
@with_desk
def remove(desk: Desk, name: str) -> Report:
    """Remove a destination with its secrets and all messages that wait for it."""
    with desk.db.begin() as session:
        found = store.get_destination(session, name)
        commands.remove(session, found, actor=desk.actor, now=desk.now)
    return Report({"name": name}, [f"Alerts no longer go to {name}."])


def _stated(typed: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a spec that were typed."""
    plain = ("url", "locale", "min_severity", "time_zone", "is_enabled")
    values = given(**{name: typed[name] for name in plain if name in typed})
    if typed["recipients"]:
        values["recipients"] = typed["recipients"]
    if typed["secret_file"] is not None:
        values["secret"] = typed["secret_file"].read().strip()
    if typed["conditions"]:
        values["conditions"] = None if "all" in typed["conditions"] else typed["conditions"]
    if typed["quiet"] is not None:
        values |= _quiet(typed["quiet"])
    return values


def _quiet(text: str) -> dict[str, object]:
    if text == ALWAYS:
        return {"quiet_from": None, "quiet_until": None}
    begin, sign, end = text.partition("-")
    if not sign:
        raise Invalid(f"{text!r} are no hours such as 22:00-08:00")
    return {"quiet_from": begin.strip(), "quiet_until": end.strip()}


def _described(destination: Destination) -> dict[str, Any]:
    data = commands.describe(destination)
    return {"id": destination.id, **data, "created_at": iso(destination.created_at)}
