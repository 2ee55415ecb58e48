"""What every page tells the browser: a strict content security policy, and to keep nothing."""

from flask import Flask, Response, g, request
from flask.sessions import SecureCookieSessionInterface

from app import web
from app.config import Networks

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action {targets}; base-uri 'none'; "
    "frame-ancestors {ancestors}"
)

NOBODY = "'none'"


def protect(
    response: Response,
    *,
    frame_ancestors: str = NOBODY,
    form_targets: str = "'self'",
    referrer: str = "same-origin",
) -> Response:
    """Add the headers. Pages are never kept by a browser or a proxy; what is static may be.

    ``form_targets`` also names where the answer to a form may redirect to.
    """
    headers = response.headers
    headers["Content-Security-Policy"] = POLICY.format(
        ancestors=frame_ancestors, targets=form_targets, styles=_styles()
    )
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = referrer
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if frame_ancestors == NOBODY:
        headers["X-Frame-Options"] = "DENY"
    if not (request.endpoint or "").endswith("static"):
        headers["Cache-Control"] = "no-store"
    return response


def _styles() -> str:
    """The one style of its own that the answer has, by its digest."""
    own = g.get("style_source")
    return f" {own}" if own else ""


class SessionCookies(SecureCookieSessionInterface):
    """Signed cookies, marked secure when the page came over TLS, also through a trusted proxy."""

    def __init__(self, trusted_proxies: Networks) -> None:
        self._trusted_proxies = trusted_proxies

    def get_cookie_path(self, app: Flask) -> str:
        """Below the prefix that a proxy has put the service at, if any."""
        return request.script_root + super().get_cookie_path(app)

    def get_cookie_secure(self, app: Flask) -> bool:
        del app
        return web.is_https(self._trusted_proxies)
