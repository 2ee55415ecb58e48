"""What simulated visitors ask and what answers carry beside their figures: plausible, bounded."""

import random
import string

from app.simulator import javascript

Json = dict[str, object]

_ALPHABET = string.ascii_letters + string.digits
_SENTENCES = (
    "图书馆几点关门?",
    "How do I reset my password?",
    "奖学金申请需要哪些材料?",
    "X200 保修多久? 顺便查订单 8812",
    "明天穿什么 🌦",
    "请把第三章总结成五点。",
    "What does clause 7.2 mean for a trial period?",
    "整理上周的销售数据",
    "Die Rechnung fehlt noch, können Sie helfen?",
    "周一至周五 8:00-22:00 开放，节假日另行通知。",
)
_APP_NAMES = ("校园问答", "售后机器人", "Contract review", "法规检索", "导购 Agent", "翻译工作台")
_PARAGRAPH = (
    "劳动合同期限三个月以上不满一年的，试用期不得超过一个月；一年以上不满三年的，不得超过二个月。"
    "The warranty covers parts and labour for 24 months from the date of delivery. "
)
QUOTES_BIG_MAX = 120
"""Quotes in the largest list: with their text, a body of about 300 KB."""


def identifier(rng: random.Random, length: int = 16) -> str:
    """The random text that FastGPT's nanoid makes."""
    return "".join(rng.choices(_ALPHABET, k=length))


def sentence(rng: random.Random) -> str:
    return rng.choice(_SENTENCES)


def app_name(rng: random.Random) -> str:
    return rng.choice(_APP_NAMES)


def question(rng: random.Random) -> str:
    """What the start hook carries: always a string, but not always a sentence.

    Plugin apps send the JSON of their variables, a message that is only a file is empty, and what
    a visitor pastes may hold anything.
    """
    form = rng.random()
    if form < 0.75:  # noqa: PLR2004 - most apps are chat apps
        return f"{sentence(rng)} ({identifier(rng, 6)})"
    if form < 0.85:  # noqa: PLR2004
        return javascript.stringify({"city": "Oslo", "days": rng.randint(1, 9)})
    return rng.choice(("", "{}", "a\x00b", "line\u2028break", _PARAGRAPH * 20))


def choice_or_form(rng: random.Random) -> str:
    """The answer to an interactive node: an option's text, or the form's values as JSON."""
    if rng.random() < 0.5:  # noqa: PLR2004 - a coin
        return rng.choice(("人工客服", "Yes, go on", "退货"))
    return javascript.stringify({"name": "李雷", "phone": "138" + str(rng.randint(0, 10**8))})


def history(rng: random.Random, *, roles: int = 3) -> list[Json]:
    """``historyPreview``; FastGPT cuts it between UTF-16 units, so half an emoji may be left."""
    cut = "\ud83d" if rng.random() < 0.15 else ""  # noqa: PLR2004 - now and then
    parts = (
        {"obj": "System", "value": "只根据资料回答"},
        {"obj": "Human", "value": f"{sentence(rng)}{cut}"},
        {"obj": "AI", "value": f"{_PARAGRAPH[: rng.randint(5, 80)]}{identifier(rng, 8)}"},
    )
    return [dict(part) for part in parts[-roles:]]


def quotes(rng: random.Random, count: int) -> list[Json]:
    """``quoteList`` with its full text, as the hook gets it."""
    return [
        {
            "id": f"{rng.getrandbits(96):024x}",
            "updateTime": "2025-06-03T02:11:45.120Z",
            "q": _PARAGRAPH * rng.randint(1, 8),
            "a": "",
            "chunkIndex": position,
            "datasetId": "6651f0c2a9d1e37b5c204a11",
            "sourceName": "handbook.md",
            "score": [
                {"type": "embedding", "value": rng.random(), "index": position},
                {"type": "rrf", "value": 1 / (60 + position), "index": position},
            ],
        }
        for position in range(count)
    ]
