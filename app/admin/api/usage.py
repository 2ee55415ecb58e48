"""``/usage``: reports, single answers, how things stand."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import overview, usage, usage_events, usage_seen
from app.admin.resources.asking import ReportQuery
from app.admin.resources.overview import OverviewOut
from app.admin.resources.usage import ReportOut
from app.admin.resources.usage_events import EventDetailOut, EventPage, EventQuery
from app.admin.resources.usage_seen import (
    RefusedOut,
    RefusedQuery,
    UnfinishedOut,
    UnfinishedQuery,
)

section = Section("usage", "Usage")


@section.get("/usage/report", permission="usage:read")
def usage_report(desk: Desk, query: ReportQuery) -> ReportOut:
    """Add up what was used in a period.

    Cut by the clock and by user, link, app, model, node kind, issuer, plan, and attributes that
    users had then. Periods are widened to whole quarters of an hour. What the limit leaves out is
    a row of others. Sums follow the books within seconds; `counted` says how far.
    """
    return usage.report(desk, query)


@section.get("/usage/overview", permission="usage:read")
def usage_overview(desk: Desk) -> OverviewOut:
    """Show how things stand.

    Today beside yesterday and the same weekday last week, the last 30 days by link and by model,
    and what needs attention. Made at most every ten seconds: `made_at` says when.
    """
    return overview.show(desk)


@section.get("/usage/refusals", permission="refusals:read")
def usage_refusals(desk: Desk, query: RefusedQuery) -> RefusedOut:
    """Count refusals by rule, hook and link."""
    return usage_seen.refused(desk, query)


@section.get("/usage/unfinished", permission="usage:read")
def usage_unfinished(desk: Desk, query: UnfinishedQuery) -> UnfinishedOut:
    """Count questions whose answer was never reported, by when they were asked."""
    return usage_seen.unfinished(desk, query)


@section.get("/usage/events", permission="usage:read")
def list_usage_events(desk: Desk, query: EventQuery) -> EventPage:
    """List answers, newest first."""
    return usage_events.index(desk, query)


@section.get("/usage/events/<reference>", permission="usage:read")
def get_usage_event(desk: Desk, reference: str) -> EventDetailOut:
    """Show one answer.

    Its lines, how its charge came about step by step, and the ledger's transactions.
    """
    return usage_events.show(desk, reference)
