"""``shareauth quarantine``: finishes that could not become usage events."""

import sys
from typing import Any

import click

from app.cli.frame import Group, Report
from app.cli.output import card, iso, local, table
from app.cli.session import Desk, with_desk
from app.errors import NotFound
from app.links import store as link_store
from app.metering import commands, store
from app.metering.models import QuarantinedFinish

BODY_SHOWN_MAX = 2000

quarantine = Group(
    "quarantine",
    help="A finish that cannot be recorded (unreadable, for nobody we know, too large) is kept "
    "whole and encrypted until somebody looks: it may be money. Book what it was worth with "
    "`shareauth ledger adjust`, then resolve it.",
)


@quarantine.command("list", example="shareauth quarantine list")
@click.option("--all", "with_resolved", is_flag=True, help="Also those that were resolved.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many."
)
@with_desk
def list_(desk: Desk, *, with_resolved: bool, limit: int) -> Report:
    """List what is kept, newest first."""
    with desk.db.read() as session:
        kept = store.list_quarantined(session, limit=limit, with_resolved=with_resolved)
        names = {link.id: link.name for link in link_store.list_all(session)}
        rows = [_described(one, names) for one in kept]
    zone = desk.settings.zone
    shown = table(
        ["reference", "received", "link", "reason", "bytes>", "resolution"],
        [
            [
                one.reference,
                local(one.received_at, zone),
                row["link"],
                one.reason,
                one.body_bytes,
                one.resolution,
            ]
            for one, row in zip(kept, rows, strict=True)
        ],
        empty="Nothing is kept: every finish could be recorded.",
    )
    return Report({"finishes": rows}, [shown])


@quarantine.command("show", example="shareauth quarantine show k3v7q2m4xa")
@click.argument("reference", help="The reference of the kept finish.")
@click.option("--body", "to_stdout", is_flag=True, help="Write the whole body to stdout instead.")
@with_desk
def show(desk: Desk, reference: str, *, to_stdout: bool) -> Report:
    """Show a kept finish and the beginning of its body.

    The body holds what a visitor asked and was answered: treat it as confidential.
    """
    with desk.db.read() as session:
        kept = store.get_quarantined(session, reference)
        names = {link.id: link.name for link in link_store.list_all(session)}
        data = _described(kept, names)
        body = store.quarantined_body(kept, keys=desk.keys)
    if to_stdout:
        if body is None:
            raise NotFound("the body was larger than the service takes and was not kept")
        sys.stdout.buffer.write(body)
        return Report({}, [], is_silent=True)
    text = None if body is None else body.decode("utf-8", "replace")
    data["body"] = text
    beginning = "The body was not kept." if text is None else text[:BODY_SHOWN_MAX]
    return Report(data, [card(data | {"body": None}), "", beginning])


@quarantine.command(
    "resolve",
    example="shareauth quarantine resolve k3v7q2m4xa --resolution 'adjusted by 1.20, see ledger'",
)
@click.argument("reference", help="The reference of the kept finish.")
@click.option("--resolution", required=True, metavar="TEXT", help="What was done about it.")
@with_desk
def resolve(desk: Desk, reference: str, resolution: str) -> Report:
    """Note what was done about a kept finish; it then no longer counts as open."""
    with desk.change() as session:
        kept = commands.resolve_quarantined(
            session, reference, resolution, actor=desk.actor, now=desk.now
        )
        names = {link.id: link.name for link in link_store.list_all(session)}
        data = _described(kept, names)
    return Report(data, [f"{reference} is resolved."])


def _described(kept: QuarantinedFinish, link_names: dict[int, str]) -> dict[str, Any]:
    return {
        "reference": kept.reference,
        "link": link_names.get(kept.link_id),
        "received_at": iso(kept.received_at),
        "reason": kept.reason,
        "body_bytes": kept.body_bytes,
        "digest": kept.digest,
        "resolved_at": iso(kept.resolved_at),
        "resolution": kept.resolution,
    }
