"""``shareauth usage``: what was used, by whom and of what; single answers; the sums of reports."""

import sys
from collections.abc import Callable, Iterable, Iterator
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
from app.cli.usage_seen import refused_report, unfinished_report
from app.cli.usage_shown import described, event_row, events_table, report_data, report_table
from app.errors import Invalid
from app.links import store as link_store
from app.plans import store as plan_store
from app.reports.events.detail import find_event
from app.reports.events.listing import LIMIT_MAX, list_events
from app.reports.events.store import EventFilters
from app.reports.explore import explore as make_report
from app.reports.query import ATTRIBUTE, GROUPS, MEASURES, Filters, Query
from app.reports.rollup import follow
from app.reports.rollup import store as rollup_store
from app.reports.seen.report import SEEN_GROUPS, SeenQuery, refused
from app.reports.seen.report import unfinished as count_unfinished
from app.reports.seen.store import Among
from app.reports.spans import UNITS
from app.tokens import store as token_store

DEFAULT_DAYS = 30


class GroupName(click.ParamType[str]):
    """What a report has a row for each of."""

    name = "group"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The group, if there is one of that name."""
        if value not in GROUPS and not value.startswith(ATTRIBUTE):
            self.fail(f"{value!r} is none of {', '.join(GROUPS)}, {ATTRIBUTE}NAME", param, ctx)
        return value


class Attribute(click.ParamType[tuple[str, str]]):
    """``department=Sales``: an attribute's name and value."""

    name = "attribute"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The two, when there is a sign between them."""
        name, sign, wanted = value.partition("=")
        if not name or not sign:
            self.fail(f"{value!r} is not as in department=Sales", param, ctx)
        return name, wanted


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
    "--by",
    type=GroupName(),
    multiple=True,
    metavar="GROUP",
    help=f"A row for each of these; repeatable. One of {', '.join(GROUPS)}, or attribute:NAME.",
)
@click.option("--zone", metavar="ZONE", help="Whose clock, such as Europe/Berlin. Default: ours.")
@click.option("--user", "subjects", multiple=True, metavar="SUBJECT", help="Only of this user.")
@click.option("--link", "links", multiple=True, metavar="LINK", help="Only of this link.")
@click.option("--app", "apps", multiple=True, metavar="NAME", help="Only of this app.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only of this model.")
@click.option("--node-kind", "kinds", multiple=True, metavar="KIND", help="Only of such nodes.")
@click.option("--issuer", "issuers", multiple=True, metavar="NAME", help="Only of its users.")
@click.option("--plan", "plans", multiple=True, metavar="NAME", help="Only on this plan.")
@click.option(
    "--attribute",
    "attributes",
    type=Attribute(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Only of users who had this then.",
)
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
@click.option("--times", is_flag=True, help="Tell how long answers took, too; takes longer.")
@click.option(
    "--seen",
    is_flag=True,
    help="Count refusals and questions whose answer was never reported, too; of links at most.",
)
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
    """Add up what was used in a period: by the clock, whom and what it was of.

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
                with_times=typed["times"],
                seen_since=_kept_since(desk) if typed["seen"] else None,
                basis=typed["corrected"],
            ),
        )
    data = report_data(report, currency=desk.settings.billing.currency)
    return Report(data, report_table(report))


