"""Who calls the admin, and may they: a session or a bearer token, then the view's permission.

Every view names the one permission it needs with ``allow``; a view that names none is refused to
everybody. Requests that change something and come with a cookie carry a CSRF token as well.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from flask import current_app, g, request, session
from flask_wtf.csrf import CSRFError, CSRFProtect

from app import web
from app.admin import bad_tokens
from app.admin.desk import Caller, Desk
from app.config import Settings
from app.errors import Forbidden, Invalid, ServiceError
from app.operators import api_tokens, signin
from app.operators import store as operator_store
from app.operators.models import ApiToken, Operator, OperatorSession
from app.operators.roles import PERMISSIONS, SELF, permissions_of
from app.operators.signin import Client, Lifetimes
from app.runtime import Runtime

View = TypeVar("View", bound=Callable[..., Any])

PUBLIC = "public"
"""For the few views that are there before anybody has signed in."""
HALF = "half"
"""For views of somebody whose password was right and whose code is still to come."""
CREDENTIALS = "credentials"
"""For the view that a program signs in at: name and password are in the body, no cookie counts and
none is set, so nobody's browser can be made to do it for them."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FIRST_THINGS = frozenset(
    {
        "account.password",
        "account.change_password",
        "account.second_factor",
        "account.confirm_second_factor",
        "account.begin_second_factor",
        "account.sign_out",
        "account.language",
    }
)
"""What somebody may open who has yet to change a password or to set a second factor up."""
OWN_SITE = frozenset({"same-origin", "none"})
COOKIE_SECRET = "sid"  # noqa: S105 - the name of a field

csrf = CSRFProtect()


class NotSignedIn(Forbidden):
    """Nobody is signed in, or the session has ended."""

    status = 401
    code = "not_signed_in"


class NotAllowed(Forbidden):
    """Their role does not have the permission."""

    status = 403
    code = "not_allowed"


class FirstThingsFirst(Forbidden):
    """They must change a first password, or set a second factor up, before anything else."""

    status = 403
    code = "password_change_required"


class TextUnusable(Invalid):
    """A value has a character that no database keeps."""

    status = 422
    code = "text_unusable"


class Forged(Forbidden):
    """The CSRF token is missing, wrong or too old."""

    status = 400
    code = "csrf_token_invalid"


def allow(permission: str) -> Callable[[View], View]:
    """Say which permission a view needs; put it directly above the function."""
    if permission not in {*PERMISSIONS, SELF, PUBLIC, HALF, CREDENTIALS}:
        raise ValueError(f"{permission!r} is no permission")

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def may_open(endpoint: str) -> bool:
    """Whether there is such a view, and whoever asks may open it: only then it is linked to."""
    view = current_app.view_functions.get(endpoint)
    if view is None:
        return False
    permission = permission_of(view)
    return permission in {SELF, PUBLIC} or desk().may(permission or "")


def permission_of(view: Callable[..., Any]) -> str | None:
    return getattr(view, "permission", None)


def guard(now: datetime, *, takes_tokens: bool) -> None:
    """Before each request: find out who calls, and stop it unless they may.

    Only the JSON API takes tokens: on a page, a program could reach its owner's account.

    Raises:
        NotSignedIn, NotAllowed, FirstThingsFirst, Forged, TextUnusable: as they say.
    """
    runtime: Runtime = current_app.extensions["shareauth"]
    permission = permission_of(current_app.view_functions[request.endpoint or ""])
    if permission == CREDENTIALS:
        g.desk = Desk(runtime, None, now, address=client(runtime.settings).address)
        return
    caller = (_bearer(runtime, now) if takes_tokens else None) or _cookie(runtime, now)
    g.desk = Desk(runtime, caller, now, address=client(runtime.settings).address)
    _check_text()
    if permission is None:
        raise NotAllowed("this view names no permission")
    if request.method not in SAFE_METHODS and (caller is None or caller.token_id is None):
        _check_csrf()
    if permission == PUBLIC:
        return
    if caller is None or (permission != HALF and not caller.is_complete):
        raise NotSignedIn("sign in first")
    if permission not in {SELF, HALF} and permission not in caller.permissions:
        raise NotAllowed(f"this needs the permission {permission}")
    if caller.is_complete and request.endpoint not in FIRST_THINGS:
        _check_first_things(caller)


def desk() -> Desk:
    """The desk of this request."""
    return cast("Desk", g.desk)


