"""How reports and answers read on a terminal, and as JSON."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from app.cli.frame import Report as Said
from app.cli.output import amount, card, iso, local, table
from app.metering.models import UsageLine
from app.reports.events.detail import EventDetail
from app.reports.events.store import ListedEvent, Movement
from app.reports.query import Amounts, Report, Row

OTHERS = "(others)"
WITHOUT_CORRECTIONS = (
    "Corrections, such as refunds, are of users and links: a margin here is of the charge alone."
)
_TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")


def report_data(report: Report, *, currency: str) -> dict[str, Any]:
    counted = report.counted
    return {
        "currency": currency,
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "zone": report.query.zone.key,
        "rows": [_row_data(row, report) for row in report.rows],
        "total": _amounts(report.total),
        "counted_to": {"event": counted.event_id, "transaction": counted.transaction_id},
        "is_behind": counted.is_behind,
    }


def report_table(report: Report) -> list[object]:
    by, has_time = report.query.by, report.query.per is not None
    headings = [*(["from"] if has_time else []), *by, "questions>", "points>", "charge>"]
    headings += ["corrections>", "input>", "output>"]
    headings += [heading for heading, _ in _more(report)]
    rows = [_cells(row, report) for row in report.rows]
    total = Row(None, None, ("",) * len(by), report.total)
    cells = _cells(total, report)
    if has_time or by:
        cells[0] = "total"
    rows.append(cells)
    counted = report.counted
    upto = f"Counted up to answer {counted.event_id} and transaction {counted.transaction_id}."
    if counted.is_behind:
        upto += " There are newer ones, which are not counted yet."
    said = [table(headings, rows, empty="Nothing was used."), upto]
    return said if report.total.corrections is not None else [*said, WITHOUT_CORRECTIONS]


def _more(report: Report) -> list[tuple[str, Callable[[Amounts], Any]]]:
    """Columns that are only shown where something is known for them, and how each is filled."""
    query, total = report.query, report.total
    columns: list[tuple[str, Callable[[Amounts], Any]]] = []
    if total.costed_points:
        columns += [
            ("cost>", lambda amounts: amount(amounts.known_cost)),
            ("margin>", lambda amounts: amount(amounts.margin)),
            ("margin %>", lambda amounts: amounts.margin_percent),
        ]
    if query.with_times:
        columns += [
            ("median ms>", lambda amounts: amounts.median_ms),
            ("95% ms>", lambda amounts: amounts.p95_ms),
            ("untimed>", lambda amounts: amounts.untimed),
        ]
    if query.seen_since is not None:
        columns += [
            ("refusals>", lambda amounts: amounts.refusals),
            ("unfinished>", lambda amounts: amounts.unfinished),
        ]
    if query.with_visitors:
        columns.append(("visitors>", lambda amounts: amounts.visitors))
    return columns


def event_row(event: ListedEvent) -> dict[str, Any]:
    data = asdict(event)
    del data["id"]
    data["received_at"] = iso(event.received_at)
    data["points"], data["charge"] = amount(event.points), amount(event.charge)
    return data


def events_table(events: Sequence[ListedEvent], zone: ZoneInfo) -> object:
    return table(
        ["reference", "received", "user", "link", "app", "points>", "charge>", "warnings"],
        [
            [
                event.reference,
                local(event.received_at, zone),
                event.user_name or event.subject,
                event.link_name,
                event.app_name,
                amount(event.points),
                amount(event.charge),
                list(event.warnings) or None,
            ]
            for event in events
        ],
        empty="There is none.",
    )


def described(detail: EventDetail, zone: ZoneInfo) -> Said:
    event, names = detail.event, detail.names
    facts = {
        "reference": event.reference,
        "user": names.user_name or names.subject,
        "uid": names.uid,
        "issuer": names.issuer,
        "link": names.link,
        "plan": names.plan,
        "app": event.app_name,
        "chat": event.chat_id,
        "generation": event.generation,
        "billed by": event.billed_by,
        "price version": event.price_version_id,
        "points": amount(event.points),
        "charge": amount(event.charge),
        "costs now": amount(detail.costs),
        "nodes": event.node_count,
        "took ms": event.running_time_ms,
        "warnings": event.warnings,
    }
    data = {name.replace(" ", "_"): value for name, value in facts.items()} | {
        "subject": names.subject,
        "received_at": iso(event.received_at),
        "lines": [_line_data(line) for line in detail.lines],
        "lines_archived": detail.are_lines_archived,
        "steps": [asdict(step) for step in detail.steps],
        "transactions": [_movement_data(one) for one in detail.movements],
    }
    shown = [
        card(facts | {"received": local(event.received_at, zone)}),
        "",
        _lines_table(detail),
        "",
        table(
            ["step", "of", "how", "amount>"],
            [[step.code, step.of or None, step.formula, step.amount] for step in detail.steps],
            empty="How the charge came about was not written down.",
        ),
        "",
        _movements_table(detail.movements, zone),
    ]
    return Said(data, shown)


def _lines_table(detail: EventDetail) -> object:
    return table(
        ["model", "node", "points>", "charge>", "input>", "output>", "embedding>", "rerank>"],
        [
            [
                line.model or None,
                line.node_kind,
                amount(line.points),
                amount(line.charge),
                *(getattr(line, name) for name in _TOKENS),
            ]
            for line in detail.lines
        ],
        empty="Its lines lie in an archive." if detail.are_lines_archived else "It has no lines.",
    )


def _movements_table(movements: Sequence[Movement], zone: ZoneInfo) -> object:
    return table(
        ["transaction>", "kind", "posted", "amount>", "balance>", "by", "reason"],
        [
            [
                one.transaction_id,
                one.kind,
                local(one.posted_at, zone),
                amount(one.amount),
                amount(one.balance_after),
                one.actor,
                one.reason,
            ]
            for one in movements
        ],
        empty="The ledger has nothing of it.",
    )


def _row_data(row: Row, report: Report) -> dict[str, Any]:
    by = report.query.by
    groups: dict[str, Any] = {"others": True} if row.keys is None else dict(zip(by, row.labels))  # noqa: B905 - rows without groups have no labels
    if row.keys is not None:
        ids = {f"{group}_id": key for group, key in zip(by, row.keys, strict=True)}
        groups |= {name: key for name, key in ids.items() if isinstance(key, int)}
    at = {} if row.at is None else {"at": row.at.isoformat()}
    return at | groups | _amounts(row.amounts)


def _amounts(amounts: Amounts) -> dict[str, Any]:
    data = asdict(amounts)
    for name in ("points", "charge", "corrections", "costed_points"):
        data[name] = amount(data[name])
    percent = amounts.margin_percent
    return data | {
        "cost": amount(amounts.known_cost),
        "margin": amount(amounts.margin),
        "margin_percent": None if percent is None else str(percent),
    }


def _cells(row: Row, report: Report) -> list[Any]:
    at = [] if report.query.per is None else [row.at and row.at.strftime("%Y-%m-%d %H:%M")]
    labels = row.labels
    if row.keys is None and labels:
        labels = (OTHERS, *labels[1:])
    amounts = row.amounts
    cells = [
        *at,
        *labels,
        amounts.questions,
        amount(amounts.points),
        amount(amounts.charge),
        amount(amounts.corrections),
        amounts.input_tokens,
        amounts.output_tokens,
    ]
    return [*cells, *(fill(amounts) for _, fill in _more(report))]


def _line_data(line: UsageLine) -> dict[str, Any]:
    return {
        "model": line.model,
        "node_kind": line.node_kind,
        "points": amount(line.points),
        "charge": amount(line.charge),
        **{name: getattr(line, name) for name in _TOKENS},
    }


def _movement_data(one: Movement) -> dict[str, Any]:
    data = asdict(one)
    data["posted_at"] = iso(one.posted_at)
    data["amount"], data["balance_after"] = amount(one.amount), amount(one.balance_after)
    return data
