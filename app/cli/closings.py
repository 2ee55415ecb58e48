"""``shareauth closings``: months that are frozen, with the statements of each."""

from typing import Any

import click

from app.background import handlers
from app.background.close_month import KIND, Parameters
from app.cli.frame import Group, Report, wants_json
from app.cli.inputs import Month
from app.cli.output import amount, card, iso, local, show, table
from app.cli.session import Desk, with_desk
from app.closings import checking, closing, preview, store
from app.closings.checking import Checked
from app.closings.closing import Order
from app.closings.content import sums_document
from app.closings.models import Closing
from app.closings.months import month_text
from app.closings.ordering import order_of
from app.closings.papers.paper import sum_label
from app.closings.preview import Preview
from app.spool.spool import Spool

closings = Group(
    "closings",
    help="A month that is over is closed: what was booked in it is frozen, everybody gets a "
    "statement, and what comes later falls into the next month and is marked late. Months are "
    "closed in their order, by the clock of service.time_zone, and never opened again.",
)


@closings.command("preview", example="shareauth closings preview 2026-11")
@click.argument(
    "month", type=Month(), required=False, help="Default: the month that is to be closed next."
)
@with_desk
def preview_(desk: Desk, *, month: int | None) -> Report:
    """Show what closing a month would freeze, and what stands in its way."""
    order, found = _find(desk, month)
    return Report(_previewed(found), _shown(found, order))


@closings.command("close", example="shareauth closings close 2026-11 --reason 'month end'")
@click.argument("month", type=Month(), help="Such as 2026-11.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the audit journal.")
@click.option("--insist", is_flag=True, help="Over what should be looked at before.")
@click.option("--yes", is_flag=True, help="Without asking.")
@click.option("--in-background", is_flag=True, help="Have a worker do it: see `jobs`.")
@with_desk
def close(
    desk: Desk, *, month: int, reason: str, insist: bool, yes: bool, in_background: bool
) -> Report:
    """Close a month for good, and make its statements.

    Shows the preview and asks first. What ends it half-way does no harm: the same command, or the
    job, goes on where it was left.
    """
    if wants_json() and not yes:
        raise click.UsageError("With --json nobody is asked: look at the preview, then say --yes.")
    order, found = _find(desk, month, reason)
    if not insist:
        with desk.db.read() as session:
            preview.check_obstacles(session, order, _spool(desk).status())
    if not yes:
        show([*_shown(found, order), ""])
        click.confirm(f"Close {month_text(month)} for good?", abort=True, err=True)
    if in_background:
        parameters = Parameters(month=month, reason=reason, insist=insist)
        with desk.db.begin() as session:
            job = handlers.enqueue(
                session, KIND, parameters, actor=desk.actor, now=desk.now, reason=reason
            )
        said = f"Job {job.id} closes {month_text(month)}: shareauth jobs show {job.id}"
        return Report({"job": job.id}, [said])
    for _ in closing.close(desk.db, order):
        pass
    with desk.db.read() as session:
        made = store.get(session, month)
    said = f"{month_text(month)} is closed: {made.statements} statements. Its hash is {made.hash}."
    return Report(_closed(made), [said])


@closings.command("list", example="shareauth closings list")
@click.option("--limit", type=click.IntRange(1, 1000), default=36, help="How many.")
@with_desk
def list_(desk: Desk, *, limit: int) -> Report:
    """List the months that are closed, newest first."""
    with desk.db.read() as session:
        found = store.list_page(session, limit=limit)
    rows = [
        [
            month_text(one.month),
            one.statements,
            amount(one.opening),
            amount(one.closing),
            one.closed_by,
            local(one.closed_at, desk.settings.zone),
            one.hash[:16],
        ]
        for one in found
    ]
    headings = ["month", "statements>", "opening>", "closing>", "by", "at", "hash"]
    return Report(
        {"closings": [_closed(one) for one in found]},
        [table(headings, rows, empty="No month is closed yet.")],
    )