@usage.command("refusals", example="shareauth usage refusals --per week --by rule --by link")
@_period
@click.option("--per", type=click.Choice(UNITS), help="Cut the period by the clock.")
@click.option(
    "--by",
    type=click.Choice(SEEN_GROUPS),
    multiple=True,
    default=["rule"],
    show_default=True,
    help="A row for each of these; repeatable.",
)
@click.option("--zone", metavar="ZONE", help="Whose clock, such as Europe/Berlin. Default: ours.")
@click.option("--link", "links", multiple=True, metavar="LINK", help="Only of this link.")
@click.option("--hook", "hooks", multiple=True, metavar="HOOK", help="Only of this hook.")
@click.option("--rule", "rules", multiple=True, metavar="CODE", help="Only for this reason.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many rows."
)
@with_desk
def refusals(desk: Desk, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Count refusals by rule, hook and link: the last 30 days, unless a period is given.

    Exact also where a flood left no refusal of its own. What is older than hooks.refusals_days is
    deleted.
    """
    with desk.db.read() as session:
        query = _seen_query(desk, session, typed)
        return refused_report(refused(session, query), query, _link_names(session))


@usage.command("unfinished", example="shareauth usage unfinished --per day --by link")
@_period
@click.option("--per", type=click.Choice(UNITS), help="Cut the period by the clock.")
@click.option("--by", type=click.Choice(["link"]), multiple=True, help="A row for each link.")
@click.option("--zone", metavar="ZONE", help="Whose clock, such as Europe/Berlin. Default: ours.")
@click.option("--link", "links", multiple=True, metavar="LINK", help="Only of this link.")
@with_desk
def unfinished(desk: Desk, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Count questions whose answer was never reported, by when they were asked.

    The last 30 days, unless a period is given.
    """
    with desk.db.read() as session:
        query = _seen_query(desk, session, typed)
        return unfinished_report(count_unfinished(session, query), query, _link_names(session))


@usage.command("events", example="shareauth usage events --user alice --since 2026-11-01")
@_period
@click.option("--user", "subject", metavar="SUBJECT", help="Only of this user.")
@click.option("--link", "link_name", metavar="LINK", help="Only of this link.")
@click.option("--app", metavar="NAME", help="Only of this app.")
@click.option("--model", metavar="NAME", help="Only with a line of this model.")
@click.option("--issuer", "issuers", multiple=True, metavar="NAME", help="Only of its users.")
@click.option("--plan", "plans", multiple=True, metavar="NAME", help="Only on this plan.")
@click.option(
    "--attribute",
    "attributes",
    type=Attribute(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Only of users who had this then.",
)
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
            plan_ids=_plan_ids(session, typed),
            issuer_ids=_issuer_ids(session, typed),
            attributes=_attributes(typed["attributes"]),
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


def _seen_query(desk: Desk, session: Session, typed: dict[str, Any]) -> SeenQuery:
    zone = _zone(typed["zone"]) if typed["zone"] else desk.settings.zone
    since, until = _when(typed, zone)
    links = frozenset(find_link(desk, session, name).id for name in typed["links"])
    return SeenQuery(
        since=since or desk.now - timedelta(days=DEFAULT_DAYS),
        until=until or desk.now,
        zone=zone,
        per=typed["per"],
        by=typed["by"],
        among=Among(
            links=links or None,
            hooks=frozenset(typed.get("hooks", ())) or None,
            rules=frozenset(typed.get("rules", ())) or None,
        ),
        limit=typed.get("limit", 1),
    )


def _link_names(session: Session) -> dict[int, str]:
    return {link.id: link.name for link in link_store.list_all(session)}


def _kept_since(desk: Desk) -> datetime:
    return desk.now - timedelta(days=desk.settings.hooks.refusals_days)


def _attributes(chosen: Iterable[tuple[str, str]]) -> tuple[tuple[str, frozenset[str]], ...]:
    values: dict[str, set[str]] = {}
    for name, value in chosen:
        values.setdefault(name, set()).add(value)
    return tuple((name, frozenset(values[name])) for name in sorted(values))


def _filters(desk: Desk, session: Session, typed: dict[str, Any]) -> Filters:
    users = frozenset(find_user(session, subject, None).id for subject in typed["subjects"])
    links = frozenset(find_link(desk, session, name).id for name in typed["links"])
    return Filters(
        users=users or None,
        links=links or None,
        apps=frozenset(typed["apps"]) or None,
        models=frozenset(typed["models"]) or None,
        node_kinds=frozenset(typed["kinds"]) or None,
        issuers=_issuer_ids(session, typed),
        plans=_plan_ids(session, typed),
        attributes=_attributes(typed["attributes"]),
    )


def _issuer_ids(session: Session, typed: dict[str, Any]) -> frozenset[int] | None:
    named = typed["issuers"]
    return frozenset(token_store.get_issuer(session, name).id for name in named) or None


def _plan_ids(session: Session, typed: dict[str, Any]) -> frozenset[int] | None:
    return frozenset(plan_store.get_by_name(session, name).id for name in typed["plans"]) or None
