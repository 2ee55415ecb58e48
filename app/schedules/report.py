"""The kind ``report``: a saved view of the usage explorer, as CSV and as a table in the mail."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app import csv_text
from app.config import Locale
from app.csv_text import Cell
from app.db import Database
from app.deliveries.orders import DeliveredFile
from app.errors import Invalid, Unavailable
from app.money import format_nano
from app.reports.explore import explore
from app.reports.query import Amounts, Report
from app.saved_views import commands as views
from app.saved_views.commands import Owner
from app.saved_views.models import SavedView
from app.schedules import report_text, store, view_query
from app.schedules.makers import Assignment, Made, Maker
from app.schedules.report_text import amount_of
from app.schedules.view_query import TOKENS, Asked

KIND = "report"
PAGE = "usage"
FORMAT = "shareauth-report/1"
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


class Parameters(BaseModel):
    """Which view, and how its file is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view_id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    locale: Locale = "zh"
    """Of what the mail says."""
    bom: bool = False
    """Begin the CSV with a mark by which Excel knows UTF-8."""


class BooksBehind(Unavailable):
    """Answers of the period are not counted yet."""

    code = "books_behind"


def make(db: Database, work: Assignment) -> Made:
    """The report on the assignment's period, whatever period the view itself shows.

    Raises:
        ViewNotFound: the view is gone, or no longer its owner's to see.
        Invalid: the view has something that a scheduled report does not know.
        BooksBehind: the sums have not reached the end of the period yet.
    """
    asked = Parameters.model_validate(work.parameters.model_dump())
    with db.read() as session:
        view = _view(session, asked, work.owner)
        kept = work.now - work.site.refusals_kept
        zone = ZoneInfo(work.zone)
        seen = view_query.asked_of(session, view.query, work.period, zone, seen_since=kept)
        report = explore(session, seen.query)
        if store.is_behind(session, report.counted.event_id, work.period.until):
            raise BooksBehind("answers of the period are still being counted")
        name = view.name
        text = view.query
    place = work.folder / f"{_slug(name, view.id)}_{work.period.label}.csv"
    with place.open("w", encoding="utf-8", newline="", errors="replace") as out:
        out.writelines(csv_text.csv_lines(_columns(seen), _rows(seen, report), with_bom=asked.bom))
    file = DeliveredFile.of(place, "text/csv; charset=utf-8")
    said = report_text.Said(name, work.period, work.zone, work.site.currency, report, seen.columns)
    return Made(
        files=[file],
        manifest=_manifest(work, report, view={"id": view.id, "name": name, "query": text}),
        subject=report_text.subject(said, asked.locale),
        summary=report_text.plain(said, asked.locale),
        summary_html=report_text.html(said, asked.locale),
    )


def check(session: Session, parameters: BaseModel, owner: str) -> None:
    """Refuse a view that is not there, is of another page, or cannot be scheduled.

    Raises:
        ViewNotFound, Invalid: as for ``make``.
    """
    asked = Parameters.model_validate(parameters.model_dump())
    some = report_text.SOME_PERIOD
    view = _view(session, asked, owner)
    view_query.asked_of(session, view.query, some, ZoneInfo("UTC"), seen_since=some.since)


MAKER = Maker(Parameters, permission=lambda _: "usage:read", make=make, check=check)


def _view(session: Session, asked: Parameters, owner: str) -> SavedView:
    view = views.get_visible(session, asked.view_id, owner=Owner(owner))
    if view.page != PAGE:
        raise Invalid(
            "only views of the usage explorer can be scheduled as reports", code="view_unusable"
        )
    return view


def _slug(name: str, view_id: int) -> str:
    # A number where nothing is left of the name, as of one in Chinese.
    return _UNSAFE.sub("-", name).strip("-").lower()[:60] or f"view-{view_id}"


def _columns(asked: Asked) -> list[str]:
    at = [] if asked.query.per is None else ["at"]
    return [*at, *asked.query.by, *asked.columns]


def _rows(asked: Asked, report: Report) -> Iterator[Sequence[Cell]]:
    by, has_buckets = report.query.by, report.query.per is not None
    for row in report.rows:
        at: list[Cell] = [row.at] if has_buckets else []
        labels = ["(others)"] * len(by) if row.keys is None else row.labels
        yield [*at, *labels, *_cells(row.amounts, asked)]
    width = len(by) + has_buckets
    first = ["(total)", *[None] * (width - 1)] if width else []
    yield [*first, *_cells(report.total, asked)]


def _cells(amounts: Amounts, asked: Asked) -> list[Cell]:
    return [amount_of(amounts, name) for name in asked.columns]


def _manifest(work: Assignment, report: Report, *, view: dict[str, Any]) -> dict[str, Any]:
    total = report.total
    return {
        "format": FORMAT,
        "view": view,
        "period": {
            "label": work.period.label,
            "since": _iso(work.period.since),
            "until": _iso(work.period.until),
            "zone": work.zone,
        },
        "position": {
            "event_id": report.counted.event_id,
            "transaction_id": report.counted.transaction_id,
        },
        "rows": len(report.rows),
        "currency": work.site.currency,
        "sums": {
            "questions": total.questions,
            "points": format_nano(total.points),
            "charge": format_nano(total.charge),
            "net": format_nano(total.net),
            **{name: getattr(total, name) for name in TOKENS},
        },
    }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
