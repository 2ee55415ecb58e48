"""``shareauth destinations``: where finished files go."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import click

from app.cli.frame import Group, Report
from app.cli.inputs import Duration, given
from app.cli.output import card, iso, table
from app.cli.session import Desk, validated, with_desk
from app.deliveries import destination_commands as commands
from app.deliveries import sending, store
from app.deliveries.destination_commands import KINDS, DestinationChange, DestinationSpec
from app.deliveries.models import FileDestination
from app.errors import ServiceError, Unavailable
from app.i18n import LOCALES
from app.schedules.commands import remove_destination

destinations = Group(
    "destinations",
    help="Where finished files go: directories, S3-compatible storage, webhooks signed as Standard "
    "Webhooks says, and mailboxes. Secrets are kept sealed and never shown again. "
    "docs/deliveries.md has worked set-ups.",
)
_PLAIN = ("path", "endpoint", "region", "bucket", "prefix", "access_key", "url", "locale")


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both add and update."""
    options = [
        click.option("--path", help="Of a directory: below deliveries.root of the settings."),
        click.option("--endpoint", metavar="URL", help="Of S3-compatible storage; without: AWS."),
        click.option("--region", help="Of the bucket."),
        click.option("--bucket", help="Name of the bucket; it must be there."),
        click.option("--prefix", help="Keys in the bucket begin with it and a slash."),
        click.option("--access-key", help="Id of the key that opens the storage."),
        click.option(
            "--secret-key-file",
            type=click.File("r"),
            metavar="FILE",
            help="File with the secret of that key (- for stdin).",
        ),
        click.option("--url", metavar="URL", help="Of a webhook."),
        click.option(
            "--to", "recipients", multiple=True, metavar="ADDRESS", help="Of mail; several."
        ),
        click.option("--locale", type=click.Choice(LOCALES), help="Language of its mail."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@destinations.command(
    "add",
    example="shareauth destinations add disk --kind directory --path finance\n"
    "shareauth destinations add minio --kind s3 --endpoint https://minio.example.com:9000 "
    "--bucket reports --access-key AKIA… --secret-key-file key.txt\n"
    "shareauth destinations add team --kind mail --to finance@example.com",
)
@click.argument("name", help="What you call it; unique.")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What it is.")
@_settings
@with_desk
def add(desk: Desk, name: str, kind: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Add a destination; a webhook's secret is shown now and never again."""
    values = {"name": name, "kind": kind, "locale": desk.settings.service.locale, **_stated(typed)}
    spec = validated(DestinationSpec, values)
    with desk.db.begin() as session:
        added = commands.add(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now)
        data = _described(added.destination)
    shown: list[object] = [f"Files can go to {name}.", card(data)]
    if added.secret is not None:
        data["secret"] = added.secret
        shown += ["", f"Its receiver verifies signatures with: {added.secret}"]
    return Report(data, [*shown, f"Try it: shareauth destinations test {name}"])


@destinations.command("update", example="shareauth destinations update minio --prefix 2026")
@click.argument("name", help="The destination's name.")
@click.option("--on/--off", "is_enabled", default=None, help="Send there, or keep what waits.")
@_settings
@with_desk
def update(desk: Desk, name: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Change what is given and leave the rest."""
    change = validated(DestinationChange, _stated(typed))
    with desk.db.begin() as session:
        found = store.get_destination_named(session, name)
        commands.update(session, found, change, keys=desk.keys, actor=desk.actor, now=desk.now)
        data = _described(found)
    return Report(data, [f"Destination {name} is changed.", card(data)])


@destinations.command("list", example="shareauth destinations list")
@with_desk
def list_(desk: Desk) -> Report:
    """List where files go."""
    with desk.db.read() as session:
        rows = [_described(one) for one in store.list_destinations(session)]
    shown = table(
        ["name", "kind", "address", "on"],
        [[row["name"], row["kind"], row["address"], row["is_enabled"]] for row in rows],
        empty="There is none yet: `shareauth destinations add --help` shows how.",
    )
    return Report({"destinations": rows}, [shown])


@destinations.command("test", example="shareauth destinations test minio")
@click.argument("name", help="The destination's name.")
@with_desk
def test(desk: Desk, name: str) -> Report:
    """Write a small object there and remove it, or say in one sentence what is wrong."""
    with desk.db.read() as session:
        found = store.get_destination_named(session, name)
    try:
        said = sending.probe(sending.ways(desk.settings), found, desk.keys, desk.now)
    except ServiceError as problem:
        raise Unavailable(f"{name}: {problem.message}", code="not_taken") from problem
    return Report({"name": name, "said": said}, [said])


@destinations.command(
    "rotate-secret", example="shareauth destinations rotate-secret hook --overlap 2d"
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
            store.get_destination_named(session, name),
            overlap_s=int(overlap.total_seconds()),
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
        )
    return Report({"name": name, "secret": secret}, [f"The new secret of {name}: {secret}"])


@destinations.command("remove", example="shareauth destinations remove minio")
@click.argument("name", help="The destination's name.")
@with_desk
def remove(desk: Desk, name: str) -> Report:
    """Remove a destination, its secrets and all deliveries to it; not while schedules use it."""
    with desk.db.begin() as session:
        found = store.get_destination_named(session, name)
        remove_destination(session, found, actor=desk.actor, now=desk.now)
    return Report({"name": name}, [f"Files no longer go to {name}."])


def _stated(typed: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a spec that were typed."""
    plain = (*_PLAIN, "is_enabled")
    values = given(**{name: typed[name] for name in plain if name in typed})
    if typed["recipients"]:
        values["recipients"] = typed["recipients"]
    if typed["secret_key_file"] is not None:
        values["secret_key"] = typed["secret_key_file"].read().strip()
    return values


def _described(destination: FileDestination) -> dict[str, Any]:
    data = commands.describe(destination)
    return {"id": destination.id, **data, "created_at": iso(destination.created_at)}
