"""In and out: by the visitor's token, or by a link that an operator made.

Both are exchanged for a session and answered with a redirect, so that neither stays in the address
bar, the history or a referrer.
"""

from ipaddress import IPv6Address, ip_address

import structlog
from flask import g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.errors import Denied, Invalid
from app.pagekit.minutes import WINDOW_S, Minutes
from app.turns import page_pass
from app.visitor import access
from app.visitor.access import Visit

log = structlog.get_logger(__name__)

FAILURES_PER_MINUTE = 20
"""From one address; each worker has its part of it. Who gets in is not counted."""
TOKEN_FIELDS = ("token", "authToken")
_SUBSCRIBER = 64
"""Bits of an IPv6 address that are one subscriber's."""

_failures = Minutes()


class TooManyTries(Invalid):
    """This address has brought too many tokens that are not good."""

    status = 429
    code = "visitor_too_many_tries"


def brought_token() -> str | None:
    """The token in the address, where there is one."""
    return next((request.args[name] for name in TOKEN_FIELDS if request.args.get(name)), None)


def by_token(token: str) -> AnyResponse:
    """Let in whoever has a token that is valid now."""
    here = access.visit()
    _check_tries(here)
    try:
        found = here.runtime.visits.recognise(token.strip(), here.now)
    except Denied as refusal:
        raise _failed(here, refusal) from None
    sealed = page_pass.begin_by_token(
        found.evidence,
        token.strip(),
        found.user_id,
        lasts=here.lasts,
        keys=here.keys,
        now=here.now,
    )
    return _let_in(sealed)


def by_link(signed: str) -> AnyResponse:
    """Let in whoever has a link that has not ended."""
    here = access.visit()
    _check_tries(here)
    try:
        given = page_pass.read(signed, "link", keys=here.keys, now=here.now)
        with here.db.read() as session:
            page_pass.check(session, given, here.household)
    except Denied as refusal:
        raise _failed(here, refusal) from None
    return _let_in(page_pass.begin_by_link(given, lasts=here.lasts, keys=here.keys, now=here.now))


def leave() -> AnyResponse:
    return access.forget(redirect(url_for("visitor.home"), code=303))


def _let_in(sealed: str) -> AnyResponse:
    return access.keep(redirect(url_for("visitor.home"), code=303), sealed)


def _check_tries(here: Visit) -> None:
    allowed = max(FAILURES_PER_MINUTE // here.settings.service.workers, 1)
    if _failures.of(_subscriber(here.address), here.now) >= allowed:
        raise TooManyTries("too many tokens that are not good", wait_s=WINDOW_S)


def _failed(here: Visit, refusal: Denied) -> Denied:
    """The refusal, counted; it is told in the language of whoever it concerns."""
    _failures.count(_subscriber(here.address), here.now)
    log.info("visitor.refused", code=refusal.code)
    g.locale = access.chosen_locale() or refusal.locale or g.locale
    return refusal


def _subscriber(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(int(parsed) >> _SUBSCRIBER)
    return address
