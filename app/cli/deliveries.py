"""``shareauth deliveries``: files on their way, and what became of them."""

import click

from app.cli.frame import Group, Report
from app.cli.output import card, local, table
from app.cli.session import Desk, with_desk
from app.deliveries import orders, store

deliveries = Group(
    "deliveries",
    help="Files on their way to destinations. What is not taken is tried 13 times within about a "
    "day, then it is dead until somebody retries it.",
)


@deliveries.command("list", example="shareauth deliveries list --status dead")
@click.option("--destination", metavar="NAME", help="Only to this destination.")
@click.option("--status", type=click.Choice(store.STATUSES), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="How many.")
@click.option("--before", type=int, metavar="N", help="Only deliveries before this one.")
@with_desk
def list_(
    desk: Desk, *, destination: str | None, status: str | None, limit: int, before: int | None
) -> Report:
    """List deliveries, newest first."""
    with desk.db.read() as session:
        names = {one.id: one.name for one in store.list_destinations(session)}
        wanted = store.get_destination_named(session, destination) if destination else None
        found = store.list_deliveries(
            session,
            destination_id=None if wanted is None else wanted.id,
            status=status,
            before_id=before,
            limit=limit,
        )
    rows = [{**orders.describe(one), "destination": names.get(one.destination_id)} for one in found]
    zone = desk.settings.zone
    shown = table(
        ["id>", "destination", "key", "status", "attempts>", "due or over", "error"],
        [
            [
                one.id,
                names.get(one.destination_id),
                one.key,
                one.status,
                one.attempts,
                local(one.finished_at or one.due_at, zone),
                one.error,
            ]
            for one in found
        ],
        empty="Nothing was delivered yet, or nothing matches.",
    )
    return Report({"deliveries": rows}, [shown])


@deliveries.command("show", example="shareauth deliveries show 12")
@click.argument("delivery_id", type=int, help="The delivery's number.")
@with_desk
def show(desk: Desk, delivery_id: int) -> Report:
    """Show a delivery with its files, its manifest and every attempt."""
    with desk.db.read() as session:
        found = store.get_delivery(session, delivery_id)
        attempts = [
            orders.describe_attempt(one) for one in store.list_attempts(session, delivery_id)
        ]
    data = {**orders.describe(found), "attempts_made": attempts}
    told = {name: value for name, value in orders.describe(found).items() if name != "files"}
    return Report(
        data,
        [
            card(told),
            "",
            table(
                ["file", "bytes>", "sha256"],
                [[one["name"], one["size"], one["sha256"]] for one in found.files],
                empty="It has no files.",
            ),
            "",
            table(
                ["began", "outcome", "error"],
                [[one["began_at"], one["outcome"], one["error"]] for one in attempts],
                empty="Nobody has tried it yet.",
            ),
        ],
    )


@deliveries.command("retry", example="shareauth deliveries retry 12")
@click.argument("delivery_id", type=int, help="The delivery's number.")
@with_desk
def retry(desk: Desk, delivery_id: int) -> Report:
    """Send a delivery again as soon as its worker looks, under the same names."""
    with desk.db.begin() as session:
        found = orders.retry(session, delivery_id, actor=desk.actor, now=desk.now)
        data = orders.describe(found)
    return Report(data, [f"Delivery {delivery_id} is sent within seconds of a running worker."])


@deliveries.command("give-up", example="shareauth deliveries give-up 12")
@click.argument("delivery_id", type=int, help="The delivery's number.")
@with_desk
def give_up(desk: Desk, delivery_id: int) -> Report:
    """Try a delivery no more."""
    with desk.db.begin() as session:
        found = orders.give_up(session, delivery_id, actor=desk.actor, now=desk.now)
        data = orders.describe(found)
    return Report(data, [f"Delivery {delivery_id} is tried no more."])
