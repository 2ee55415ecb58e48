"""Usage: the explorer, answers, one answer, and all of it as files."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TypeVar, get_args

from flask import Response, flash, redirect, render_template, request, url_for
from markupsafe import Markup
from pydantic import BaseModel

from app.admin import access, usage_words, wording
from app.admin.pages import usage_charts, usage_rows
from app.admin.pages.elsewhere import address
from app.admin.pages.section import AnyResponse, section, validated
from app.admin.pages.usage_rows import FILTERS, SEVERAL
from app.admin.resources import saved_views, usage, usage_events, usage_seen
from app.admin.resources.asking import ReportQuery, link_names, zones
from app.admin.resources.saved_views import ViewQuery
from app.admin.resources.usage import SEEN, TIMES, TOKENS, FirstRows, ReportOut
from app.admin.resources.usage_events import EVENT_COLUMNS, EventFilter, EventQuery, event_cells
from app.admin.resources.usage_seen import (
    RefusedOut,
    RefusedQuery,
    UnfinishedOut,
    UnfinishedQuery,
)
from app.errors import Conflict, Invalid, NotFound
from app.pagekit.tables import Cell, csv_response, json_lines_response
from app.reports.query import ATTRIBUTE, MEASURES
from app.reports.seen.report import SEEN_GROUPS

ROWS_SHOWN = 200
"""A browser shows no more; the files have all."""
LISTS = FILTERS | {"by", "hook", "rule"}
OF_PAGE = frozenset({"measure", "bom", "format", "column"})
"""What the page is asked for beside the report."""
PLAIN = ("questions", "points", "charge", "corrections", "net", *TOKENS)
"""Columns that are shown when none is chosen."""
ASKED_BY = {"visitors": ("visitors",), "times": TIMES, "seen": SEEN}
"""What of a report is only made when one of these columns is shown."""

blueprint = section("usage", "/usage")
M = TypeVar("M", bound=BaseModel)


@blueprint.context_processor
def words() -> dict[str, object]:
    return {"words": usage_words, "address": address}


@blueprint.get("/")
@access.allow("usage:read")
def explore() -> AnyResponse:
    if not request.args:
        return redirect(url_for("usage.explore", per="day", by="link"))
    desk = access.desk()
    found, status = None, 200
    try:
        found = usage.first_rows(desk, _asked_report(), ROWS_SHOWN)
    except (Invalid, NotFound, Conflict) as problem:
        flash(wording.told(problem), "danger")
        status = problem.status
    measure = request.args.get("measure", "")
    measure = measure if measure in MEASURES else request.args.get("sort", "")
    measure = measure if measure in MEASURES else "charge"
    columns = _chosen_columns()
    page = render_template(
        "usage/explore.html",
        report=found and found.report,
        measure=measure,
        chart=_chart(found, measure),
        row_count=len(found.made.rows) if found else 0,
        rows=found and usage_rows.of_report(found.report, columns),
        cells=usage_rows.cells,
        columns=columns,
        is_filtered=any(text for name in FILTERS for text in request.args.getlist(name)),
        followed=desk.settings.reports.attributes,
        group_options=[(f"{ATTRIBUTE}{name}", name) for name in desk.settings.reports.attributes],
        **_views("usage"),
    )
    return Response(page, status=status)


@blueprint.get("/report.csv")
@access.allow("usage:read")
def report_csv() -> Response:
    """The explorer's table: what is seen, without the page's bound."""
    return _report_file("csv")


@blueprint.get("/report.jsonl")
@access.allow("usage:read")
def report_jsonl() -> Response:
    return _report_file("jsonl")


@blueprint.get("/refused")
@access.allow("refusals:read")
def refused() -> AnyResponse:
    """Refusals by rule, and questions whose answer was never reported."""
    desk = access.desk()
    refusals, unfinished, status = None, None, 200
    try:
        refusals = usage_seen.refused(desk, _asked(RefusedQuery))
        if desk.may("usage:read"):
            unfinished = usage_seen.unfinished(desk, _asked_unfinished())
    except (Invalid, NotFound, Conflict) as problem:
        flash(wording.told(problem), "danger")
        status = problem.status
    page = render_template(
        "usage/refused.html",
        refusals=refusals,
        unfinished=unfinished,
        rows=refusals.rows[:ROWS_SHOWN] if refusals else [],
        unfinished_rows=unfinished.rows[:ROWS_SHOWN] if unfinished else [],
        SEEN_GROUPS=SEEN_GROUPS,
        **_views("refused"),
    )
    return Response(page, status=status)


@blueprint.get("/refused.csv")
@access.allow("refusals:read")
def refused_csv() -> Response:
    return _seen_file("csv", usage_seen.refused(access.desk(), _asked(RefusedQuery)), "refusals")


@blueprint.get("/refused.jsonl")
@access.allow("refusals:read")
def refused_jsonl() -> Response:
    return _seen_file("jsonl", usage_seen.refused(access.desk(), _asked(RefusedQuery)), "refusals")


@blueprint.get("/unfinished.csv")
@access.allow("usage:read")
def unfinished_csv() -> Response:
    return _seen_file(
        "csv", usage_seen.unfinished(access.desk(), _asked_unfinished()), "unfinished"
    )


@blueprint.get("/unfinished.jsonl")
@access.allow("usage:read")
def unfinished_jsonl() -> Response:
    made = usage_seen.unfinished(access.desk(), _asked_unfinished())
    return _seen_file("jsonl", made, "unfinished")


@blueprint.get("/events")
@access.allow("usage:read")
def events() -> AnyResponse:
    desk = access.desk()
    page, status = None, 200
    try:
        page = usage_events.index(desk, _asked(EventQuery))
    except (Invalid, NotFound, Conflict) as problem:
        flash(wording.told(problem), "danger")
        status = problem.status
    shown = render_template(
        "usage/events.html",
        page=page,
        followed=desk.settings.reports.attributes,
        **_views("events"),
    )
    return Response(shown, status=status)


@blueprint.get("/events.csv")
@access.allow("usage:read")
def events_csv() -> Response:
    """All answers that match, however many."""
    return _events_file("csv")


@blueprint.get("/events.jsonl")
@access.allow("usage:read")
def events_jsonl() -> Response:
    return _events_file("jsonl")


@blueprint.get("/events/<reference>")
@access.allow("usage:read")
def event(reference: str) -> str:
    return render_template(
        "usage/event.html", event=usage_events.show(access.desk(), reference), TOKENS=TOKENS
    )


def _asked(model: type[M]) -> M:
    """What the address says; fields that were left empty say nothing."""
    given = request.args.to_dict(flat=False)
    values: dict[str, object] = {}
    for name, texts in given.items():
        filled = [text for text in texts if text]
        if not filled or name in OF_PAGE:
            continue
        is_list = name in (SEVERAL if issubclass(model, EventFilter) else LISTS)
        values[name] = list(dict.fromkeys(filled)) if is_list else filled[0]
    return validated(model, values)


def _chosen_columns() -> list[str]:
    """The columns to show, in their order."""
    chosen = set(request.args.getlist("column")) & set(usage_words.COLUMNS) or set(PLAIN)
    for asked, columns in ASKED_BY.items():
        if request.args.get(asked):
            chosen |= set(columns)
    return [name for name in usage_words.COLUMNS if name in chosen]


def _asked_report() -> ReportQuery:
    """The report, with what the chosen columns need."""
    columns = set(_chosen_columns())
    needed = {asked: True for asked, names in ASKED_BY.items() if columns & set(names)}
    return _asked(ReportQuery).model_copy(update=needed)


def _chart(found: FirstRows | None, measure: str) -> object:
    if found is None:
        return None
    drawable = usage_charts.of_report(found.made, measure)
    return usage_charts.drawn(drawable, title=str(usage_words.MEASURES[measure]))


@cache
def _zone_options() -> Markup:
    """Some hundred, made once: they are in every page with a period."""
    option = Markup('<option value="{}"></option>')
    return Markup().join(option.format(zone) for zone in sorted(zones()))


def _views(page: str) -> dict[str, object]:
    """What the forms of both pages offer, and the views that were kept of the page."""
    desk = access.desk()
    return {
        "views": saved_views.index(desk, ViewQuery(page=page)).items,
        "view_page": page,
        "zone_options": _zone_options(),
        "service_zone": desk.settings.zone.key,
        "link_options": [(name, name) for name in link_names(desk)],
    }


def _columns(report: ReportOut, amounts: Sequence[str]) -> list[str]:
    at = [] if report.per is None else ["at"]
    groups: list[str] = []
    for group in report.by:
        groups += [group, f"{group}_name"] if group == "user" else [group]
    return [*at, *groups, "is_others", *amounts]


def _rows(report: ReportOut, amounts: Sequence[str]) -> Iterable[list[Cell]]:
    for row in report.rows:
        at: list[Cell] = [] if report.per is None else [row.at]
        groups: list[Cell] = []
        for place, group in enumerate(report.by):
            key = None if row.is_others else row.keys[place]
            groups.append(None if key is None else key.value)
            if group == "user":
                groups.append(None if key is None else key.label)
        yield [*at, *groups, row.is_others, *(getattr(row, name) for name in amounts)]


def _asked_unfinished() -> UnfinishedQuery:
    """What the address says of refusals, as far as it is about these as well."""
    asked = _asked(RefusedQuery)
    values = {name: getattr(asked, name) for name in UnfinishedQuery.model_fields}
    return UnfinishedQuery.model_construct(
        **values | {"by": ["link"] if "link" in asked.by else []}
    )


def _seen_file(form: str, made: RefusedOut | UnfinishedOut, name: str) -> Response:
    rows = [row.model_dump() for row in made.rows]
    fields = type(made).model_fields["rows"].annotation
    columns = list(get_args(fields)[0].model_fields)
    name = f"{name}-{made.since:%Y%m%d}-{made.until:%Y%m%d}"
    return _file(form, columns, ([row[column] for column in columns] for row in rows), name)


def _report_file(form: str) -> Response:
    report, amounts = usage.report(access.desk(), _asked_report()), _chosen_columns()
    name = f"usage-{report.since:%Y%m%d}-{report.until:%Y%m%d}"
    return _file(form, _columns(report, amounts), _rows(report, amounts), name)


def _events_file(form: str) -> Response:
    desk = access.desk()
    filters = usage_events.filters_of(desk, _asked(EventFilter))
    found = usage_events.every(desk, filters)
    rows = (event_cells(event) for page in found for event in page)
    return _file(form, EVENT_COLUMNS, rows, "usage-events")


def _file(form: str, columns: Iterable[str], rows: Iterable[Iterable[Cell]], name: str) -> Response:
    names = list(columns)
    if form == "csv":
        lines = (list(row) for row in rows)
        return csv_response(names, lines, name, with_bom=bool(request.args.get("bom")))
    return json_lines_response((dict(zip(names, row, strict=True)) for row in rows), name)