@closings.command("show", example="shareauth closings show 2026-11")
@click.argument("month", type=Month(), help="Such as 2026-11.")
@with_desk
def show_(desk: Desk, *, month: int) -> Report:
    """Show one closed month: what it froze, and the hashes that prove it."""
    with desk.db.read() as session:
        found = store.get(session, month)
    zone = desk.settings.zone
    shown = {
        "month": month_text(found.month),
        "from": local(found.since, zone),
        "until": local(found.until, zone),
        "opening": amount(found.opening),
        "closing": amount(found.closing),
        "statements": found.statements,
        "of departments": found.departments,
        "up to transaction": found.transaction_id,
        "up to event": found.event_id,
        "closed by": found.closed_by,
        "closed at": local(found.closed_at, zone),
        "reason": found.reason,
        "previous hash": found.previous_hash,
        "hash": found.hash,
    }
    return Report(_closed(found), [card(shown), "", _sums(found.sums)])


@closings.command("verify", example="shareauth closings verify")
@click.argument("month", type=Month(), required=False, help="Default: every closed month.")
@with_desk
def verify(desk: Desk, *, month: int | None) -> Report:
    """Derive every closing and statement anew from the ledger, and compare the hashes.

    Ends with exit code 1 when something differs. `ledger verify` and the nightly self-audit do the
    same.
    """
    checked = Checked()
    with desk.db.read() as session:
        if month is not None:
            store.get(session, month)
        findings = list(checking.verify(session, month=month, checked=checked))
    data: dict[str, Any] = {
        "ok": not findings,
        "closings": {month_text(one): digest for one, digest in checked.by_month.items()},
        "statements": checked.statements,
        "findings": [one.as_json() for one in findings],
    }
    if not findings:
        said = f"{checked.closings} closings with {checked.statements} statements are sound."
        return Report(data, [said])
    rows = [[one.code, one.message] for one in findings]
    shown = [f"{len(findings)} findings.", table(["code", "what is wrong"], rows, empty="")]
    return Report(data, shown, exit_code=1)


def _find(desk: Desk, month: int | None, reason: str | None = None) -> tuple[Order, Preview]:
    spool = _spool(desk).status()
    with desk.db.read() as session:
        wanted = month or preview.next_month(session, desk.settings.zone, desk.now)
        order = order_of(desk.settings, wanted, actor=desk.actor, now=desk.now, reason=reason)
        return order, preview.preview(session, order, spool)


def _spool(desk: Desk) -> Spool:
    settings = desk.settings
    return Spool(settings.spool_directory, keys=desk.keys, bytes_max=settings.spool.bytes_max)


def _previewed(found: Preview) -> dict[str, Any]:
    return {
        "month": month_text(found.month),
        "since": iso(found.since),
        "until": iso(found.until),
        "opening": amount(found.opening),
        "closing": amount(found.closing),
        "sums": sums_document(found.sums),
        "wallets": found.wallets,
        "moved": found.moved,
        "is_under_way": found.is_under_way,
        "obstacles": [
            {
                "code": one.code,
                "message": one.message,
                "count": one.count,
                "is_final": one.is_final,
                "is_mild": one.is_mild,
            }
            for one in found.obstacles
        ],
    }


def _shown(found: Preview, order: Order) -> list[object]:
    shown = {
        "month": month_text(found.month),
        "from": local(found.since, order.zone),
        "until": local(found.until, order.zone),
        "opening": f"{amount(found.opening)} {order.currency}",
        "closing": f"{amount(found.closing)} {order.currency}",
        "wallets": found.wallets,
        "of which moved": found.moved,
    }
    parts: list[object] = [card(shown), "", _sums(sums_document(found.sums))]
    if found.is_under_way:
        parts += ["", "Its closing was begun and goes on where it was left."]
    if found.obstacles:
        rows = [[one.code, one.message] for one in found.obstacles]
        parts += ["", table(["code", "what stands in the way"], rows, empty="")]
    return parts


def _sums(sums: list[dict[str, Any]]) -> object:
    rows = [[sum_label(one, "en"), one["count"], one["amount"]] for one in sums]
    return table(["", "count>", "amount>"], rows, empty="Nothing was booked.")


def _closed(found: Closing) -> dict[str, Any]:
    return {
        "month": month_text(found.month),
        "since": iso(found.since),
        "until": iso(found.until),
        "opening": amount(found.opening),
        "closing": amount(found.closing),
        "sums": found.sums,
        "statements": found.statements,
        "departments": found.departments,
        "event": found.event_id,
        "transaction": found.transaction_id,
        "closed_by": found.closed_by,
        "closed_at": iso(found.closed_at),
        "reason": found.reason,
        "previous_hash": found.previous_hash,
        "hash": found.hash,
    }
