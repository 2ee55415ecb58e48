"""What alerts say to people, in Chinese and English. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

LOCALES = ("zh", "en")
DIGEST_LINES_MAX = 20

_SEVERITY = {
    "zh": {"info": "提示", "warning": "警告", "critical": "严重"},
    "en": {"info": "Info", "warning": "Warning", "critical": "Critical"},
}
_EVENT = {
    "zh": {"opened": "", "escalated": "升级", "repeated": "仍未解除", "resolved": "已解除"},
    "en": {
        "opened": "",
        "escalated": "worse",
        "repeated": "still open",
        "resolved": "resolved",
    },
}
_PERIOD = {"zh": {"month": "本月", "total": "总计"}, "en": {"month": "month", "total": "total"}}
_EVERYTHING = {"zh": "全部用户", "en": "everybody"}

_SENTENCES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    # condition: locale: what happened, what to do
    "low_balance": {
        "zh": ("{name} 的余额只剩 {balance} {currency}，低于 {below}。", "请充值或调整信用额度。"),
        "en": (
            "{name} has {balance} {currency} left, below {below}.",
            "Top up the wallet, or raise the credit of the plan.",
        ),
    },
    "budget": {
        "zh": (
            "{name} 已用到限额的 {percent}%（{period}）：{used} / {limit} 积分。",
            "到 100% 时提问会被拒绝；可以在链接、套餐或用户上调整限额。",
        ),
        "en": (
            "{name} has used {percent} % of its points ({period}): {used} of {limit}.",
            "At 100 % questions are refused; the limit is set at the link, plan or user.",
        ),
    },
    "unusual_spend": {
        "zh": (
            "{name} 今天已花费 {spent} {currency}，超过往常同一星期几的上限 {limit}。",
            "请查看是哪些用户、链接和模型造成的。",
        ),
        "en": (
            (
                "{name} spent {spent} {currency} today, more than the {limit} that are usual for "
                "this weekday."
            ),
            "Look which users, links and models it comes from.",
        ),
    },
    "refusal_spike": {
        "zh": (
            "拒绝激增：“{code}” 在最近一两小时内出现 {count} 次，平时约 {expected} 次。",
            "README 的“拒绝原因”一节说明每个代码的含义。",
        ),
        "en": (
            (
                "Many refusals: “{code}” came {count} times in the last hour or two, where about "
                "{expected} are usual."
            ),
            "The README says what each code means.",
        ),
    },
    "spool_waits": {
        "zh": (
            "{name} 上有 {records} 条结算在本机暂存区等待，最早的已等 {minutes} 分钟。",
            "请检查数据库，并查看 `shareauth worker` 的日志和 `shareauth spool list`。",
        ),
        "en": (
            "{records} finishes wait in the spool of {name}, the oldest for {minutes} minutes.",
            "Look at the database, the log of `shareauth worker`, and `shareauth spool list`.",
        ),
    },
    "findings": {
        "zh": (
            "自查发现 {count} 处问题（{code}）。其中之一：{message}",
            "请用 `shareauth ledger verify` 和 `shareauth doctor` 查看。",
        ),
        "en": (
            "The self-audit has {count} findings ({code}). One of them: {message}",
            "See `shareauth ledger verify` and `shareauth doctor`.",
        ),
    },
    "unfinished_turns": {
        "zh": (
            "昨天以来 {asked} 个问题中有 {unfinished} 个没有收到 finish，可能没有计费。",
            "请查看 `shareauth turns unfinished`，以及 FastGPT 和代理的日志。",
        ),
        "en": (
            (
                "{unfinished} of {asked} questions since yesterday have no finish; they may not "
                "have been charged."
            ),
            "See `shareauth turns unfinished`, and the logs of FastGPT and the proxy.",
        ),
    },
    "quarantine": {
        "zh": (
            "有 {count} 条无法入账的 finish 等待处理，可能涉及费用。",
            "请用 `shareauth quarantine list` 查看。",
        ),
        "en": (
            "{count} finishes that could not be recorded wait for somebody; they may be money.",
            "See `shareauth quarantine list`.",
        ),
    },
    "files_failing": {
        "zh": (
            "{name}：有 {count} 项文件未能生成或送达（{error}）。",
            "请用 `shareauth deliveries list --status dead` 和 `shareauth schedules list` 查看。",
        ),
        "en": (
            "{name}: {count} times files could not be made or delivered ({error}).",
            "See `shareauth deliveries list --status dead` and `shareauth schedules list`.",
        ),
    },
    "jobs_failing": {
        "zh": (
            "{name}：定时任务 {job} 连续失败 {runs} 次（{error}）。",
            "请查看 `shareauth worker` 的日志。",
        ),
        "en": (
            "{name}: the job {job} failed {runs} times in a row ({error}).",
            "Look at the log of `shareauth worker`.",
        ),
    },
}
_TEST = {
    "zh": ("shareauth 测试消息", "目标 “{destination}” 可以收到告警。"),
    "en": ("shareauth: a test", "The destination “{destination}” gets its alerts."),
}
_SINCE = {"zh": "开始于 {opened}", "en": "Since {opened}"}
_ENDED = {"zh": "开始于 {opened}，解除于 {resolved}", "en": "From {opened} to {resolved}"}
_DIGEST = {"zh": "shareauth：{count} 条告警消息", "en": "shareauth: {count} alert messages"}
_MORE = {"zh": "……另有 {count} 条：`shareauth alerts list`", "en": "… and {count} more: "
         "`shareauth alerts list`"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    body: str

    @property
    def whole(self) -> str:
        return f"{self.title}\n{self.body}"


def summary(alert: Mapping[str, Any], locale: str) -> str:
    """What happened, in one sentence; ``alert`` as in the payload."""
    return _SENTENCES[alert["condition"]][locale][0].format(**_values(alert, locale))


def advice(condition: str, locale: str) -> str:
    """What to do about an alert of this condition, in one sentence."""
    return _SENTENCES[condition][locale][1]


def render(payload: Mapping[str, Any], locale: str, zone: ZoneInfo) -> Text:
    """The message of any payload; times by the clock of ``zone``."""
    event = payload["type"].partition(".")[2]
    data = payload["data"]
    if event == "test":
        title, body = _TEST[locale]
        return Text(title, body.format(**data))
    if event == "digest":
        return _digest(data["events"], locale)
    return _alert(event, data["alert"], locale, zone)


def _alert(event: str, alert: Mapping[str, Any], locale: str, zone: ZoneInfo) -> Text:
    title = f"shareauth {_mark(event, alert, locale)}{summary(alert, locale)}"
    times = {
        name: _clock(alert[f"{name}_at"], zone)
        for name in ("opened", "resolved")
        if alert[f"{name}_at"]
    }
    if event == "resolved":
        return Text(title, _ENDED[locale].format(**times))
    advice = _SENTENCES[alert["condition"]][locale][1]
    return Text(title, f"{advice}\n{_SINCE[locale].format(**times)}")


def _digest(events: Sequence[Mapping[str, Any]], locale: str) -> Text:
    lines = [
        f"- {_mark(one['type'].partition('.')[2], one['alert'], locale)}"
        f"{summary(one['alert'], locale)}"
        for one in events[:DIGEST_LINES_MAX]
    ]
    if len(events) > DIGEST_LINES_MAX:
        lines.append(_MORE[locale].format(count=len(events) - DIGEST_LINES_MAX))
    return Text(_DIGEST[locale].format(count=len(events)), "\n".join(lines))


def _mark(event: str, alert: Mapping[str, Any], locale: str) -> str:
    words = [_SEVERITY[locale][alert["severity"]], _EVENT[locale][event]]
    inside = (" · " if locale == "zh" else ", ").join(word for word in words if word)
    return f"【{inside}】" if locale == "zh" else f"[{inside}] "


def _values(alert: Mapping[str, Any], locale: str) -> dict[str, Any]:
    subject = alert["subject"]
    name = _EVERYTHING[locale] if subject["id"] == "all" else subject["name"]
    values = {**alert["facts"], "name": name}
    if "period" in values:
        values["period"] = _PERIOD[locale][values["period"]]
    return values


def _clock(iso: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(iso).astimezone(zone).strftime("%Y-%m-%d %H:%M")
