"""``shareauth privacy``: how long what is kept, and what an erasure did."""

import json

import click

from app.cli.frame import Group, Report, wants_json
from app.cli.output import iso, local, table
from app.cli.people import find_user, subject_argument
from app.cli.session import Desk, with_desk
from app.people import receipt as receipts
from app.people.receipt import Erasure
from app.retention.report import Row
from app.retention.report import report as retention_report

SHOWN = 50

privacy = Group(
    "privacy",
    help="What is kept, for how long and what removes it; whose personal data was erased. "
    "docs/privacy.md explains it. `users erase` and `users personal-data` answer a request.",
)


@privacy.command("report", example="shareauth privacy report")
@with_desk
def report(desk: Desk) -> Report:
    """List every kind of data with its age and retention, and the newest erasures."""
    zone = desk.settings.zone
    with desk.db.read() as session:
        rows = retention_report(session, desk.settings)
        erased = receipts.erasures(session, limit=SHOWN)
    kinds = table(
        ["kind", "rows", "oldest", "kept", "setting", "removed by", "last removed"],
        [
            [
                row.kind.name,
                row.rows,
                local(row.oldest, zone),
                "for ever" if row.kept is None else f"{row.kept.days} days",
                row.kind.setting,
                row.kind.job,
                local(row.last_removed_at, zone),
            ]
            for row in rows
        ],
        empty="",
    )
    people = table(
        ["user", "uid", "erased", "by", "reason"],
        [
            [one.user_id, one.uid, local(one.erased_at, zone), one.actor, one.reason]
            for one in erased
        ],
        empty="Nobody was erased.",
    )
    data = {"kinds": [_kind(row) for row in rows], "erasures": [_erasure(one) for one in erased]}
    return Report(data, [kinds, people])


@privacy.command("receipt", example="shareauth privacy receipt u_8kq2m7 > receipt.json")
@subject_argument
@with_desk
def receipt(desk: Desk, subject: str, issuer: str | None) -> Report:
    """Write what an erasure did, column by column, and what stays and why, as JSON.

    SUBJECT is the uid, or the pseudonym such as ~erased:7.
    """
    with desk.db.read() as session:
        data = receipts.receipt(session, find_user(session, subject, issuer), now=desk.now)
    if not wants_json():
        click.echo(json.dumps(data, ensure_ascii=True, indent=2))
    return Report(data, [])


def _kind(row: Row) -> dict[str, object]:
    return {
        "kind": row.kind.name,
        "table": row.kind.table,
        "rows": row.rows,
        "oldest": iso(row.oldest),
        "kept_days": None if row.kept is None else row.kept.days,
        "setting": row.kind.setting,
        "removed_by": row.kind.job,
        "looked_at": iso(row.looked_at),
        "last_removed_at": iso(row.last_removed_at),
        "removed_ever": row.removed_ever,
        "next_at": iso(row.next_at),
    }


def _erasure(one: Erasure) -> dict[str, object]:
    return {
        "user_id": one.user_id,
        "uid": one.uid,
        "pseudonym": one.pseudonym,
        "erased_at": iso(one.erased_at),
        "by": one.actor,
        "reason": one.reason,
        "removed": one.removed,
    }
