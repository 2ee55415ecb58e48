"""Words for what happens at a link's door: tests, verdicts on tokens, kinds of issuers."""

from app.pagekit.languages import gettext
from app.pagekit.languages import lazy_gettext as _

OUTCOMES = {
    "passed": _("It works: all three hooks accept."),
    "refused": _("The hooks answer, and refuse this visitor."),
    "failed": _("FastGPT would not get through."),
}
REFUSALS = {
    "link_unknown": _("No link has this key: it was replaced, or the address leads elsewhere."),
    "link_disabled": _("The link is switched off."),
    "token_missing": _("There is no token."),
    "token_rejected": _("The token is not genuine, or not for us."),
    "token_expired": _("The token has expired, and no session carries the visitor on."),
    "token_revoked": _("The token was taken back."),
    "token_wrong_link": _("Such tokens do not open this link."),
    "guests_refused": _("The link takes no guests."),
    "user_unknown": _("The issuer does not introduce new users, and this one is not known."),
    "user_suspended": _("The user is suspended."),
    "visitor_rate": _("The visitor asks too fast."),
    "link_rate": _("All visitors together ask too fast for the link’s limit."),
    "link_open": _("Too many questions of the link are open."),
    "link_total_points": _("The link’s points are used up."),
    "link_month_points": _("The link’s points of this month are used up."),
    "balance_too_low": _("The balance is too low."),
    "database_away": _("The database does not answer."),
    "unavailable": _("A part of the service is away."),
}
VERDICTS = {
    "ok": _("Accepted."),
    "no_answer": _("Nothing answered, or not in time."),
    "redirected": _(
        "Something in front answers with a redirect: FastGPT would lose the body. Paste the "
        "address it leads to, or correct the proxy."
    ),
    "not_http_200": _(
        "Something in front answered with an error, not this service: look at the proxy."
    ),
    "not_ours": _("What answered is not this service: the public address leads elsewhere."),
}
STEPS = {
    "link": _("The link is on"),
    "form": _("It looks like a token"),
    "issuer": _("Somebody we know issued it"),
    "taken": _("Their tokens open this link"),
    "proof": _("It is genuine"),
    "times": _("It is valid already, and not for too long"),
    "binding": _("It is not bound to another link"),
    "revocation": _("It was not taken back"),
    "expiry": _("It has not expired, or a session carries on"),
    "user": _("The user may come"),
}
KINDS = {
    "jwt": _("Signed tokens (JWT)"),
    "opaque": _("Tokens minted here"),
    "guest": _("Guests’ browsers"),
    "channel": _("Chat platform"),
}
ORIGINS = {
    "builtin": _("built in"),
    "config": _("settings"),
    "database": _("console"),
}


def test_outcome(outcome: str) -> str:
    return OUTCOMES[outcome]


def test_verdict(verdict: str) -> str:
    """A hook's answer in a sentence."""
    return VERDICTS.get(verdict) or refusal_name(verdict)


def refusal_name(code: str) -> str:
    """Why a visitor is refused, for operators."""
    return REFUSALS.get(code) or gettext("Refused with the code %(code)s.", code=code)


def step_name(step: str) -> str:
    return STEPS[step]


def issuer_kind(kind: str) -> str:
    return KINDS.get(kind, kind)


def issuer_origin(origin: str) -> str:
    return ORIGINS.get(origin, origin)


NAMES = {
    "test_outcome": test_outcome,
    "test_verdict": test_verdict,
    "refusal_name": refusal_name,
    "step_name": step_name,
    "issuer_kind": issuer_kind,
    "issuer_origin": issuer_origin,
}
"""What the templates of this area know."""
