"""``shareauth audit``: who changed what, when and why."""

from typing import Any

import click

from app.audit import store
from app.audit.models import AuditEntry
from app.audit.store import Wanted
from app.cli.frame import Group, Report
from app.cli.output import iso, local, table
from app.cli.session import Desk, with_desk

audit = Group(
    "audit",
    help="The journal of operators' changes. Every command that changes something writes an entry "
    "in the same transaction; the database refuses to change or delete one.",
)


@audit.command("list", example="shareauth audit list --object link --id 3")
@click.option("--object", "object_type", metavar="TYPE", help="Only this kind: link, user, plan …")
@click.option("--id", "object_id", metavar="ID", help="Only the object with this id.")
@click.option("--actor", metavar="NAME", help="Only changes by this person or program.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many."
)
@click.option("--before", "before_id", type=int, metavar="ID", help="Only entries before this one.")
@with_desk
def list_(
    desk: Desk,
    *,
    limit: int,
    before_id: int | None,
    **wanted: Any,  # noqa: ANN401 - the options above
) -> Report:
    """List changes, newest first, with what was before and after (in full with --json)."""
    with desk.db.read() as session:
        entries = store.list_page(session, Wanted(**wanted), before_id=before_id, limit=limit)
    older = entries[-1].id if len(entries) == limit else None
    shown = table(
        ["id>", "at", "actor", "action", "object", "changed", "reason"],
        [
            [
                entry.id,
                local(entry.at, desk.settings.zone),
                f"{entry.actor} ({entry.source})",
                entry.action,
                f"{entry.object_type} {entry.object_id}",
                _changed(entry),
                entry.reason,
            ]
            for entry in entries
        ],
        empty="Nothing was changed yet, or nothing that matches.",
    )
    more = [f"Older ones: --before {older}"] if older else []
    return Report({"entries": [_described(e) for e in entries], "next": older}, [shown, *more])


def _changed(entry: AuditEntry) -> dict[str, object]:
    """What differs after a change; of a new object, only its name."""
    before, after = entry.before or {}, entry.after or {}
    if not before:
        return {name: after[name] for name in ("name", "subject") if name in after}
    return {name: value for name, value in after.items() if before.get(name) != value}


def _described(entry: AuditEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "actor": entry.actor,
        "source": entry.source,
        "address": entry.address,
        "action": entry.action,
        "object": {"type": entry.object_type, "id": entry.object_id},
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
    }
