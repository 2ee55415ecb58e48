"""Words for alerts: conditions, thresholds, kinds of destinations, and what became of messages."""

from app.alerts import texts
from app.pagekit import languages
from app.pagekit.languages import gettext
from app.pagekit.languages import lazy_gettext as _

SEVERITIES = {
    "info": (_("Info"), "secondary"),
    "warning": (_("Warning"), "warning"),
    "critical": (_("Critical"), "danger"),
}
"""Severity: its name, and the colour of its badge."""

CONDITIONS = {
    "low_balance": (
        _("Low balance"),
        _("A wallet that was once paid into, and is used, has little money left; credit counts."),
    ),
    "budget": (
        _("Budget"),
        _("A points limit of a user or link is used up to one of the percentages; told once each."),
    ),
    "unusual_spend": (
        _("Unusual spending"),
        _("Today’s charges are far above what is usual for this weekday."),
    ),
    "refusal_spike": (
        _("Many refusals"),
        _("Within an hour or two, questions are refused for one reason far more often than usual."),
    ),
    "spool_waits": (
        _("Spool does not drain"),
        _("Finishes wait on a machine’s disk because they cannot be written into the database."),
    ),
    "findings": (
        _("Self-audit findings"),
        _("The self-audit found something that is wrong or stands out."),
    ),
    "unfinished_turns": (
        _("Questions without a finish"),
        _("Many questions since yesterday have no finish; their answers may not be charged."),
    ),
    "quarantine": (
        _("Quarantine"),
        _("Finishes that could not be recorded wait for somebody; they may be money."),
    ),
    "files_failing": (
        _("Files that do not arrive"),
        _("A delivery of files is tried no more, or the last run of a schedule failed."),
    ),
    "jobs_failing": (
        _("Failing jobs"),
        _("A periodic job of the worker failed several times in a row."),
    ),
}
"""Condition: its name, and when it is met."""

THRESHOLDS = {
    "below": (_("Less than"), _("In the wallet’s currency.")),
    "active_days": (_("Only wallets used within so many days"), ""),
    "percents": (_("Percentages"), _("Several with commas, such as 50, 80, 100.")),
    "weeks": (_("Weeks to compare with"), _("The same weekday of so many weeks.")),
    "weeks_min": (_("At least so many weeks"), _("Before there are as many, nothing is unusual.")),
    "deviations": (
        _("Deviations"),
        _("How far above the usual; a larger number tells less often."),
    ),
    "floor": (_("Never below"), _("Less spent in a day is never unusual.")),
    "count_min": (_("At least so many"), ""),
    "factor": (_("Times the usual"), _("So many times what the day before had.")),
    "ignored": (_("Codes to ignore"), _("Several with commas; they are never told.")),
    "minutes": (_("Minutes"), _("The oldest has waited for so long.")),
    "percent": (_("Percent of all questions"), ""),
    "runs": (_("Failures in a row"), ""),
}
"""Threshold: its label, and a hint."""

KINDS = {
    "webhook": (
        _("Signed webhook"),
        "braces",
        _("For your own program: JSON by HTTP POST, signed as Standard Webhooks says."),
    ),
    "email": (
        _("E-mail"),
        "envelope",
        _("Plain text by the mail server of the settings."),
    ),
    "wecom": (_("WeCom group bot"), "chat-dots", _("Messages into a WeCom group.")),
    "feishu": (_("Feishu group bot"), "chat-left-text", _("Messages into a Feishu or Lark group.")),
    "dingtalk": (_("DingTalk group bot"), "chat-square-dots", _("Messages into a DingTalk group.")),
}
"""Kind of destination: its name, its icon, and what it is."""

