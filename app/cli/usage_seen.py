"""How refusals and unfinished questions read on a terminal, and as JSON."""

from collections.abc import Mapping
from typing import Any

from app.cli.frame import Report
from app.cli.output import amount, table
from app.reports.seen.report import SeenQuery, SeenReport, SeenRow
from app.reports.seen.store import Unfinished

OTHERS = "(others)"


def refused_report(made: SeenReport[int], query: SeenQuery, links: Mapping[int, str]) -> Report:
    rows = [_facts(row, query, links) | {"refusals": row.value} for row in made.rows]
    shown = [[*_cells(row, query, links), row.value] for row in made.rows]
    total = [*_total(query), made.total]
    headings = [*_headings(query), "refusals>"]
    return Report(
        _data(made, query, rows) | {"total": made.total},
        [table(headings, [*shown, total] if shown else [], empty="Nobody was refused.")],
    )


def unfinished_report(
    made: SeenReport[Unfinished], query: SeenQuery, links: Mapping[int, str]
) -> Report:
    rows = [_facts(row, query, links) | _amounts(row.value) for row in made.rows]
    shown = [[*_cells(row, query, links), *_amounts(row.value).values()] for row in made.rows]
    total = [*_total(query), *_amounts(made.total).values()]
    headings = [*_headings(query), "unfinished>", "late>", "expected charge>", "expected points>"]
    return Report(
        _data(made, query, rows) | {"total": _amounts(made.total)},
        [table(headings, [*shown, total] if shown else [], empty="Every answer was reported.")],
    )


def _data(made: SeenReport[Any], query: SeenQuery, rows: list[dict[str, Any]]) -> dict[str, Any]:
    period = {"since": made.since.isoformat(), "until": made.until.isoformat()}
    return period | {"zone": query.zone.key, "rows": rows}


def _headings(query: SeenQuery) -> list[str]:
    return [*(["from"] if query.per else []), *query.by]


def _total(query: SeenQuery) -> list[str | None]:
    width = len(_headings(query))
    return ["total", *[None] * (width - 1)] if width else []


def _named(row: SeenRow[Any], query: SeenQuery, links: Mapping[int, str]) -> dict[str, str]:
    keys = dict(zip(query.by, row.keys or (), strict=False))
    return {
        group: links.get(key, "") if group == "link" else str(key) for group, key in keys.items()
    }


def _facts(row: SeenRow[Any], query: SeenQuery, links: Mapping[int, str]) -> dict[str, Any]:
    at = {} if row.at is None else {"at": row.at.isoformat()}
    others = {"others": True} if row.keys is None else {}
    return at | others | _named(row, query, links)


def _cells(row: SeenRow[Any], query: SeenQuery, links: Mapping[int, str]) -> list[str | None]:
    at = [] if row.at is None else [row.at.strftime("%Y-%m-%d %H:%M")]
    if row.keys is None:
        return [*at, *[OTHERS, *[None] * len(query.by)][: len(query.by)]]
    return [*at, *_named(row, query, links).values()]


def _amounts(value: Unfinished) -> dict[str, Any]:
    return {
        "unfinished": value.open_turns,
        "late": value.late_turns,
        "expected_charge": amount(value.hold),
        "expected_points": amount(value.points_hold),
    }
