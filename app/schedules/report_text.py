"""What the mail of a scheduled report says, in Chinese and English."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from app.money import format_nano
from app.reports.query import Amounts, Report
from app.schedules.calendar import Period

ROWS_MAX = 20
SOME_PERIOD = Period(
    "2026-01-01",
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1),
)
"""Any, to try a view with."""
_WORDS = {
    "zh": {
        "subject": "{name} · {label}",
        "period": "{since} 至 {until}（{zone}）",
        "questions": "提问",
        "points": "积分",
        "charge": "费用（{currency}）",
        "net": "更正后（{currency}）",
        "others": "其他",
        "total": "合计",
        "counted": "计至回答 {event} 与流水 {transaction}。",
        "more": "共 {count} 行，完整数据见 CSV 附件。",
        "at": "时间",
        "user": "用户",
        "link": "链接",
        "app": "应用",
        "model": "模型",
        "node_kind": "节点类型",
    },
    "en": {
        "subject": "{name}, {label}",
        "period": "{since} to {until} ({zone})",
        "questions": "Questions",
        "points": "Points",
        "charge": "Charge ({currency})",
        "net": "Net of corrections ({currency})",
        "others": "Others",
        "total": "Total",
        "counted": "Counted up to answer {event} and transaction {transaction}.",
        "more": "{count} rows in all; the CSV has every one.",
        "at": "Time",
        "user": "User",
        "link": "Link",
        "app": "App",
        "model": "Model",
        "node_kind": "Node kind",
    },
}
_CELL = "padding:4px 10px;border-bottom:1px solid #ddd;text-align:"


@dataclass(frozen=True, slots=True)
class Said:
    name: str
    period: Period
    zone: str
    currency: str
    report: Report


def subject(said: Said, locale: str) -> str:
    return _WORDS[locale]["subject"].format(name=said.name, label=said.period.label)


def plain(said: Said, locale: str) -> str:
    """For mail programs that show no HTML."""
    words, total = _WORDS[locale], said.report.total
    sums = zip(_headings(said, locale), _sums(total), strict=True)
    return "\n".join(
        [
            subject(said, locale),
            _period(said, locale),
            *(f"{heading}: {value}" for heading, value in sums),
            _counted(said, words),
        ]
    )


def html(said: Said, locale: str) -> str:
    """A small page: what was asked for, the first rows, the total, how far it counts."""
    words, report = _WORDS[locale], said.report
    groups = [*(["at"] if report.query.per else []), *report.query.by]
    heads = [words.get(group, group) for group in groups]
    lines = [_line("th", heads, _headings(said, locale))]
    for row in report.rows[:ROWS_MAX]:
        at = [] if row.at is None else [row.at.strftime("%Y-%m-%d %H:%M")]
        labels = [words["others"]] * len(report.query.by) if row.keys is None else row.labels
        lines.append(_line("td", [*at, *labels], _sums(row.amounts)))
    first = [words["total"], *[""] * (len(groups) - 1)] if groups else []
    lines.append(_line("th", first, _sums(report.total)))
    notes = [_counted(said, words)]
    if len(report.rows) > ROWS_MAX:
        notes.insert(0, words["more"].format(count=len(report.rows)))
    return (
        '<!doctype html><html><head><meta charset="utf-8"></head>'
        '<body style="font-family:sans-serif;font-size:14px">'
        f'<h1 style="font-size:18px">{escape(said.name)}</h1>'
        f"<p>{escape(_period(said, locale))}</p>"
        f'<table style="border-collapse:collapse">{"".join(lines)}</table>'
        f"<p>{escape(' '.join(notes))}</p></body></html>"
    )


def _line(tag: str, labels: Sequence[str], sums: Sequence[str]) -> str:
    cells = [f'<{tag} style="{_CELL}left">{escape(one)}</{tag}>' for one in labels]
    cells += [f'<{tag} style="{_CELL}right">{escape(one)}</{tag}>' for one in sums]
    return f"<tr>{''.join(cells)}</tr>"


def _headings(said: Said, locale: str) -> list[str]:
    words = _WORDS[locale]
    return [
        words[name].format(currency=said.currency)
        for name in ("questions", "points", "charge", "net")
    ]


def _sums(amounts: Amounts) -> list[str]:
    questions = "–" if amounts.questions is None else str(amounts.questions)
    return [questions, *map(format_nano, (amounts.points, amounts.charge, amounts.net))]


def _period(said: Said, locale: str) -> str:
    zone = ZoneInfo(said.zone)
    since, until = (
        at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
        for at in (said.period.since, said.period.until)
    )
    return _WORDS[locale]["period"].format(since=since, until=until, zone=said.zone)


def _counted(said: Said, words: dict[str, str]) -> str:
    counted = said.report.counted
    return words["counted"].format(event=counted.event_id, transaction=counted.transaction_id)
