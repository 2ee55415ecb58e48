"""What the mail of a scheduled report says, in Chinese and English."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from zoneinfo import ZoneInfo

from app import csv_text
from app.money import from_nano
from app.reports.query import ATTRIBUTE, Amounts, Report
from app.schedules.calendar import Period
from app.schedules.view_query import PLAIN

ROWS_MAX = 20
BRIEF = ("questions", "points", "charge", "net")
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
        "uncorrected": "更正（如退款、重新计价）只归属于用户和链接：此处的净额和毛利不含更正。",
        "at": "时间",
        "user": "用户",
        "link": "链接",
        "app": "应用",
        "model": "模型",
        "node_kind": "节点类型",
        "issuer": "签发方",
        "plan": "套餐",
        "visitors": "访客",
        "corrections": "更正（{currency}）",
        "cost": "成本（{currency}）",
        "margin": "毛利（{currency}）",
        "margin_percent": "毛利率 %",
        "median_ms": "中位耗时（毫秒）",
        "p95_ms": "95% 以内（毫秒）",
        "untimed": "无耗时",
        "refusals": "拒绝",
        "unfinished": "未完成",
        "input_tokens": "输入 Token",
        "output_tokens": "输出 Token",
        "embedding_tokens": "向量 Token",
        "rerank_tokens": "重排 Token",
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
        "uncorrected": "Corrections, such as refunds and answers priced again, are of users and "
        "links: net and margin here are without them.",
        "at": "Time",
        "user": "User",
        "link": "Link",
        "app": "App",
        "model": "Model",
        "node_kind": "Node kind",
        "issuer": "Issuer",
        "plan": "Plan",
        "visitors": "Visitors",
        "corrections": "Corrections ({currency})",
        "cost": "Cost ({currency})",
        "margin": "Margin ({currency})",
        "margin_percent": "Margin %",
        "median_ms": "Median, ms",
        "p95_ms": "95 % within, ms",
        "untimed": "Without a time",
        "refusals": "Refusals",
        "unfinished": "Unfinished",
        "input_tokens": "Input tokens",
        "output_tokens": "Output tokens",
        "embedding_tokens": "Embedding tokens",
        "rerank_tokens": "Rerank tokens",
    },
}
_NANO = frozenset({"points", "charge", "corrections", "net", "cost", "margin"})
_CORRECTED = frozenset({"net", "margin", "margin_percent"})
_CELL = "padding:4px 10px;border-bottom:1px solid #ddd;text-align:"


@dataclass(frozen=True, slots=True)
class Said:
    name: str
    period: Period
    zone: str
    currency: str
    report: Report
    columns: tuple[str, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """Of the columns, those for a mail: few, unless the view chose them."""
        return BRIEF if self.columns == PLAIN else self.columns


def amount_of(amounts: Amounts, column: str) -> Decimal | int | None:
    """What stands in a column of the explorer; None where it cannot be told."""
    value = amounts.known_cost if column == "cost" else getattr(amounts, column)
    if column in _NANO and value is not None:
        return from_nano(value)
    found: Decimal | int | None = value
    return found


def subject(said: Said, locale: str) -> str:
    return _WORDS[locale]["subject"].format(name=said.name, label=said.period.label)


def plain(said: Said, locale: str) -> str:
    """For mail programs that show no HTML."""
    words, total = _WORDS[locale], said.report.total
    sums = zip(_headings(said, locale), _sums(said, total), strict=True)
    return "\n".join(
        [
            subject(said, locale),
            _period(said, locale),
            *(f"{heading}: {value}" for heading, value in sums),
            *_notes(said, words),
        ]
    )


def html(said: Said, locale: str) -> str:
    """A small page: what was asked for, the first rows, the total, how far it counts."""
    words, report = _WORDS[locale], said.report
    groups = [*(["at"] if report.query.per else []), *report.query.by]
    heads = [words.get(group) or group.removeprefix(ATTRIBUTE) for group in groups]
    lines = [_line("th", heads, _headings(said, locale))]
    for row in report.rows[:ROWS_MAX]:
        at = [] if row.at is None else [row.at.strftime("%Y-%m-%d %H:%M")]
        labels = [words["others"]] * len(report.query.by) if row.keys is None else row.labels
        lines.append(_line("td", [*at, *labels], _sums(said, row.amounts)))
    first = [words["total"], *[""] * (len(groups) - 1)] if groups else []
    lines.append(_line("th", first, _sums(said, report.total)))
    notes = _notes(said, words)
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
    return [words[name].format(currency=said.currency) for name in said.shown]


def _sums(said: Said, amounts: Amounts) -> list[str]:
    found = (amount_of(amounts, name) for name in said.shown)
    return ["–" if one is None else csv_text.plain(one) for one in found]


def _period(said: Said, locale: str) -> str:
    zone = ZoneInfo(said.zone)
    since, until = (
        at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
        for at in (said.period.since, said.period.until)
    )
    return _WORDS[locale]["period"].format(since=since, until=until, zone=said.zone)


def _notes(said: Said, words: dict[str, str]) -> list[str]:
    """How far it counts, and what a reader could take some column for."""
    counted = said.report.counted
    upto = words["counted"].format(event=counted.event_id, transaction=counted.transaction_id)
    is_uncorrected = said.report.total.corrections is None and _CORRECTED & set(said.shown)
    return [upto, words["uncorrected"]] if is_uncorrected else [upto]
