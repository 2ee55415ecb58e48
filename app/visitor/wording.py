"""Words for what the page calls by name: limits, kinds of transactions, and what went wrong."""

from app import i18n
from app.errors import ServiceError, Unavailable
from app.pagekit import formats, languages
from app.pagekit.languages import gettext
from app.pagekit.languages import lazy_gettext as _

LIMITS = {
    "questions_per_minute": _("Questions a minute"),
    "questions_per_day": _("Questions today"),
    "points_per_day": _("Points today"),
    "points_per_month": _("Points this month"),
    "open_questions": _("Questions at the same time"),
}
KINDS = {
    "charge": _("Answers"),
    "top_up": _("Top-up"),
    "redemption": _("Redeemed code"),
    "grant": _("Granted credit"),
    "expiry": _("Expired credit"),
    "adjustment": _("Adjustment"),
    "refund": _("Refund"),
    "reversal": _("Reversal"),
}
ERRORS = {
    "token_missing": _("Open this page from your portal, or from the link you were given."),
    "token_rejected": _("That did not let you in. Open this page anew from where you came."),
    "token_expired": _("Your time on this page is over. Open it anew from where you came."),
    "token_revoked": _("Your access was taken back. Sign in anew where you came from."),
    "token_wrong_link": _("This token opens one chat only, not this page."),
    "guests_refused": _("Guests have no page of their own. Sign in where you came from."),
    "csrf_token_invalid": _("The page was open too long: load it again."),
    "code_unknown": _("No code reads like this, or it was used already. Compare it with the card."),
    "code_malformed": _("Something in the code is mistyped. Compare it with the card."),
    "code_expired": _("This code has expired."),
    "code_paused": _("This code is not taken at the moment. Try again later."),
    "code_cancelled": _("This code was cancelled by whoever issued it."),
    "code_wrong_currency": _("This code is of another currency than your account."),
    "code_limit_reached": _("You have redeemed as many codes of this kind as one may."),
    "link_not_open": _("This chat is not open to you, or not any more."),
    "not_found": _("There is no such page."),
    "statement_not_found": _("You have no such statement."),
    "visitor_too_many_tries": _("Too many tries. Wait a minute, then try again."),
    "visitor_too_fast": _("That was very often. Wait a minute, then try again."),
}
"""Sentences of this page; for every other code those that FastGPT shows (``i18n``)."""


def told(error: ServiceError) -> str:
    """What the page says of an error."""
    if error.code in ERRORS:
        return str(ERRORS[error.code])
    if error.code == "code_attempts":
        wait = formats.lasting(getattr(error, "retry_after_s", None))
        return gettext("Too many codes were wrong. Try again in %(wait)s.", wait=wait)
    is_away = isinstance(error, Unavailable) and error.code not in i18n.MESSAGES
    code = "unavailable" if is_away else error.code
    return i18n.sentence(code, languages.current(), error.params)


def limit_name(name: str) -> str:
    return LIMITS[name]


def kind_name(kind: str) -> str:
    return KINDS.get(kind, kind)


NAMES = {"visitor_limit_name": limit_name, "kind_name": kind_name}
"""What the templates of the page know."""
