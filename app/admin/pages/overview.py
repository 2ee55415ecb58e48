"""The first page: how things stand."""

from decimal import Decimal
from typing import NamedTuple

from flask import redirect, render_template, url_for
from markupsafe import Markup

from app.admin import access, usage_words
from app.admin.pages import usage_charts, usage_rows
from app.admin.pages.elsewhere import address
from app.admin.pages.section import AnyResponse, section
from app.admin.resources import overview
from app.admin.resources.overview import OverviewOut
from app.admin.resources.usage import ReportOut
from app.operators.roles import SELF
from app.pagekit.languages import gettext as _

blueprint = section("overview", "")


class Charted(NamedTuple):
    """A measure of a report, drawn and as rows of a table."""

    title: str
    group: str
    measure: str
    chart: Markup | None
    rows: Markup


@blueprint.get("/")
@access.allow(SELF)
def show() -> AnyResponse | str:
    desk = access.desk()
    if not desk.may("usage:read"):
        return redirect(url_for("account.show"))
    found = overview.show(desk)
    return render_template(
        "overview/show.html",
        found=found,
        charts=_charts(found),
        change=change,
        address=address,
        words=usage_words,
    )


def change(now: Decimal | int | None, before: Decimal | int | None) -> Decimal | None:
    """By which part it grew; None where there was nothing."""
    if not before:
        return None
    return (Decimal(now or 0) - Decimal(before)) / Decimal(before)


def _charts(found: OverviewOut) -> list[Charted]:
    wanted = (
        (_("Charges a day, by link"), found.by_link, "charge"),
        (_("Questions a day, by link"), found.by_link, "questions"),
        (_("Charges a day, by model"), found.by_model, "charge"),
        (_("Questions a day, by model"), found.by_model, "questions"),
    )
    return [_charted(*one) for one in wanted]


def _charted(title: str, report: ReportOut, measure: str) -> Charted:
    shown = usage_charts.of_shown(report, measure)
    chart = usage_charts.drawn(shown, title=title, is_narrow=True)
    return Charted(title, report.by[0], measure, chart, usage_rows.by_day(shown, measure))
