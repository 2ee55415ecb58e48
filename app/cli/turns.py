"""``shareauth turns``: questions that were admitted, and what became of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.frame import Group, Report
from app.cli.inputs import Duration
from app.cli.output import amount as decimal
from app.cli.output import iso, local, table
from app.cli.people import find_user
from app.cli.session import Desk, with_desk
from app.links import store as link_store
from app.unfinished import store
from app.unfinished.models import UnfinishedTurn
from app.unfinished.store import Totals, Wanted
from app.users import store as user_store
from app.users.models import User

turns = Group("turns", help="Questions that were admitted, and what became of them.")


@turns.command("unfinished", example="shareauth turns unfinished --since 7d --link support")
@click.option(
    "--since",
    type=Duration(),
    default="1d",
    show_default=True,
    metavar="DURATION",
    help="Asked within this time: 90m, 12h, 7d.",
)
@click.option("--link", "link_name", metavar="LINK", help="Asked on this link (name or key).")
@click.option("--user", "subject", metavar="SUBJECT", help="Asked by this user (subject or uid).")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many."
)
@with_desk
def unfinished(
    desk: Desk, *, since: timedelta, link_name: str | None, subject: str | None, limit: int
) -> Report:
    """List questions whose finish did not come before their ticket expired, newest first.

    Each may be an answer that nobody paid for, or a question that FastGPT gave up. The amounts are
    what it was expected to take. Those whose finish came late were charged, and are not in the sum.
    """
    with desk.db.read() as session:
        wanted = Wanted(
            since=desk.now - since,
            link_id=None if link_name is None else _link_id(desk, session, link_name),
            user_id=None if subject is None else find_user(session, subject, None).id,
        )
        totals = store.totals(session, wanted)
        found = store.list_turns(session, wanted, limit=limit)
        rows = _described(session, found)
    currency, zone = desk.settings.billing.currency, desk.settings.zone
    shown = table(
        ["asked", "link", "user", "guest", "expected>", "points>", "finished late"],
        [
            [
                local(turn.asked_at, zone),
                row["link"],
                row["subject"],
                row["is_guest"],
                row["expected_charge"],
                row["expected_points"],
                local(turn.finished_late_at, zone),
            ]
            for turn, row in zip(found, rows, strict=True)
        ],
        empty="None: every question of that time got its finish, or is still open.",
    )
    data = {
        "currency": currency,
        "unfinished": totals.open_turns,
        "expected_charge": decimal(totals.hold),
        "expected_points": decimal(totals.points_hold),
        "finished_late": totals.late_turns,
        "turns": rows,
    }
    return Report(data, [shown, "", _summary(totals, currency)])


def _summary(totals: Totals, currency: str) -> str:
    return (
        f"{totals.open_turns} without a finish, expected to cost {decimal(totals.hold)} {currency} "
        f"({decimal(totals.points_hold)} points); {totals.late_turns} finished late and were "
        "charged."
    )


def _link_id(desk: Desk, session: Session, reference: str) -> int:
    digest = desk.keys.link_key_digest(reference)
    return link_store.get_by_reference(session, reference, digest).id


def _described(session: Session, turns: Sequence[UnfinishedTurn]) -> list[dict[str, Any]]:
    links = {link.id: link.name for link in link_store.list_all(session)}
    users = {id_: user_store.find_by_id(session, id_) for id_ in {turn.user_id for turn in turns}}
    return [_row(turn, links.get(turn.link_id), users[turn.user_id]) for turn in turns]


def _row(turn: UnfinishedTurn, link_name: str | None, user: User | None) -> dict[str, Any]:
    return {
        "ticket": turn.ticket,
        "link": link_name,
        "uid": None if user is None else user.uid,
        "subject": None if user is None else user.subject,
        "plan_id": turn.plan_id,
        "is_guest": turn.is_guest,
        "asked_at": iso(turn.asked_at),
        "expired_at": iso(turn.expired_at),
        "expected_charge": decimal(turn.hold),
        "expected_points": decimal(turn.points_hold),
        "finished_late_at": iso(turn.finished_late_at),
        "finished_by": turn.finished_by,
    }
