"""What ``serve`` says when it is ready: the addresses, and what to try next."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from app import __version__
from app.cli.demo import NAME, Demo
from app.cli.output import card
from app.config import Settings
from app.links.addresses import root_url, visitor_url

ANSWER = {
    "appName": "Demo",
    "responseData": [
        {
            "nodeId": "n1",
            "moduleName": "AI Chat",
            "moduleType": "chatNode",
            "model": "gpt-4o-mini",
            "inputTokens": 320,
            "outputTokens": 80,
            "totalPoints": 1.25,
        }
    ],
}


def lines(
    settings: Settings, data_dir: Path, demo: Demo | None, password: str | None
) -> Iterator[object]:
    """Sentences and tables for ``output.show``. ``password``: of the first operator, just made."""
    yield f"shareauth {__version__} listens on {local_url(settings)}"
    yield card(
        {
            "database": "PostgreSQL" if "postgresql" in settings.database_url else "SQLite",
            "redis": "given" if settings.redis.url else "bundled Valkey",
            "data directory": str(data_dir),
            "processes": f"{settings.service.workers}, {settings.service.threads} threads each",
        }
    )
    yield from _console(settings, password)
    yield ""
    if demo is None:
        yield f"Links and their root URLs: {command(settings)} links list"
        return
    yield from _addresses(settings, demo)
    yield from _curls(settings, demo)
    yield from _next_steps(settings)


def _console(settings: Settings, password: str | None) -> Iterator[object]:
    if not settings.admin.enabled:
        return
    yield ""
    yield f"Console: {local_url(settings)}/admin"
    if password is not None:
        yield f"Sign in as admin with the password {password}"
        yield "It is shown this once, and you choose your own at the first sign-in."


def local_url(settings: Settings) -> str:
    """The service's address for somebody on this machine."""
    host = settings.service.host
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not listened on
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.service.port}"


def command(settings: Settings) -> str:
    """``shareauth`` as it has to be typed here to reach this service and its data."""
    program = "shareauth" if shutil.which("shareauth") else os.path.relpath(sys.argv[0])
    default = Settings().service
    if settings.service.port != default.port:
        program = f"SHAREAUTH_SERVICE__PORT={settings.service.port} {program}"
    if settings.service.data_dir == default.data_dir:
        return program
    return f"{program} --data-dir {shlex.quote(str(settings.service.data_dir))}"


def _addresses(settings: Settings, demo: Demo) -> Iterator[object]:
    shown = {"root URL": root_url(settings.public_url, demo.link_key)}
    if demo.token is not None:
        shown["visitor URL"] = visitor_url(None, demo.token)
    yield card(shown)
    yield (
        "Paste the root URL into the share link's identity verification field in FastGPT; it adds "
        "/shareAuth/init, start and finish by itself."
    )
    if demo.token is None:
        mint = f"{command(settings)} tokens mint --link {NAME} --subject {NAME}"
        yield f"The visitor URL was shown on the first start; for another: {mint}"
    else:
        yield "The token in the visitor URL is shown this once."
    if _is_loopback(settings.public_url):
        yield (
            "FastGPT never calls loopback addresses (localhost, 127.0.0.1), and private ones only "
            "without CHECK_INTERNAL_IP=true. To be reached from another machine or a container:"
        )
        yield (
            "  HOST=0.0.0.0 SHAREAUTH_SERVICE__PUBLIC_URL="
            f"http://THIS-MACHINE:{settings.service.port} make run"
        )


def _curls(settings: Settings, demo: Demo) -> Iterator[str]:
    token = demo.token or "TOKEN"
    base = f"{root_url(local_url(settings), demo.link_key)}/shareAuth"
    bodies: dict[str, dict[str, object]] = {
        "init": {"token": token},
        "start": {"token": token, "question": "Hello?"},
        "finish": {"token": token, **ANSWER},
    }
    yield ""
    yield "Do what FastGPT does:"
    for hook, body in bodies.items():
        text = json.dumps(body, separators=(",", ":"))
        yield f"  curl -s {base}/{hook} -H 'Content-Type: application/json' -d '{text}'"


def _next_steps(settings: Settings) -> Iterator[object]:
    program = command(settings)
    yield ""
    yield "Then:"
    yield f"  {program} ledger statement {NAME}"
    yield f"  {program} simulate --chats 200"
    yield f"  {program} --help"
    yield "README.md goes on from here. Ctrl-C stops everything."


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified
