"""The sentences visitors see, in Chinese and English, and the rules they must keep.

FastGPT rewrites what it shows: addresses, and ``ns-`` with what follows it, are masked, and a
message equal to one of its own error names is replaced by that error. ``check_message`` keeps the
operator's own sentences clear of both.
"""

import re
import string
from collections.abc import Mapping
from typing import get_args

from app.config import Locale
from app.errors import Invalid

LOCALES: tuple[Locale, ...] = get_args(Locale)

MESSAGES: dict[str, dict[Locale, str]] = {
    "ok": {"zh": "", "en": ""},
    # who is asking
    "link_unknown": {
        "zh": "此分享链接的身份校验地址无效，请联系管理员。",
        "en": "This share link's identity check is not set up correctly. Please tell its owner.",
    },
    "link_disabled": {
        "zh": "此分享链接已停用，请联系管理员。",
        "en": "This share link has been switched off. Please contact its owner.",
    },
    "token_missing": {
        "zh": "缺少身份凭证，请从您的系统重新打开此链接。",
        "en": "Your identity is missing. Please open this link from your own portal again.",
    },
    "token_rejected": {
        "zh": "身份凭证无效，请重新登录后再打开此链接。",
        "en": "Your identity could not be verified. Please sign in and open this link again.",
    },
    "token_expired": {
        "zh": "身份凭证已过期，请重新登录后再打开此链接。",
        "en": "Your sign-in has expired. Please sign in and open this link again.",
    },
    "token_revoked": {
        "zh": "身份凭证已被撤销，请重新登录后再打开此链接。",
        "en": "Your sign-in has been revoked. Please sign in and open this link again.",
    },
    "token_wrong_link": {
        "zh": "您的身份凭证不适用于此链接。",
        "en": "Your sign-in is not valid for this link.",
    },
    "guests_refused": {
        "zh": "此链接需要登录后使用，请从您的系统打开。",
        "en": "This link is for signed-in visitors. Please open it from your own portal.",
    },
    "user_unknown": {
        "zh": "您尚未开通使用权限，请联系管理员。",
        "en": "You have no access yet. Please contact the administrator.",
    },
    "user_suspended": {
        "zh": "您的账号已被停用，请联系管理员。",
        "en": "Your account is suspended. Please contact the administrator.",
    },
    # may they ask now
    "visitor_rate": {
        "zh": "提问太频繁，请等待 {wait} 后再试。",
        "en": "You are asking too fast. Please wait {wait}.",
    },
    "visitor_day_questions": {
        "zh": "您今天的提问次数已用完，{wait} 后恢复。",
        "en": "You have used today's questions. They renew in {wait}.",
    },
    "visitor_day_points": {
        "zh": "您今天的用量已达上限，{wait} 后恢复。",
        "en": "You have reached today's usage limit. It renews in {wait}.",
    },
    "visitor_month_points": {
        "zh": "您本月的用量已达上限，{wait} 后恢复。",
        "en": "You have reached this month's usage limit. It renews in {wait}.",
    },
    "visitor_open": {
        "zh": "您还有 {limit} 个问题正在回答，请等待回答完成后再问。",
        "en": "{limit} of your questions are still being answered. Please wait for an answer.",
    },
    "link_rate": {
        "zh": "当前提问人数较多，请等待 {wait} 后再试。",
        "en": "Many people are asking right now. Please try again in {wait}.",
    },
    "link_open": {
        "zh": "当前提问人数较多，请稍后再试。",
        "en": "Many questions are being answered right now. Please try again shortly.",
    },
    "link_total_points": {
        "zh": "此链接的总用量已用完，请联系管理员。",
        "en": "This link's usage is used up. Please contact its owner.",
    },
    "link_month_points": {
        "zh": "此链接本月的用量已达上限，{wait} 后恢复。",
        "en": "This link has reached this month's usage limit. It renews in {wait}.",
    },
    "guests_rate": {
        "zh": "游客提问太频繁，请等待 {wait} 后再试，或登录后使用。",
        "en": "Guests are asking too fast. Please wait {wait}, or sign in.",
    },
    "guests_day_questions": {
        "zh": "今天的游客提问次数已用完，请登录后使用。",
        "en": "Today's guest questions are used up. Please sign in to go on.",
    },
    "guests_day_points": {
        "zh": "今天的游客用量已达上限，请登录后使用。",
        "en": "Today's guest usage is used up. Please sign in to go on.",
    },
    "guests_open": {
        "zh": "当前游客较多，请稍后再试，或登录后使用。",
        "en": "Many guests are asking right now. Please try again shortly, or sign in.",
    },
    "balance_too_low": {
        "zh": "余额不足（当前 {balance}），请充值后再提问。",
        "en": "Your balance ({balance}) is used up. Please top up before asking again.",
    },
    "code_attempts": {
        "zh": "您输入的兑换码多次无效，请等待 {wait} 后再试。",
        "en": "Too many of the codes you entered are not valid. Please try again in {wait}.",
    },
    # what was wrong with the request, or with us
    "request_malformed": {
        "zh": "请求内容无法识别，请稍后再试。",
        "en": "The request could not be read. Please try again later.",
    },
    "body_too_large": {
        "zh": "请求内容过大，无法处理。",
        "en": "The request is too large to be handled.",
    },
    "method_not_allowed": {
        "zh": "此地址由 FastGPT 调用，无需在浏览器中打开。",
        "en": "This address is for FastGPT to call; there is nothing to see in a browser.",
    },
    "hook_unknown": {
        "zh": "身份校验地址填写有误：请只填写根地址。",
        "en": "The identity check address is not right: give only the root address.",
    },
    "unavailable": {
        "zh": "服务暂时不可用，请稍后再试。",
        "en": "The service is temporarily unavailable. Please try again shortly.",
    },
    "database_away": {
        "zh": "服务暂时不可用，请稍后再试。",
        "en": "The service is temporarily unavailable. Please try again shortly.",
    },
    "not_recorded": {
        "zh": "本次用量未能记录，请联系管理员。",
        "en": "This answer's usage could not be recorded. Please tell the administrator.",
    },
    "issuer_away": {
        "zh": "暂时无法核实您的身份，请稍后再试。",
        "en": "Your identity cannot be verified right now. Please try again shortly.",
    },
    "internal_error": {
        "zh": "服务出现问题，请稍后再试。",
        "en": "Something went wrong on our side. Please try again shortly.",
    },
}