def client(settings: Settings) -> Client:
    address = web.caller_address(settings.service.trusted_proxies)
    return Client(address[:64], request.headers.get("User-Agent", "")[:300])


def lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        idle=timedelta(seconds=settings.admin.session_idle_s),
        total=timedelta(seconds=settings.admin.session_max_age_s),
    )


def remember(secret: str) -> None:
    """Put a new session into the cookie; nothing of an older one is kept."""
    session.clear()
    session[COOKIE_SECRET] = secret


def _check_first_things(caller: Caller) -> None:
    if caller.must_change_password:
        raise FirstThingsFirst("change your first password in the console before anything else")
    if caller.must_enrol:
        raise FirstThingsFirst(
            "set a second factor up in the console before anything else",
            code="second_factor_required",
        )


def _check_text() -> None:
    """PostgreSQL takes no NUL, and nobody means one."""
    given = [*(request.view_args or {}).values(), *request.args.values()]
    if request.method not in SAFE_METHODS:
        given += request.form.values()
    if any("\0" in value for value in given if isinstance(value, str)):
        raise TextUnusable("a value has the character NUL, which cannot be kept")


def _check_csrf() -> None:
    if request.headers.get("Sec-Fetch-Site", "none") not in OWN_SITE:
        raise Forged("the request was made by another site")
    try:
        csrf.protect()
    except CSRFError as error:
        raise Forged(
            "the form is too old or did not come from this page: load the page again"
        ) from error


def _bearer(runtime: Runtime, now: datetime) -> Caller | None:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        return None
    token, owner = _usable(runtime, text.strip(), now)
    if api_tokens.is_use_due(token, now):
        _write_use(runtime, token.id, now)
    held = api_tokens.rights(token, owner)
    return Caller(
        operator_id=owner.id,
        name=owner.name,
        role=owner.role,
        permissions=held.permissions,
        link_ids=held.link_ids,
        token_id=token.id,
        locale=owner.locale,
    )


def _usable(runtime: Runtime, text: str, now: datetime) -> tuple[ApiToken, Operator]:
    """The token and its owner.

    Raises:
        NotSignedIn: it is of no use.
        TooManyBadTokens: its address has sent too many of those; tokens that worked lately go on.
    """
    digest, address = runtime.keys.token_digest(text), client(runtime.settings).address
    bad_tokens.check(digest, address, now)
    with runtime.db.read() as read:
        found = api_tokens.find_usable(read, text, keys=runtime.keys, now=now)
    if found is None:
        bad_tokens.note(address, now)
        raise NotSignedIn("this API token is unknown, expired or revoked")
    bad_tokens.trust(digest)
    return found


def _cookie(runtime: Runtime, now: datetime) -> Caller | None:
    secret = session.get(COOKIE_SECRET)
    if not isinstance(secret, str):
        return None
    with runtime.db.read() as read:
        found = signin.resume(
            read, secret, keys=runtime.keys, lifetimes=lifetimes(runtime.settings), now=now
        )
    if found is None:
        session.clear()
        return None
    operator, row = found
    if signin.is_seen_due(row, now, idle=lifetimes(runtime.settings).idle):
        _write_seen(runtime, row.id, now)
    return _caller(runtime.settings, operator, row)


def _caller(settings: Settings, operator: Operator, row: OperatorSession) -> Caller:
    must_enrol = (
        settings.admin.second_factor == "required"
        and row.method == "password"
        and operator.totp_confirmed_at is None
    )
    held = permissions_of(operator.role, link_ids=operator.link_ids)
    return Caller(
        operator_id=operator.id,
        name=operator.name,
        role=operator.role,
        permissions=held if row.is_complete else frozenset(),
        link_ids=None if operator.link_ids is None else frozenset(operator.link_ids),
        session_id=row.id,
        locale=operator.locale,
        is_complete=row.is_complete,
        must_change_password=operator.must_change_password and row.method == "password",
        must_enrol=must_enrol,
    )


def _write_seen(runtime: Runtime, session_id: int, now: datetime) -> None:
    """Best effort: who may work does not depend on it."""
    try:
        with runtime.db.begin() as write:
            row = write.get(OperatorSession, session_id)
            if row is not None:
                row.last_seen_at = now
    except ServiceError:
        return


def _write_use(runtime: Runtime, token_id: int, now: datetime) -> None:
    address = client(runtime.settings).address
    try:
        with runtime.db.begin() as write:
            token = operator_store.get_token(write, token_id)
            token.last_used_at, token.last_used_address = now, address[:64]
    except ServiceError:
        return
