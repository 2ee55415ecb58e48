"""In plain words: why a call was refused and what to do, states, and what jobs work with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.admin.resources.jobs import JobOut
from app.admin.resources.refusals import FindingOut, LinkRef
from app.admin.wording import ERRORS
from app.pagekit import formats
from app.pagekit.languages import gettext
from app.pagekit.languages import lazy_gettext as _
from app.sightings.diagnosis import ADVICE


@dataclass(frozen=True, slots=True)
class Rule:
    """What stands behind the code of a refusal; all three are shown as they are."""

    name: str
    means: str
    do: str


_OURS = _("That is on this side: look into the log for the reference, and at the findings.")
_SIGN_IN = _("The visitor opens the link again from your own portal, signed in.")
_WAIT = _("Waiting helps. If it happens often, raise the limit.")
_ROOT = _("Copy the root URL anew from the link into FastGPT.")

RULES: Mapping[str, Rule] = {
    "link_unknown": Rule(
        _("Unknown root URL"),
        _("No link has this key: the root URL in FastGPT is wrong, or its key was replaced."),
        _ROOT,
    ),
    "link_disabled": Rule(
        _("Link switched off"),
        _("The link was switched off here."),
        _("Switch it on when visitors shall be let in."),
    ),
    "token_missing": Rule(
        _("No token"),
        _("The visitor opened the link without any identity."),
        _("They open it from your own portal, which adds authToken=… to the address."),
    ),
    "token_rejected": Rule(
        _("Token not accepted"),
        _("The token is not genuine, or was not made for this service."),
        _("Check the token: it shows which of its parts is wrong."),
    ),
    "token_expired": Rule(
        _("Token expired"),
        _("The token was good, but its time is over, and no session carries the visitor on."),
        _SIGN_IN,
    ),
    "token_revoked": Rule(
        _("Token revoked"),
        _("The token was taken back, or all that the user had were."),
        _SIGN_IN,
    ),
    "token_wrong_link": Rule(
        _("Token of another link"),
        _("The token is genuine, but was made for another link or by an issuer it does not take."),
        _("Make a token for this link, or let the link take that issuer."),
    ),
    "guests_refused": Rule(
        _("No guests here"),
        _("The link was opened without a token, and it takes no guests."),
        _("They sign in first, or you let the link take guests."),
    ),
    "user_unknown": Rule(
        _("User not known"),
        _("The issuer's word is good, but it may not introduce new people."),
        _("Add the user, or let the issuer introduce people."),
    ),
    "user_suspended": Rule(
        _("User suspended"),
        _("Somebody suspended this user here."),
        _("Activate the user when they shall be let in again."),
    ),
    "visitor_rate": Rule(
        _("Asking too fast"),
        _("The visitor asked more questions in a minute than one may."),
        _WAIT,
    ),
    "visitor_day_questions": Rule(
        _("Questions of the day used up"),
        _("The visitor has asked as many questions today as one may."),
        _WAIT,
    ),
    "visitor_day_points": Rule(
        _("Points of the day used up"),
        _("The visitor's points of the day are used up, or held by questions still open."),
        _WAIT,
    ),
    "visitor_month_points": Rule(
        _("Points of the month used up"),
        _("The visitor's points of the month are used up, or held by questions still open."),
        _WAIT,
    ),
    "visitor_open": Rule(
        _("Too many open questions"),
        _("Too many questions of this visitor still wait for their answer."),
        _("They wait for an answer. If none comes, look at the questions without a finish."),
    ),
    "link_rate": Rule(
        _("Link asked too fast"),
        _("All visitors together asked more in a minute than the link takes."),
        _WAIT,
    ),
    "link_open": Rule(
        _("Link has too many open questions"),
        _("Too many questions on the link still wait for their answer."),
        _WAIT,
    ),
    "link_total_points": Rule(
        _("Points of the link used up"),
        _("The link has used all the points it has, for good."),
        _("Raise the link's points in all, if it shall go on."),
    ),
    "link_month_points": Rule(
        _("The link's points of the month used up"),
        _("All visitors together have used the link's points of the month."),
        _WAIT,
    ),
    "guests_rate": Rule(
        _("Guests asking too fast"),
        _("All guests together asked more in a minute than they may."),
        _WAIT,
    ),
    "guests_day_questions": Rule(
        _("Guests' questions of the day used up"),
        _("All guests together have asked as many questions today as they may."),
        _WAIT,
    ),
    "guests_day_points": Rule(
        _("Guests' points of the day used up"),
        _("All guests together have used their points of the day."),
        _WAIT,
    ),
    "guests_open": Rule(
        _("Too many open questions of guests"),
        _("Too many questions of guests still wait for their answer."),
        _WAIT,
    ),
    "balance_too_low": Rule(
        _("Balance too low"),
        _("The wallet, its credit, and what is held for open questions leave nothing."),
        _("Top up the wallet, or give the user a plan with credit."),
    ),
    "code_attempts": Rule(
        _("Too many wrong codes"),
        _("The user tried ten redemption codes that do not exist within an hour."),
        _("They wait; look up the card they hold under redemption codes."),
    ),
    "request_malformed": Rule(
        _("Call not readable"),
        _("The body of the call is no JSON object, even after repair."),
        _("Something between FastGPT and this service changes or cuts it: look at the proxy."),
    ),
    "body_too_large": Rule(
        _("Call too large"),
        _("The body is larger than hooks.body_bytes_max; a finish is noted in the quarantine."),
        _("Raise hooks.body_bytes_max, or have the app in FastGPT answer with less."),
    ),
    "method_not_allowed": Rule(
        _("Not called with POST"),
        _("A hook was opened in a browser, or a redirect turned POST into GET."),
        _("Give FastGPT the final address, with https where the proxy asks for it."),
    ),
    "hook_unknown": Rule(
        _("No such hook"),
        _("Something other than init, start and finish was called below the root URL."),
        _ROOT,
    ),
    "unavailable": Rule(
        _("Redis away"),
        _("Redis did not answer, and redis.on_outage says to refuse, or settings keep changing."),
        _OURS,
    ),
    "database_away": Rule(
        _("Database away"),
        _("The database did not answer."),
        _OURS,
    ),
    "database_busy": Rule(
        _("Database busy"),
        _("The database did not get to it in time."),
        _OURS,
    ),
    "issuer_away": Rule(
        _("Issuer away"),
        _("The key set of the issuer could not be fetched."),
        _("Look whether its JWKS address answers from this machine."),
    ),
    "not_recorded": Rule(
        _("Answer not recorded"),
        _("Neither the database nor the spool could take a finish. The log has it."),
        _OURS,
    ),
    "internal_error": Rule(_("A fault of ours"), _("Something went wrong in this service."), _OURS),
}
"""By the code of the answer."""

_UNNAMED = Rule("", _("The call was refused for a reason that this page does not know."), _OURS)

HOOKS = {
    "init": _("opening the chat"),
    "start": _("asking a question"),
    "finish": _("recording an answer"),
    "other": _("another address"),
}
BATCH_STATES = {
    "active": (_("valid"), "success"),
    "paused": (_("paused"), "warning"),
    "expired": (_("expired"), "secondary"),
    "cancelled": (_("cancelled"), "danger"),
}
JOB_STATES = {
    "queued": (_("waiting for a worker"), "secondary"),
    "running": (_("running"), "primary"),
    "stopping": (_("stopping"), "warning"),
    "done": (_("finished"), "success"),
    "failed": (_("failed"), "danger"),
    "cancelled": (_("cancelled"), "secondary"),
}
JOB_KINDS = {
    "rerate": _("Price answers again"),
    "scheduled": _("Make what is scheduled"),
    "close_month": _("Close a month"),
    "mail_statements": _("Mail statements"),
    "grant_credit": _("Give many users credit"),
    "export": _("Make an export"),
    "rerate_preview": _("Preview of answers priced again"),
}
JOB_WORDS = {
    "since": _("Answers from"),
    "until": _("Answers before"),
    "link_id": _("Link"),
    "user_id": _("User"),
    "price": _("Version of the prices"),
    "reason": _("Reason"),
    "expect": _("Digest of the preview"),
    "allow_negative": _("Even below zero"),
    "run": _("Run"),
    "adjustments": _("Adjustments booked"),
    "amount": _("Sum of the adjustments"),
    "currency": _("Currency"),
    "month": _("Month"),
    "insist": _("Over what stands in the way"),
    "statements": _("Statements"),
    "closing": _("Closing balance"),
    "hash": _("Hash"),
    "ordinal": _("Number"),
    "again": _("Also what was sent before"),
    "sent": _("Sent"),
    "failed": _("Failed"),
    "skipped": _("Sent before, or without an address"),
    "digest": _("Digest of the preview"),
    "events": _("Answers"),
    "changes": _("Answers that change"),
    "charged": _("Charged"),
    "would_be": _("Would be"),
    "difference": _("Difference"),
    "to_book": _("To book"),
    "below_zero": _("Wallets below zero then"),
}
"""Names of what jobs are given and give back."""
DETAIL_WORDS = {
    "limit": _("Limit"),
    "wait_s": _("To wait"),
    "balance": _("Balance at that time"),
}
"""Names of what a refusal named."""
LEVELS = {
    "problem": (_("problem"), "danger"),
    "warning": (_("warning"), "warning"),
    "note": (_("note"), "secondary"),
}


def rule(code: str) -> Rule:
    """What is known of a code; one that nobody has explained yet keeps its own name."""
    return RULES.get(code, _UNNAMED)


def rule_name(code: str) -> str:
    known = RULES.get(code)
    return code if known is None else str(known.name)


def rule_choices() -> list[tuple[str, str]]:
    """Options of a select."""
    return [("", gettext("any")), *((code, one.name) for code, one in RULES.items())]


def link_choices(links: Iterable[LinkRef]) -> list[tuple[object, str]]:
    return [("", gettext("any")), *((one.id, one.name or "") for one in links)]


def answer_name(code: str) -> str:
    """Of a call that may have been answered with yes."""
    return gettext("accepted") if code == "ok" else rule_name(code)


def finding_says(finding: FindingOut) -> str:
    return gettext(ADVICE[finding.code].says).format_map(_readable(finding))


def finding_do(finding: FindingOut) -> str:
    return gettext(ADVICE[finding.code].do).format_map(_readable(finding))


def job_word(name: str) -> str:
    return JOB_WORDS.get(name, name)


def job_failure(job: JobOut) -> str:
    """Why it failed, for which there may be a sentence."""
    sentence = ERRORS.get(job.error_code or "")
    return job.message or "" if sentence is None else str(sentence)


def detail_word(name: str) -> str:
    return DETAIL_WORDS.get(name, name)


def job_value(value: object) -> str:
    """A parameter or a result as a person reads it."""
    if value is None:
        return gettext("all")
    if isinstance(value, bool):
        return gettext("allowed") if value else gettext("not allowed")
    if isinstance(value, str) and value[:1].isdigit() and "T" in value:
        try:
            return formats.when(datetime.fromisoformat(value))
        except ValueError:
            return value
    return str(value)


def _readable(finding: FindingOut) -> dict[str, str]:
    params = dict(finding.params)
    if at := params.get("last_at"):
        params["last_at"] = formats.when(datetime.fromisoformat(at))
    return params


NAMES = {
    "rule": rule,
    "rules": RULES,
    "rule_name": rule_name,
    "rule_choices": rule_choices,
    "link_choices": link_choices,
    "answer_name": answer_name,
    "detail_word": detail_word,
    "hook_names": HOOKS,
    "batch_states": BATCH_STATES,
    "job_states": JOB_STATES,
    "job_kinds": JOB_KINDS,
    "job_word": job_word,
    "job_value": job_value,
    "job_failure": job_failure,
    "finding_levels": LEVELS,
    "finding_says": finding_says,
    "finding_do": finding_do,
}
"""What every template knows besides."""