FASTGPT_ERROR_NAMES = frozenset(
    [
        "unAuthorization",
        "tooManyRequest",
        "insufficientQuota",
        "unAuthModel",
        "unAuthFile",
        "unAuthApiKey",
        "linkUnInvalid",
        "outlinkUnExist",
        "unAuthLink",
        "unAuthUser",
        "unAuthChat",
        "chatIsGenerating",
        "aiPointsNotEnough",
        "teamOverSize",
        "exceedLimit",
        "unExist",
        "unAuth",
        "invalidParams",
        "invalidResource",
        "fileNotFound",
        "missingParams",
        "inheritPermissionError",
        "canNotEditAdminPermission",
    ]
)
MESSAGE_CHARS_MAX = 500
FILLED_IN = frozenset({"wait", "limit", "balance"})
A_MOMENT: dict[Locale, str] = {"zh": "片刻", "en": "a moment"}
_MASKED = re.compile(r"https?://|ns-", re.IGNORECASE)
"""FastGPT looks for ``ns-`` anywhere, inside ``questions-per-day`` too."""


def sentence(
    code: str,
    locale: Locale,
    params: Mapping[str, object],
    *overrides: Mapping[str, Mapping[str, str]],
) -> str:
    """The sentence for ``code``; the first override (``{code: {locale: text}}``) that has it wins.

    A code nobody has a sentence for reads as ``internal_error``. ``wait_s`` among the params, a
    whole number of seconds, is rendered as ``{wait}`` in words.
    """
    texts = [o[code][locale] for o in overrides if locale in o.get(code, {})]
    known = MESSAGES.get(code, MESSAGES["internal_error"])
    wait_s = params.get("wait_s")
    wait = duration(wait_s, locale) if isinstance(wait_s, int) else A_MOMENT[locale]
    return _fill([*texts, known[locale]][0], {**params, "wait": wait})


def by_code(messages: Mapping[Locale, Mapping[str, str]]) -> dict[str, dict[Locale, str]]:
    """``[messages.<locale>]`` of the settings in the form of ``sentence``'s overrides.

    Raises:
        Invalid: one of them may not be said (see ``check_message``).
    """
    turned: dict[str, dict[Locale, str]] = {}
    for locale, texts in messages.items():
        for code, text in texts.items():
            check_message(code, text)
            turned.setdefault(code, {})[locale] = text
    return turned


def duration(seconds: int, locale: Locale) -> str:
    """``40 seconds``, ``3 minutes``, ``5 hours``, ``2 days``: rounded up, in one unit."""
    for size, zh, en in ((86400, "天", "day"), (3600, "小时", "hour"), (60, "分钟", "minute")):
        if seconds >= size:
            count = -(-seconds // size)
            return _counted(count, zh, en, locale)
    return _counted(max(seconds, 1), "秒", "second", locale)


def check_message(code: str, text: str) -> None:
    """Refuse an operator's sentence that FastGPT would rewrite, or that cannot be filled.

    Raises:
        Invalid: says what is wrong with it.
    """
    if code not in MESSAGES:
        raise Invalid(f"{code!r} is not a message code", code="message_invalid")
    if len(text) > MESSAGE_CHARS_MAX:
        raise Invalid(
            f"a message has at most {MESSAGE_CHARS_MAX} characters", code="message_invalid"
        )
    if not text.strip() or text.strip() in FASTGPT_ERROR_NAMES:
        raise Invalid(
            f"{text!r} is empty or one of FastGPT's own error names, which it would replace",
            code="message_invalid",
        )
    if _MASKED.search(text):
        raise Invalid(
            "FastGPT masks web addresses, and 'ns-' with what follows it: use other words",
            code="message_invalid",
        )
    try:
        fields = [field for field in string.Formatter().parse(text) if field[1] is not None]
    except ValueError as error:
        raise Invalid(f"{text!r}: {error}", code="message_invalid") from None
    # No formats either: {limit:>999999999} would fill the memory.
    if any(name not in FILLED_IN or form or change for _, name, form, change in fields):
        raise Invalid(
            f"{text!r}: only {{wait}}, {{limit}} and {{balance}} are filled in",
            code="message_invalid",
        )


def _fill(text: str, params: Mapping[str, object]) -> str:
    try:
        return text.format_map({"limit": "", "balance": "", **params})
    except (KeyError, ValueError, IndexError, AttributeError):
        return text


def _counted(count: int, zh: str, en: str, locale: Locale) -> str:
    if locale == "zh":
        return f"{count} {zh}"
    return f"{count} {en}" if count == 1 else f"{count} {en}s"
