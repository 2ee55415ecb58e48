"""Who is on the page: a sealed cookie of its own, and what holds it together.

The cookie is all there is of a session (``turns.page_pass``). Where other sites may show the page
in a frame it is partitioned: each site's frame has its own. Every form carries a token made of the
cookie, but for the two that let somebody in and bring what proves it.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar, cast

from flask import Response, current_app, g, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import web
from app.audit.journal import Actor
from app.config import Settings
from app.db import Database
from app.errors import Invalid
from app.i18n import LOCALES
from app.keys import Keys
from app.pagekit import languages, security
from app.runtime import Runtime
from app.turns import page_pass
from app.turns.household import Household
from app.turns.page_pass import Pass
from app.users.models import User

View = TypeVar("View", bound=Callable[..., Any])

COOKIE = "shareauth_visitor"
LOCALE_COOKIE = "shareauth_visitor_locale"
LOCALE_KEPT_S = 365 * 86400
CSRF_FIELD = "csrf_token"
ADDRESS_CHARS_MAX = 64


class NotIn(Invalid):
    """Nobody has come in, or what they came in with has ended."""

    status = 401
    code = "visitor_not_in"


class Forged(Invalid):
    """A form that did not come from this page, or from one of another visit."""

    status = 400
    code = "csrf_token_invalid"


@dataclass(frozen=True)
class Visit:
    """One request to the page."""

    runtime: Runtime
    now: datetime
    sealed: str
    """The cookie; empty when there is none."""

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @property
    def db(self) -> Database:
        return self.runtime.db

    @property
    def keys(self) -> Keys:
        return self.runtime.keys

    @property
    def lasts(self) -> timedelta:
        return timedelta(seconds=self.settings.visitor.session_s)

    @cached_property
    def address(self) -> str:
        return web.caller_address(self.settings.service.trusted_proxies)[:ADDRESS_CHARS_MAX]

    @cached_property
    def household(self) -> Household:
        return self.runtime.visits.household(self.now)

    @property
    def csrf(self) -> str:
        """What a form of this visit must bring."""
        return self.keys.token_digest(f"form of the visitor page {self.sealed}")

    @cached_property
    def given(self) -> Pass:
        """The session in the cookie.

        Raises:
            NotIn: there is none.
            TokenRejected, TokenExpired: it is none, or over.
        """
        if not self.sealed:
            raise NotIn("nobody has come in")
        return page_pass.read(self.sealed, "session", keys=self.keys, now=self.now)

    def user(self, session: Session) -> User:
        """Who is in, as the database has them now; the page speaks their language.

        Raises:
            NotIn, Denied: nobody, or nobody any more.
        """
        given = self.given
        user = page_pass.check(session, given, self.household)
        g.locale = chosen_locale() or user.locale or g.locale
        g.is_in = True
        return user

    def actor(self, user: User) -> Actor:
        """Who the audit says it was."""
        return Actor(user.uid, "visitor", self.address)


def visit() -> Visit:
    """The one of this request."""
    return cast("Visit", g.visit)


def arrive() -> None:
    """Before each request: find out the language, and stop forged forms.

    Raises:
        Forged, NotIn: as they say.
    """
    runtime: Runtime = current_app.extensions["shareauth"]
    g.visit = Visit(runtime, datetime.now(UTC), request.cookies.get(COOKIE, ""))
    g.zone = runtime.settings.zone
    g.locale = chosen_locale() or languages.accepted(runtime.settings.service.locale)
    view = current_app.view_functions[request.endpoint or ""]
    if request.method not in {"GET", "HEAD", "OPTIONS"} and not is_entry(view):
        _check_csrf(g.visit)


def entry(view: View) -> View:
    """Mark a view whose form brings a token, which a form of somebody else's site may do too."""
    view.is_entry = True  # type: ignore[attr-defined]
    return view


def is_entry(view: Callable[..., object]) -> bool:
    return getattr(view, "is_entry", False)


def chosen_locale() -> str | None:
    """The language that the visitor has chosen on the page, now or before."""
    said = (request.args.get("lang"), request.cookies.get(LOCALE_COOKIE))
    return next((one for one in said if one in LOCALES), None)


def keep(response: AnyResponse, sealed: str) -> AnyResponse:
    """Put a new session into the cookie."""
    _set(response, COOKIE, sealed, visit().settings.visitor.session_s)
    return response


def forget(response: AnyResponse) -> AnyResponse:
    """Take the session out of the browser."""
    if COOKIE in request.cookies:
        _set(response, COOKIE, "", 0)
    return response


def protect(response: Response) -> Response:
    """Headers of every answer: no referrer, and only the sites that may show it in a frame."""
    said = request.args.get("lang")
    if said in LOCALES and said != request.cookies.get(LOCALE_COOKIE):
        _set(response, LOCALE_COOKIE, said, LOCALE_KEPT_S)
    origins = visit().settings.visitor.embed_origins if "visit" in g else ()
    return security.protect(
        response,
        frame_ancestors=" ".join(("'self'", *origins)) if origins else security.NOBODY,
        form_targets=" ".join(("'self'", *sorted(g.get("form_targets", ())))),
        referrer="no-referrer",
    )


def _check_csrf(arrived: Visit) -> None:
    if not arrived.sealed:
        raise NotIn("nobody has come in")
    try:
        sent = request.form.get(CSRF_FIELD, "").encode("ascii")
    except UnicodeEncodeError:
        sent = b""
    if not hmac.compare_digest(sent, arrived.csrf.encode()):
        raise Forged("the form did not come from this page")


def _set(response: AnyResponse, name: str, value: str, max_age: int) -> None:
    settings = visit().settings
    is_https = web.is_https(settings.service.trusted_proxies)
    is_framed = is_https and bool(settings.visitor.embed_origins)
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path=f"{request.script_root}/me",
        httponly=True,
        secure=is_https,
        samesite="None" if is_framed else "Lax",
        partitioned=is_framed,
    )
