"""``shareauth usage``: what was used, by whom and of what; single answers; the sums of reports."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from sqlalchemy.orm import Session

from app.audit import journal
from app.cli.frame import Group, Report
from app.cli.inputs import ClockTime, by_clock
from app.cli.links import find_link
from app.cli.output import iso
from app.cli.people import find_user
from app.cli.session import Desk, with_desk
from app.cli.usage_shown import described, event_row, events_table, report_data, report_table
from app.errors import Invalid
from app.reports.events.detail import find_event
from app.reports.events.listing import LIMIT_MAX, list_events
from app.reports.events.store import EventFilters
from app.reports.explore import explore as make_report
from app.reports.query import GROUPS, MEASURES, Filters, Query
from app.reports.rollup import follow
from app.reports.rollup import store as rollup_store
from app.reports.spans import UNITS

DEFAULT_DAYS = 30

usage = Group(
    "usage",
    help="What was used, by whom and of what. Reports are read from sums that follow the books "
    "within seconds and say how far they count.",
)


def _period(function: Any) -> Any:  # noqa: ANN401 - a decorator of click's functions
    for name, text in (("until", "Up to this day or time."), ("since", "From this day or time.")):
        function = click.option(
            f"--{name}", type=ClockTime(), metavar="TIME", help=f"{text} As in 2026-12-01."
        )(function)
    return function


@usage.command("explore", example="shareauth usage explore --per day --by model --since 2026-11-01")
@_period
@click.option("--per", type=click.Choice(UNITS), help="Cut the period by the clock.")
@click.option(
    "--by", type=click.Choice(GROUPS), multiple=True, help="A row for each of these; repeatable."
)
@click.option("--zone", metavar="ZONE", help="Whose clock, such as Europe/Berlin. Default: ours.")
@click.option("--user", "subjects", multiple=True, metavar="SUBJECT", help="Only of this user.")
@click.option("--link", "links", multiple=True, metavar="LINK", help="Only of this link.")
@click.option("--app", "apps", multiple=True, metavar="NAME", help="Only of this app.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only of this model.")
@click.option("--node-kind", "kinds", multiple=True, metavar="KIND", help="Only of such nodes.")
@click.option(
    "--sort",
    type=click.Choice(MEASURES),
    default="charge",
    show_default=True,
    help="The most of this comes first.",
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many rows."
)
@click.option("--visitors", is_flag=True, help="Count who asked, too; takes longer.")
@click.option(
    "--corrected",
    type=click.Choice(["posted", "used"]),
    default="posted",
    show_default=True,
    help="Re-ratings, reversals and refunds by the time they were booked, or by that of the "
    "answer they correct.",
)
@with_desk
def explore(desk: Desk, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Add up what was used in a period: by the clock, user, link, app, model and node kind.

    The last 30 days, unless a period is given. Periods are widened to whole quarters of an hour.
    Each filter may be given several times. What the limit leaves out is added up as the others.
    """
    zone = _zone(typed["zone"]) if typed["zone"] else desk.settings.zone
    with desk.db.read() as session:
        since, until = _when(typed, zone)
        report = make_report(
            session,
            Query(
                since=since or desk.now - timedelta(days=DEFAULT_DAYS),
                until=until or desk.now,
                zone=zone,
                per=typed["per"],
                by=typed["by"],
                filters=_filters(desk, session, typed),
                sort=typed["sort"],
                limit=typed["limit"],
                with_visitors=typed["visitors"],
                basis=typed["corrected"],
            ),
        )
    data = report_data(report, currency=desk.settings.billing.currency)
    return Report(data, report_table(report))


