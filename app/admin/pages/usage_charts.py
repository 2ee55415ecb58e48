"""Reports as charts; the exact figures stand in the table beside them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from markupsafe import Markup

from app.admin.resources.usage import ReportOut, RowOut
from app.pagekit import charts
from app.pagekit.charts import SERIES_MAX
from app.pagekit.languages import gettext as _

BARS_MAX = 8
LABEL_CHARS_MAX = 15
"""So much stands below a bar without touching its neighbour."""
BUCKETS_MAX = 400
"""More would be thinner than a pixel."""
_FORMATS = {"hour": "%m-%d %H:%M", "day": "%m-%d", "week": "%m-%d", "month": "%Y-%m"}

Values = dict[datetime, Decimal]


def drawn(report: ReportOut, measure: str, *, title: str, is_narrow: bool = False) -> Markup | None:
    """The chart of one measure; None where there is nothing to draw, or too much."""
    if not report.rows or len(report.starts) > BUCKETS_MAX:
        return None
    if report.per is None:
        return _by_row(report, measure, title)
    return _by_time(report, measure, title, is_narrow=is_narrow)


def row_label(row: RowOut) -> str:
    if row.is_others:
        return _("Others")
    return " · ".join(key.label or _("(no name)") for key in row.keys)


def labels(rows: Sequence[RowOut]) -> list[str]:
    """What each row is called; looked up once for all that are called the same."""
    named: dict[tuple[str, ...] | None, str] = {}
    found = []
    for row in rows:
        key = None if row.is_others else tuple(key.label for key in row.keys)
        if key not in named:
            named[key] = row_label(row)
        found.append(named[key])
    return found


def _by_row(report: ReportOut, measure: str, title: str) -> Markup | None:
    rows = [row for row in report.rows if not row.is_others][:BARS_MAX]
    if not rows:
        return None
    values = [_value(row, measure) for row in rows]
    return charts.bars([_cut(row_label(row)) for row in rows], {title: values}, title=title)


def _cut(label: str) -> str:
    return label if len(label) <= LABEL_CHARS_MAX else f"{label[: LABEL_CHARS_MAX - 1]}…"


def _by_time(report: ReportOut, measure: str, title: str, *, is_narrow: bool) -> Markup:
    labels = [start.strftime(_FORMATS[report.per or "day"]) for start in report.starts]
    series = _series(report, measure)
    if not report.by:
        whole = _along(report.starts, _merged(series))
        return charts.bars(labels, {title: whole}, title=title, is_narrow=is_narrow)
    others = [label for label, (is_others, _) in series.items() if is_others]
    named = sorted(
        (label for label in series if label not in others),
        key=lambda label: -sum(series[label][1].values()),
    )
    room = SERIES_MAX if len(named) <= SERIES_MAX and not others else SERIES_MAX - 1
    shown = {label: _along(report.starts, series[label][1]) for label in named[:room]}
    if rest := [*named[room:], *others]:
        merged = _merged({label: series[label] for label in rest})
        shown[_("Others")] = _along(report.starts, merged)
    return charts.bars(labels, shown, title=title, is_narrow=is_narrow)


def _series(report: ReportOut, measure: str) -> dict[str, tuple[bool, Values]]:
    series: dict[str, tuple[bool, Values]] = {}
    for row, label in zip(report.rows, labels(report.rows), strict=True):
        if row.at is None or getattr(row, measure) is None:
            continue  # questions of others that stand in several rows cannot be told
        _is_others, values = series.setdefault(label, (row.is_others, {}))
        values[row.at] = values.get(row.at, Decimal(0)) + _value(row, measure)
    return series


def _merged(series: dict[str, tuple[bool, Values]]) -> Values:
    merged: Values = {}
    for _is_others, values in series.values():
        for at, value in values.items():
            merged[at] = merged.get(at, Decimal(0)) + value
    return merged


def _along(starts: Sequence[datetime], values: Values) -> list[Decimal]:
    return [values.get(start, Decimal(0)) for start in starts]


def _value(row: RowOut, measure: str) -> Decimal:
    return Decimal(getattr(row, measure) or 0)