STEPS = {
    "webhook": (
        _("Have an https address ready that takes a POST and answers with a status of 2xx."),
        _("Paste the address below. The secret to verify signatures with is shown once, next."),
        _("docs/alerts.md shows a receiver that verifies the signature."),
    ),
    "email": (
        _("The mail server is in the settings: [mail] with host, sender, and password."),
        _("Type the addresses below; all of them get every message."),
    ),
    "wecom": (
        _("In the WeCom group: group settings, message push or group robots, add a robot."),
        _("Copy its whole Webhook address; the key in it is the secret."),
        _("It begins with https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key="),
    ),
    "feishu": (
        _("In the Feishu group: settings, group bots, add a bot, custom bot."),
        _("Under security settings, tick signature verification and copy its secret."),
        _("Copy the whole webhook address. Who prefers keywords to signatures: shareauth."),
        _("It begins with https://open.feishu.cn/open-apis/bot/v2/hook/"),
    ),
    "dingtalk": (
        _("In the DingTalk group: group settings, bots, add a robot, custom."),
        _("Under security settings, tick sign and copy the secret that begins with SEC."),
        _("Copy the whole webhook address. Who prefers keywords to signatures: shareauth."),
        _("It begins with https://oapi.dingtalk.com/robot/send?access_token="),
    ),
}
"""Kind of destination: what to do, where to find what is pasted."""

DELIVERY_STATES = {
    "pending": (_("waits"), "secondary"),
    "delivered": (_("delivered"), "success"),
    "dead": (_("given up"), "danger"),
    "skipped": (_("not needed"), "secondary"),
    "folded": (_("in a digest"), "secondary"),
}
"""State of a delivery: its name, and the colour of its badge."""

EVENTS = {
    "opened": _("opened"),
    "escalated": _("got worse"),
    "repeated": _("still open"),
    "resolved": _("over"),
    "digest": _("digest"),
    "test": _("test"),
}

HINTS = (
    ("code 19021", _("The signature does not match: paste the secret again, and check the clock.")),
    ("code 19024", _("The bot wants a keyword: make shareauth one of its keywords.")),
    ("code 19022", _("The bot takes messages from certain addresses only: add this server’s.")),
    ("code 310000", _("The bot’s security settings refuse it: check the secret, or its keywords.")),
    ("code 300001", _("The access token in the address is wrong: copy the whole address again.")),
    ("code 93000", _("The key in the address is wrong: copy the whole address again.")),
    ("HTTP 401", _("The receiver does not accept the signature: does it have the present secret?")),
    ("HTTP 403", _("The receiver refuses us: does it have the present secret?")),
    ("HTTP 404", _("The server answers, but not at this address: check its path.")),
    ("HTTP 410", _("The receiver says it is gone for good: nothing more is sent there.")),
    ("HTTP 5", _("The receiver has a fault of its own: look at its log.")),
    ("allow_private_webhooks", _("The address is a private one: permit those in the settings.")),
    (
        "must begin with",
        _("The address must begin with https://, unless the settings permit http."),
    ),
    ("cannot be resolved", _("There is no such host: check the address for a slip of the pen.")),
    ("Connection refused", _("Nothing listens there: check the host and the port.")),
    ("did not answer", _("Nothing answered in time: is the address reachable from here?")),
    ("no mail server", _("No mail server is set: fill in [mail] in the settings.")),
    ("Authentication", _("The mail server refuses the user name or the password.")),
)
"""Part of an error: what it means in plain words."""


def sentence(summary: dict[str, str]) -> str:
    """What happened, in the language of the page."""
    return summary[languages.current()]


def advice(condition: str) -> str:
    """What to do about it, in the language of the page."""
    return texts.advice(condition, languages.current())


def hint(error: str | None) -> str:
    """What an error of a delivery means in plain words; empty where nothing better is known."""
    return next((str(said) for part, said in HINTS if error and part in error), "")


def verdict(error: str | None) -> str:
    """What became of a test message."""
    if error is None:
        return gettext("The test message was taken. Look whether it has arrived.")
    told = gettext("The test message was not taken: %(error)s.", error=error.rstrip("."))
    return f"{told} {hint(error)}".strip()


NAMES = {
    "severities": SEVERITIES,
    "conditions": CONDITIONS,
    "threshold_names": THRESHOLDS,
    "kinds": KINDS,
    "steps": STEPS,
    "delivery_states": DELIVERY_STATES,
    "events": EVENTS,
    "sentence": sentence,
    "advice": advice,
    "hint": hint,
}
"""What the templates of alerts know."""
