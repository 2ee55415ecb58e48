"""Why visitors were refused."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from flask import flash, redirect, render_template, request, url_for
from markupsafe import Markup

from app.admin import access, explaining, wording
from app.admin.pages.section import AnyResponse, section, validated
from app.admin.resources import refusals
from app.admin.resources.refusals import (
    COUNTED_FOR,
    COUNTED_MAX,
    CountOut,
    CountQuery,
    RefusalQuery,
    StrayQuery,
)
from app.errors import Invalid, NotFound
from app.moments import YEAR_MAX, YEAR_MIN
from app.pagekit import charts, formats, languages
from app.pagekit.languages import gettext as _

blueprint = section("refusals", "/refusals")

REFERENCE = re.compile(r"[0-9a-z]{6,20}")
NAMED_MAX = charts.SERIES_MAX - 1
"""Reasons with a colour of their own; the others share one."""


@blueprint.get("/")
@access.allow("refusals:read")
def index() -> str:
    desk = access.desk()
    asked = {name: value.strip() for name, value in request.args.items() if value.strip()}
    since, until = _day(asked.pop("since", None)), _day(asked.pop("until", None))
    behind = until and until + timedelta(days=1)
    query = validated(RefusalQuery, {**asked, "since": since, "until": behind})
    counts = None if query.uid else _counted(query)
    return render_template(
        "refusals/index.html",
        page=refusals.index(desk, query),
        query=query,
        days=(since and since.date(), until and until.date()),
        links=refusals.link_choices(desk),
        counts=counts,
        chart=_chart(counts.counts) if counts and counts.counts else None,
        is_narrowed=bool(request.args),
        sees_all=desk.caller.link_ids is None,
    )


@blueprint.get("/find")
@access.allow("refusals:read")
def find() -> AnyResponse:
    """From what a visitor read to you, or the whole message they sent."""
    words = REFERENCE.findall(request.args.get("reference", "").lower())
    try:
        found = refusals.show(access.desk(), words[-1] if words else "")
    except NotFound as problem:
        flash(wording.told(problem), "danger")
        return redirect(url_for("refusals.index"))
    return redirect(url_for("refusals.show", reference=found.reference))


@blueprint.get("/strays")
@access.allow("refusals:read")
def strays() -> str:
    found = refusals.strays(access.desk(), StrayQuery())
    return render_template("refusals/strays.html", strays=found.items, since=COUNTED_FOR.days)


@blueprint.get("/<reference>")
@access.allow("refusals:read")
def show(reference: str) -> str:
    desk = access.desk()
    refusal = refusals.show(desk, reference)
    return render_template(
        "refusals/show.html",
        refusal=refusal,
        told_visitor=refusals.told_visitor(desk, refusal, languages.current()),
    )


def _counted(query: RefusalQuery) -> refusals.CountsOut:
    """Of the period that is asked for, its last part if it is long; else of the last days."""
    until = query.until or access.desk().now
    since = query.since or until - COUNTED_FOR
    counts = refusals.count(
        access.desk(),
        CountQuery(
            since=max(since, until - COUNTED_MAX),
            until=until,
            link_id=query.link_id,
            hook=query.hook,
            no_link=query.no_link,
        ),
    )
    if query.code is not None:
        counts.counts = [one for one in counts.counts if one.code == query.code]
    return counts


def _chart(counts: Sequence[CountOut]) -> Markup:
    """One bar for each day, the most frequent reasons told apart."""
    first, last = counts[0].beginning.date(), counts[-1].beginning.date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    totals: dict[str, int] = {}
    for one in counts:
        totals[one.code] = totals.get(one.code, 0) + one.count
    named = sorted(totals, key=lambda code: -totals[code])[:NAMED_MAX]
    series: dict[str, list[int]] = {explaining.rule_name(code): [0] * len(days) for code in named}
    for one in counts:
        name = explaining.rule_name(one.code) if one.code in named else _("others")
        place = (one.beginning.date() - first).days
        series.setdefault(name, [0] * len(days))[place] += one.count
    labels = [f"{day:%m-%d}" for day in days]
    return charts.bars(labels, series, title=_("Refusals by day and reason"))


def _day(text: str | None) -> datetime | None:
    """When the day of a date field begins, by the operator's clock."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not YEAR_MIN <= day.year < YEAR_MAX:
        raise Invalid("this is no date, or no time", code="date_invalid")
    return datetime.combine(day, time(), tzinfo=formats.zone())
