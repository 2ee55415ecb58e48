"""Rows of the usage explorer: what stands in them, and where they lead to."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any

from flask import request, url_for
from markupsafe import Markup, escape

from app.admin import usage_words
from app.admin.pages.usage_charts import Drawable
from app.admin.resources.usage import AmountsOut, ReportOut, RowOut
from app.pagekit.formats import count, decimal
from app.pagekit.languages import gettext as _
from app.reports.query import ATTRIBUTE

FOLLOWING = {"link": "user", "user": "link", "app": "user", "model": "link", "node_kind": "model"}
"""By what a row is cut next, when it is opened; the rest by user."""
FILTERS = frozenset({"user", "link", "app", "model", "node_kind", "issuer", "plan", "attribute"})
"""What an address of the explorer may narrow a report by."""
UNLISTED = "node_kind"
"""What the list of answers cannot be cut by."""
SEVERAL = frozenset({"issuer", "plan", "attribute"})
"""What it takes several of."""

_TIMES = {"month": "%Y-%m", "hour": "%Y-%m-%d %H:%M"}

Keys = tuple[tuple[str, str], ...]
"""Groups of a row with their values."""


def cells(amounts: AmountsOut, columns: Sequence[str]) -> Markup:
    """What stands in these columns, as cells of a table: one text, for there are thousands."""
    inside = '</td><td class="num">'.join(_told(getattr(amounts, name), name) for name in columns)
    return Markup(f'<td class="num">{inside}</td>')  # noqa: S704 - numbers only


def of_report(report: ReportOut, columns: Sequence[str]) -> Markup:
    """Rows of a table, with where they lead to: one text, for there are hundreds."""
    leads, words = Leads(report), _Words()
    form = _TIMES.get(report.per or "", "%Y-%m-%d")
    rows = (
        f"<tr>{_time(row.at, form)}{_names(row, leads.drill(row), report.by, words)}"
        f"{cells(row, columns)}<td>{_lead(leads.answers(row), words.answers)}</td></tr>"
        for row in report.rows
    )
    return Markup("".join(rows))  # noqa: S704 - times, numbers, and what was escaped


class _Words:
    """What rows say in the language of the page, looked up once."""

    def __init__(self) -> None:
        self.others, self.unnamed = escape(_("Others")), escape(_("(no name)"))
        self.answers = escape(_("Answers"))


def _time(at: datetime | None, form: str) -> str:
    return "" if at is None else f'<td class="text-nowrap">{at.strftime(form)}</td>'


def _names(row: RowOut, opened: str | None, by: Sequence[str], words: _Words) -> str:
    """The cells of its groups; one for all of them where it is of the others."""
    if row.is_others and by:
        return f'<td colspan="{len(by)}" class="text-body-secondary">{words.others}</td>'
    labels = (escape(key.label) for key in row.keys)
    told = (_lead(opened, label) if opened else label or words.unnamed for label in labels)
    return "".join(f'<td class="wrap-any">{one}</td>' for one in told)


def _lead(address: str | None, said: Markup) -> str:
    return "" if address is None else f'<a href="{escape(address)}">{said}</a>'


def by_day(found: Drawable, measure: str) -> Markup:
    """Rows of a table: the day, whom or what it is of, and the measure."""
    days: dict[datetime | None, str] = {at: at.strftime("%Y-%m-%d") for at in found.starts}
    row_of = '<tr><td>{}</td><td>{}</td><td class="num">{}</td></tr>'.format
    rows = (
        row_of(days.get(one.at, ""), escape(one.label), _told(one.value, measure))
        for one in found.figures
    )
    return Markup("".join(rows))  # noqa: S704 - times, numbers, and what was escaped


class Leads:
    """Addresses of what rows are made of. Each is made once, for all rows it is the same for."""

    def __init__(self, report: ReportOut) -> None:
        self._report = report
        self._ends = dict(pairwise([*report.starts, report.until]))
        given = request.args.to_dict(flat=False)
        self._state = {name: [text for text in texts if text] for name, texts in given.items()}
        self._explored = cache(self._explore)
        self._chosen = cache(self._choose)
        self._timed = cache(self._time)

    def drill(self, row: RowOut) -> str | None:
        """The explorer with this row alone, cut by what comes next; None without a name."""
        keys = _keys(row)
        return self._explored(keys) if keys and all(value for _, value in keys) else None

    def answers(self, row: RowOut) -> str | None:
        """The answers a row is made of; None where the list cannot be cut like that."""
        keys = _keys(row)
        if keys is None or not all(value or group.startswith(ATTRIBUTE) for group, value in keys):
            return None
        chosen = self._chosen(keys)
        return None if chosen is None else f"{self._timed(row.at)}{chosen}"

    def _explore(self, keys: Keys) -> str:
        state = self._narrowed(keys)
        following = FOLLOWING.get(keys[-1][0], "user")
        state["by"] = [] if following in dict(keys) else [following]
        return url_for("usage.explore", **state)  # type: ignore[arg-type]

    def _choose(self, keys: Keys) -> str | None:
        """What follows the time in the address of the list."""
        state = self._narrowed(keys)
        filters = {name: state[name] for name in FILTERS if state.get(name)}
        if UNLISTED in filters or any(
            len(values) > 1 for name, values in filters.items() if name not in SEVERAL
        ):
            return None
        address = url_for("usage.events", **filters)  # type: ignore[arg-type]
        return address.removeprefix(url_for("usage.events")).replace("?", "&", 1)

    def _narrowed(self, keys: Keys) -> dict[str, list[str]]:
        """The address's own parts, with filters narrowed to what a row is of."""
        state = dict(self._state)
        for group, value in keys:
            name = group.removeprefix(ATTRIBUTE)
            if name == group:
                state[name] = [value]
            else:
                all_of = state.get("attribute", [])
                others = [text for text in all_of if not text.startswith(f"{name}=")]
                state["attribute"] = [*others, f"{name}={value}"]
        return state

    def _time(self, at: datetime | None) -> str:
        since = at or self._report.since
        until = self._ends[at] if at else self._report.until
        return url_for("usage.events", since=since.isoformat(), until=until.isoformat())


def _told(value: Any, name: str) -> str:  # noqa: ANN401 - of any column
    places = usage_words.DECIMALS.get(name)
    return count(value) if places is None else decimal(value, places)


def _keys(row: RowOut) -> Keys | None:
    """None for the others, who are nobody."""
    return None if row.is_others else tuple((key.group, key.value) for key in row.keys)
