"""What every HTTP surface needs: request ids, bounded bodies, the caller's address."""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

import structlog
from flask import Flask, Request, Response, g, request
from werkzeug.exceptions import ClientDisconnected

from app.config import Networks
from app.errors import Invalid
from app.keys import new_reference

CHUNK = 64 * 1024
DRAIN_FACTOR = 4
"""How many times the limit is read and thrown away, so that the caller gets to read our answer."""


class BodyTooLarge(Invalid):
    """The request's body is larger than the service takes."""

    code = "body_too_large"


class BodyIncomplete(Invalid):
    """The caller went away in the middle of its body."""

    code = "request_malformed"


def install(app: Flask) -> None:
    """Give every request an id, bound to its log lines and sent back in ``X-Request-Id``."""

    @app.before_request
    def bind_request_id() -> None:
        g.reference = new_reference()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.reference)

    @app.after_request
    def send_request_id(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.get("reference", "")
        return response

    @app.teardown_request
    def let_go_of_request_id(_: BaseException | None) -> None:
        # The thread goes on with another caller, of whom gunicorn may log before Flask sees them.
        structlog.contextvars.clear_contextvars()

    app.url_map.merge_slashes = False  # werkzeug would answer a redirect, and lose the body
    app.wsgi_app = SlashFolding(app.wsgi_app)  # type: ignore[method-assign]


class SlashFolding:
    """Read ``//`` in a path as ``/``: FastGPT appends its path to whatever the operator pasted."""

    def __init__(self, inner: Callable[..., Iterable[bytes]]) -> None:
        self.inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401 - WSGI
        if "//" in environ.get("PATH_INFO", ""):
            environ["PATH_INFO"] = re.sub("/{2,}", "/", environ["PATH_INFO"])
        return self.inner(environ, start_response)


def read_body(incoming: Request, *, bytes_max: int) -> bytes:
    """The whole body, however it was sent.

    Raises:
        BodyTooLarge: it is longer than ``bytes_max``; most of the rest has been read and dropped.
        BodyIncomplete: the caller hung up before the end.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := incoming.stream.read(CHUNK):
            size += len(chunk)
            if size <= bytes_max:
                chunks.append(chunk)
            else:
                chunks.clear()
            if size > bytes_max * DRAIN_FACTOR:
                break
    except (ClientDisconnected, OSError) as error:
        raise BodyIncomplete("the request's body ended early") from error
    if size > bytes_max:
        raise BodyTooLarge(f"the body is larger than {bytes_max} bytes", body_bytes=size)
    return b"".join(chunks)


def caller_address(trusted_proxies: Networks) -> str:
    """Who is calling: the peer, or what a trusted proxy says of it (the nearest untrusted hop)."""
    hops = [
        hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()
    ]
    address = request.remote_addr or ""
    while hops and is_within(address, trusted_proxies):
        address = hops.pop()
    return address


def is_within(address: str, networks: Networks) -> bool:
    """Whether an address lies in one of the networks; text that is no address lies in none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def is_https(trusted_proxies: Networks) -> bool:
    """Whether the caller came over TLS, as far as we or a trusted proxy can tell."""
    if request.is_secure:
        return True
    said = request.headers.get("X-Forwarded-Proto", "").split(",")[-1].strip().lower()
    return said == "https" and is_within(request.remote_addr or "", trusted_proxies)
