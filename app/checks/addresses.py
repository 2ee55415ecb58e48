"""SA4xx: the address FastGPT is given reaches this service, and FastGPT will call it."""

import json
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from app.checks.finding import Finding, failed, ok, skipped, warning
from app.links.addresses import root_url

TIMEOUT = urllib3.Timeout(connect=3, read=5)
STRANGER = "doctor-checks-with-a-key-of-no-link"
NO_LINK = "link_unknown"

Address = IPv4Address | IPv6Address


def check_addresses(public_url: str) -> Iterator[Finding]:
    """SA401: FastGPT will call it; SA402: it leads here; SA403: the hooks answer there."""
    yield _check_callable(public_url)
    with urllib3.PoolManager(timeout=TIMEOUT, retries=False) as http:
        reached = _check_reached(http, public_url)
        yield reached
        if reached.status == "ok":
            yield _check_hook(http, public_url)
        else:
            yield skipped("SA403", "hooks", "the service was not reached")


def _check_callable(public_url: str) -> Finding:
    """FastGPT refuses loopback always, and private ranges where CHECK_INTERNAL_IP is true."""
    host = urlsplit(public_url).hostname or ""
    found = _resolve(host)
    if not found:
        return warning(
            "SA401",
            "public URL",
            f"{host} cannot be resolved from here",
            "Check service.public_url, and that FastGPT's machine knows the name.",
        )
    if any(address.is_loopback or address.is_unspecified for address in found):
        return warning(
            "SA401",
            "public URL",
            f"{public_url} is a loopback address, which FastGPT never calls",
            "Set service.public_url to a name or LAN address that FastGPT reaches, and "
            "service.host to 0.0.0.0 or that address.",
        )
    if any(address.is_private for address in found):
        return warning(
            "SA401",
            "public URL",
            f"{public_url} is a private address",
            "FastGPT calls it unless CHECK_INTERNAL_IP=true is set there.",
        )
    return ok("SA401", "public URL", f"{public_url} is one that FastGPT calls")


def _check_reached(http: urllib3.PoolManager, public_url: str) -> Finding:
    url = f"{public_url}/healthz"
    advice = (
        "Start the service with `shareauth serve`, or correct service.public_url or the proxy in "
        "front of it."
    )
    try:
        response = http.request("GET", url, redirect=False)
    except HTTPError as error:
        return failed("SA402", "service", f"{url} does not answer: {_reason(error)}", advice)
    if response.status != 200:  # noqa: PLR2004 - the one good answer
        return failed("SA402", "service", f"{url} answers with status {response.status}", advice)
    return ok("SA402", "service", f"{url} answers")


def _check_hook(http: urllib3.PoolManager, public_url: str) -> Finding:
    """A call with a key of no link must come back as FastGPT's envelope, saying just that."""
    url = f"{root_url(public_url, STRANGER)}/shareAuth/init"
    advice = (
        "Something between FastGPT and this service changes calls: the proxy must pass POST bodies "
        "and answers through, without redirects."
    )
    body = json.dumps({"token": "doctor"})
    headers = {"Content-Type": "application/json"}
    try:
        response = http.request("POST", url, body=body, headers=headers, redirect=False)
        answer = json.loads(response.data)
    except (HTTPError, ValueError) as error:
        return failed("SA403", "hooks", f"no envelope came back: {_reason(error)}", advice)
    is_ours = isinstance(answer, dict) and answer.get("code") == NO_LINK
    if response.status != 200 or not is_ours or answer.get("success") is not False:  # noqa: PLR2004 - as above
        return failed("SA403", "hooks", f"status {response.status}, not our envelope", advice)
    return ok("SA403", "hooks", "a call reaches the hooks and its answer comes back")


def _resolve(host: str) -> list[Address]:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(ip_address(str(entry[4][0]).split("%")[0]) for entry in entries))


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error))