@usage.command("events", example="shareauth usage events --user alice --since 2026-11-01")
@_period
@click.option("--user", "subject", metavar="SUBJECT", help="Only of this user.")
@click.option("--link", "link_name", metavar="LINK", help="Only of this link.")
@click.option("--app", metavar="NAME", help="Only of this app.")
@click.option("--model", metavar="NAME", help="Only with a line of this model.")
@click.option("--chat", "chat_id", metavar="ID", help="Only of this chat of FastGPT's.")
@click.option("--warnings", is_flag=True, help="Only those that were not wholly understood.")
@click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=50, show_default=True, help="How many."
)
@click.option("--cursor", metavar="CURSOR", help="Where the page before ended.")
@with_desk
def events(desk: Desk, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """List answers, newest first; `usage show` tells all about one."""
    zone = desk.settings.zone
    with desk.db.read() as session:
        since, until = _when(typed, zone)
        subject, link = typed["subject"], typed["link_name"]
        filters = EventFilters(
            since=since,
            until=until,
            user_id=find_user(session, subject, None).id if subject else None,
            link_id=find_link(desk, session, link).id if link else None,
            app=typed["app"],
            model=typed["model"],
            chat_id=typed["chat_id"],
            with_warnings=typed["warnings"],
        )
        page = list_events(session, filters, cursor=typed["cursor"], limit=typed["limit"])
    data = {"events": [event_row(event) for event in page.events], "cursor": page.cursor}
    more = [f"More: --cursor {page.cursor}"] if page.cursor else []
    return Report(data, [events_table(page.events, zone), *more])


@usage.command("show", example="shareauth usage show 8KQ2M7")
@click.argument("reference", help="As in the answer to FastGPT, the log and `usage events`.")
@with_desk
def show(desk: Desk, reference: str) -> Report:
    """Tell all about one answer: its lines, how its charge came about, what became of it."""
    with desk.db.read() as session:
        return described(find_event(session, reference), desk.settings.zone)


@usage.command("rebuild", example="shareauth usage rebuild --reason 'restored a backup'")
@click.option("--reason", help="Why, for the audit journal.")
@with_desk
def rebuild(desk: Desk, reason: str | None) -> Report:
    """Make the sums of reports anew from the books. The books themselves are not touched.

    Safe while the service runs; reports fill up meanwhile and say how far they count. Stopped
    half-way, the worker goes on with it.
    """
    zone, counted = desk.settings.zone, 0
    with desk.change() as session:
        follow.restart(session, zone=zone, now=desk.now)
        journal.record(
            session,
            actor=desk.actor,
            action="usage.rebuild",
            subject=("report", 1),
            now=desk.now,
            reason=reason,
        )
        newest = rollup_store.tops(session).event_id
    with _progress(newest) as on_progress:
        while True:
            with desk.db.begin() as session:
                advanced = follow.advance(session, zone=zone, now=desk.now)
                position = rollup_store.lock_position(session, zone=zone.key, now=desk.now)
                on_progress(position.event_id)
            counted += advanced.events
            if advanced.is_done:
                break
    said = f"{counted} answers were counted."
    return Report({"events": counted, "counted_at": iso(desk.now)}, [said])


@contextmanager
def _progress(newest: int) -> Iterator[Callable[[int], object]]:
    if not sys.stderr.isatty():
        yield lambda _event_id: None
        return
    from rich.console import Console  # noqa: PLC0415 - only for people
    from rich.progress import Progress as Bar  # noqa: PLC0415 - likewise

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("counting", total=newest)
        yield lambda event_id: bar.update(task, completed=event_id)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid(f"there is no time zone {name!r}", code="zone_unknown") from None


def _when(typed: dict[str, Any], zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    since, until = (
        None if at is None else by_clock(at, zone) for at in (typed["since"], typed["until"])
    )
    return since, until


def _filters(desk: Desk, session: Session, typed: dict[str, Any]) -> Filters:
    users = frozenset(find_user(session, subject, None).id for subject in typed["subjects"])
    links = frozenset(find_link(desk, session, name).id for name in typed["links"])
    return Filters(
        users=users or None,
        links=links or None,
        apps=frozenset(typed["apps"]) or None,
        models=frozenset(typed["models"]) or None,
        node_kinds=frozenset(typed["kinds"]) or None,
    )
