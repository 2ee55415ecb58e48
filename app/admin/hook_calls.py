"""Calls a hook as FastGPT does: over the network, or straight into this process."""

import contextvars
import io
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from flask import Flask
from urllib3.exceptions import HTTPError
from werkzeug.test import EnvironBuilder, run_wsgi_app

TIMEOUT = urllib3.Timeout(connect=2, read=5)
ANSWER_BYTES_MAX = 64 * 1024
HEADERS = {
    "Accept": "application/json, text/plain, */*",
    "Content-Type": "application/json",
    "User-Agent": "shareauth-link-test",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``status`` is None when nothing did; then ``problem`` says why."""

    status: int | None
    body: bytes
    duration_ms: int
    problem: str | None = None


def over_http(url: str, body: bytes) -> Reply:
    """POST once: no retries, no redirects, within seconds."""
    began = time.perf_counter()
    try:
        with urllib3.PoolManager(timeout=TIMEOUT, retries=False) as http:
            response = http.request(
                "POST", url, body=body, headers=HEADERS, redirect=False, preload_content=False
            )
            answer = response.read(ANSWER_BYTES_MAX)
            response.release_conn()
    except (HTTPError, OSError, ValueError) as error:
        return Reply(None, b"", _since(began), str(getattr(error, "reason", error))[:300])
    return Reply(response.status, answer, _since(began))


def inside(app: Flask, url: str, body: bytes) -> Reply:
    """The same request, handed to this process without a connection."""
    began = time.perf_counter()
    environ = EnvironBuilder(
        path=urlsplit(url).path,
        method="POST",
        headers=list(HEADERS.items()),
        input_stream=io.BytesIO(body),
        content_length=len(body),
    ).get_environ()
    # A context of its own: the hook binds its request id to the log, and lets go of it.
    parts, status, _ = contextvars.Context().run(run_wsgi_app, app.wsgi_app, environ)
    return Reply(int(status.split()[0]), b"".join(parts), _since(began))


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
