"""What the group bots of WeCom, Feishu and DingTalk are sent, and what their answers mean. Pure.

All three answer HTTP 200 also when they refuse, with a code in the body; all three let a bot say
20 things a minute or not many more, and DingTalk is silent for ten minutes after the 21st.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.alerts import signing

Bot = Literal["wecom", "feishu", "dingtalk"]

PER_MINUTE = 18
"""Below their 20: clocks differ, and somebody may test the bot by hand."""
_BYTES_MAX: Mapping[Bot, int] = {"wecom": 2048, "feishu": 20_000, "dingtalk": 18_000}
"""Of the text, in UTF-8: WeCom's own limit, the others' limits of the body less a margin."""
_RATE_CODES: Mapping[Bot, Mapping[int, int]] = {
    "wecom": {45009: 60},
    "feishu": {11232: 60, 9499: 60},
    "dingtalk": {130101: 600, 410100: 600},
}
"""Codes that mean "too fast", and for how many seconds to be silent then."""
_OK = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the far side made of a message. ``error`` is None when it took it."""

    error: str | None = None
    wait_s: float = 0
    is_final: bool = False
    """Asking again cannot help."""


def message(bot: Bot, url: str, text: str, *, secret: str | None, epoch_ms: int) -> tuple[str, Any]:
    """The address to post to, and the JSON to post."""
    text = _cut(_harmless(text), _BYTES_MAX[bot])
    if bot == "feishu":
        signed = signing.feishu_fields(secret, epoch_s=epoch_ms // 1000) if secret else {}
        return url, {**signed, "msg_type": "text", "content": {"text": text}}
    if bot == "dingtalk" and secret:
        url = signing.dingtalk_url(url, secret, epoch_ms=epoch_ms)
    return url, {"msgtype": "text", "text": {"content": text}}


def verdict(bot: Bot, status: int, body: bytes) -> Verdict:
    """What an answer means."""
    if status != _OK:
        return Verdict(f"HTTP {status}", wait_s=60 if status == 429 else 0)  # noqa: PLR2004
    try:
        answer = json.loads(body)
        code = _code(bot, answer)
    except (ValueError, TypeError, AttributeError, KeyError):
        return Verdict("the answer is none of this bot")
    if code == 0:
        return Verdict()
    said = str(answer.get("errmsg") or answer.get("msg") or answer.get("StatusMessage") or "")
    return Verdict(f"code {code}: {said[:200]}", wait_s=_RATE_CODES[bot].get(code, 0))


def _code(bot: Bot, answer: Mapping[str, Any]) -> int:
    if bot == "feishu":  # StatusCode is what it answered before it learned code
        return int(answer["code"] if "code" in answer else answer["StatusCode"])
    return int(answer["errcode"])


def _harmless(text: str) -> str:
    # <at …> and <@…> in a visitor's name would call people of the group.
    return text.replace("<", "＜").replace("@", "＠")


def _cut(text: str, bytes_max: int) -> str:
    raw = text.encode()
    if len(raw) <= bytes_max:
        return text
    return raw[: bytes_max - 3].decode(errors="ignore") + "…"
