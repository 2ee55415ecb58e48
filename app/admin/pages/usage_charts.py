"""Reports as charts; the exact figures stand in the table beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

from markupsafe import Markup

from app.admin.resources import usage
from app.admin.resources.usage import ReportOut
from app.pagekit import charts
from app.pagekit.charts import SERIES_MAX
from app.pagekit.languages import gettext as _
from app.reports.query import Group, Report
from app.reports.spans import Unit

BARS_MAX = 8
LABEL_CHARS_MAX = 15
"""So much stands below a bar without touching its neighbour."""
BUCKETS_MAX = 400
"""More would be thinner than a pixel."""
_FORMATS = {"hour": "%m-%d %H:%M", "day": "%m-%d", "week": "%m-%d", "month": "%Y-%m"}

Values = dict[datetime, Decimal | int]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure of one row; None where it cannot be told."""

    at: datetime | None
    is_others: bool
    label: str
    value: Decimal | int | None


@dataclass(frozen=True, slots=True)
class Drawable:
    """A measure of a report."""

    per: Unit | None
    by: Sequence[Group]
    starts: Sequence[datetime]
    figures: Sequence[Figure]


def of_report(made: Report, measure: str) -> Drawable:
    """A measure of a report as it was made."""
    call = _caller()
    figures = [
        Figure(
            row.at,
            row.keys is None,
            call(None if row.keys is None else row.labels),
            usage.figure(row.amounts, measure),
        )
        for row in made.rows
    ]
    return Drawable(made.query.per, made.query.by, made.starts, figures)


def of_shown(report: ReportOut, measure: str) -> Drawable:
    """The same as it goes out."""
    call = _caller()
    figures = [
        Figure(
            row.at,
            row.is_others,
            call(None if row.is_others else tuple(key.label for key in row.keys)),
            getattr(row, measure),
        )
        for row in report.rows
    ]
    return Drawable(report.per, report.by, report.starts, figures)


def drawn(found: Drawable, *, title: str, is_narrow: bool = False) -> Markup | None:
    """The chart; None where there is nothing to draw, or too much."""
    if not found.figures or len(found.starts) > BUCKETS_MAX:
        return None
    if found.per is None:
        return _by_row(found, title)
    return _by_time(found, title, is_narrow=is_narrow)


def _caller() -> Callable[[tuple[str, ...] | None], str]:
    """What a row of these labels is called, or of the others (None); put together once each."""

    @cache
    def call(labels: tuple[str, ...] | None) -> str:
        if labels is None:
            return _("Others")
        return " · ".join(label or _("(no name)") for label in labels)

    return call


def _by_row(found: Drawable, title: str) -> Markup | None:
    figures = [one for one in found.figures if not one.is_others][:BARS_MAX]
    if not figures:
        return None
    values = [Decimal(one.value or 0) for one in figures]
    return charts.bars([_cut(one.label) for one in figures], {title: values}, title=title)


def _cut(label: str) -> str:
    return label if len(label) <= LABEL_CHARS_MAX else f"{label[: LABEL_CHARS_MAX - 1]}…"


def _by_time(found: Drawable, title: str, *, is_narrow: bool) -> Markup:
    labels = [start.strftime(_FORMATS[found.per or "day"]) for start in found.starts]
    series = _series(found.figures)
    if not found.by:
        whole = _along(found.starts, _merged(series))
        return charts.bars(labels, {title: whole}, title=title, is_narrow=is_narrow)
    others = [label for label, (is_others, _) in series.items() if is_others]
    named = sorted(
        (label for label in series if label not in others),
        key=lambda label: -sum(series[label][1].values()),
    )
    room = SERIES_MAX if len(named) <= SERIES_MAX and not others else SERIES_MAX - 1
    shown = {label: _along(found.starts, series[label][1]) for label in named[:room]}
    if rest := [*named[room:], *others]:
        merged = _merged({label: series[label] for label in rest})
        shown[_("Others")] = _along(found.starts, merged)
    return charts.bars(labels, shown, title=title, is_narrow=is_narrow)


def _series(figures: Sequence[Figure]) -> dict[str, tuple[bool, Values]]:
    series: dict[str, tuple[bool, Values]] = {}
    for one in figures:
        if one.at is None or one.value is None:
            continue  # questions of others that stand in several rows cannot be told
        _is_others, values = series.setdefault(one.label, (one.is_others, {}))
        values[one.at] = values.get(one.at, 0) + one.value
    return series


def _merged(series: dict[str, tuple[bool, Values]]) -> Values:
    merged: Values = {}
    for _is_others, values in series.values():
        for at, value in values.items():
            merged[at] = merged.get(at, 0) + value
    return merged


def _along(starts: Sequence[datetime], values: Values) -> list[Decimal | int]:
    return [values.get(start, 0) for start in starts]
