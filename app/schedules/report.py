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
from app.money import format_nano, from_nano
from app.reports.explore import explore
from app.reports.query import Amounts, Report
from app.saved_views import commands as views
from app.saved_views.commands import Owner
from app.saved_views.models import SavedView
from app.schedules import report_text, store, view_query
from app.schedules.makers import Assignment, Made, Maker

KIND = "report"
PAGE = "usage"
FORMAT = "shareauth-report/1"
_TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
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
        query = view_query.query_of(session, view.query, work.period, ZoneInfo(work.zone))
        report = explore(session, query)
        if store.is_behind(session, report.counted.event_id, work.period.until):
            raise BooksBehind("answers of the period are still being counted")
        name = view.name
        text = view.query
    place = work.folder / f"{_slug(name, view.id)}_{work.period.label}.csv"
    with place.open("w", encoding="utf-8", newline="", errors="replace") as out:
        out.writelines(csv_text.csv_lines(_columns(report), _rows(report), with_bom=asked.bom))
    file = DeliveredFile.of(place, "text/csv; charset=utf-8")
    said = report_text.Said(name, work.period, work.zone, work.currency, report)
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
    view_query.query_of(
        session, _view(session, asked, owner).query, report_text.SOME_PERIOD, ZoneInfo("UTC")
    )


MAKER = Maker(Parameters, permission="usage:read", make=make, check=check)


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


def _columns(report: Report) -> list[str]:
    at = [] if report.query.per is None else ["at"]
    visitors = ["visitors"] if report.query.with_visitors else []
    sums = ("points", "charge", "corrections", "net", *_TOKENS)
    return [*at, *report.query.by, "questions", *visitors, *sums]


def _rows(report: Report) -> Iterator[Sequence[Cell]]:
    for row in report.rows:
        at: list[Cell] = [] if report.query.per is None else [row.at]
        labels = ["(others)"] * len(report.query.by) if row.keys is None else row.labels
        yield [*at, *labels, *_cells(row.amounts, report)]
    if report.query.by or report.query.per:
        width = len(report.query.by) + (report.query.per is not None)
        yield ["(total)", *[None] * (width - 1), *_cells(report.total, report)]
    else:
        yield _cells(report.total, report)


def _cells(amounts: Amounts, report: Report) -> list[Cell]:
    visitors: list[Cell] = [amounts.visitors] if report.query.with_visitors else []
    corrections = None if amounts.corrections is None else from_nano(amounts.corrections)
    return [
        amounts.questions,
        *visitors,
        from_nano(amounts.points),
        from_nano(amounts.charge),
        corrections,
        from_nano(amounts.net),
        *(getattr(amounts, name) for name in _TOKENS),
    ]


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
        "currency": work.currency,
        "sums": {
            "questions": total.questions,
            "points": format_nano(total.points),
            "charge": format_nano(total.charge),
            "net": format_nano(total.net),
            **{name: getattr(total, name) for name in _TOKENS},
        },
    }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
