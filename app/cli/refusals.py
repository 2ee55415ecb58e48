"""``shareauth refusals``: why visitors were refused."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.frame import Group, Report
from app.cli.inputs import Duration, When
from app.cli.links import find_link
from app.cli.output import card, iso, local, table
from app.cli.people import find_user, issuer_option
from app.cli.session import Desk, with_desk
from app.errors import Invalid
from app.links import store as link_store
from app.sightings import store
from app.sightings.models import Refusal
from app.sightings.store import After, Wanted

HOOKS = ("init", "start", "finish", "other")

refusals = Group("refusals", help="Why visitors were refused, by the reference that they read.")


@refusals.command("list", example="shareauth refusals list --since 7d --user alice")
@click.option(
    "--since",
    type=Duration(),
    default="1d",
    show_default=True,
    metavar="DURATION",
    help="Refused within this time: 90m, 12h, 7d.",
)
@click.option("--until", type=When(), metavar="TIME", help="Refused before this time.")
@click.option("--user", "subject", metavar="SUBJECT", help="This user (subject or uid).")
@issuer_option
@click.option("--link", "link_name", metavar="LINK", help="On this link (name, key or id).")
@click.option("--no-link", is_flag=True, help="Calls that reached no link.")
@click.option("--code", metavar="CODE", help="For this reason, such as visitor_rate.")
@click.option("--hook", type=click.Choice(HOOKS), help="By this hook.")
@click.option("--after", metavar="REFERENCE", help="Go on behind the last one of a page.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many."
)
@with_desk
def list_(desk: Desk, *, after: str | None, limit: int, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """List hook calls that were refused, newest first, the service's own failures included.

    In a flood only the first of each minute are here; `shareauth links calls` counts them all.
    """
    with desk.db.read() as session:
        place = None if after is None else _behind(session, after)
        found = store.list_page(session, _wanted(desk, session, typed), limit=limit, after=place)
        names = _link_names(session)
    rows = [_row(refusal, names) for refusal in found]
    shown = table(
        ["at", "reference", "link", "hook", "code", "who", "from", "named"],
        [
            [
                local(refusal.at, desk.settings.zone),
                refusal.reference,
                row["link"],
                refusal.hook,
                refusal.code,
                refusal.subject or refusal.uid,
                refusal.address,
                refusal.details,
            ]
            for refusal, row in zip(found, rows, strict=True)
        ],
        empty="None: nobody was refused.",
    )
    return Report({"refusals": rows}, [shown])


@refusals.command("show", example="shareauth refusals show k3x9q2m7pa")
@click.argument("reference", help="What the visitor read after “ref.” or “编号”.")
@with_desk
def show(desk: Desk, reference: str) -> Report:
    """Say who was refused, on which link, by which rule, and what it named."""
    with desk.db.read() as session:
        found = store.get_by_reference(session, reference)
        row = _row(found, _link_names(session))
    shown = {
        "reference": row["reference"],
        "at": local(found.at, desk.settings.zone),
        "link": row["link"] or "none",
        "hook": row["hook"],
        "code": row["code"],
        "why": row["message"],
        "named": row["details"],
        "subject": row["subject"],
        "issuer": row["issuer"],
        "uid": row["uid"],
        "from": row["address"],
        "called": row["called"],
    }
    return Report(row, [card(shown)])


def _wanted(desk: Desk, session: Session, typed: Mapping[str, Any]) -> Wanted:
    since: timedelta = typed["since"]
    until: datetime | None = typed["until"]
    subject, link = typed["subject"], typed["link_name"]
    if link and typed["no_link"]:
        raise Invalid("--link and --no-link exclude each other")
    return Wanted(
        uid=find_user(session, subject, typed["issuer"]).uid if subject else None,
        link_id=find_link(desk, session, link).id if link else None,
        code=typed["code"],
        hook=typed["hook"],
        since=desk.now - since,
        until=until,
        reached_no_link=typed["no_link"],
    )


def _behind(session: Session, reference: str) -> After:
    last = store.get_by_reference(session, reference)
    return After(last.at, last.id)


def _link_names(session: Session) -> dict[int, str]:
    links: Sequence[Any] = link_store.list_all(session)
    return {link.id: link.name for link in links}


def _row(refusal: Refusal, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "reference": refusal.reference,
        "at": iso(refusal.at),
        "hook": refusal.hook,
        "code": refusal.code,
        "link": None if refusal.link_id is None else names.get(refusal.link_id),
        "user_id": refusal.user_id,
        "uid": refusal.uid,
        "issuer": refusal.issuer,
        "subject": refusal.subject,
        "address": refusal.address,
        "called": refusal.called,
        "message": refusal.message,
        "details": refusal.details,
    }
