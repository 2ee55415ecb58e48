"""Fetches a small document from an address that an operator gave, and from nowhere else."""

import socket
import ssl
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from app.errors import Unavailable

Address = IPv4Address | IPv6Address

BYTES_MAX = 512 * 1024
CONNECT_S = 2.0
READ_S = 3.0
TOTAL_S = 6.0

_METADATA = frozenset({ip_address("169.254.169.254"), ip_address("100.100.100.200")}) | {
    ip_address("fd00:ec2::254")
}
_NAT64 = ip_network("64:ff9b::/96")


class FetchRefused(Unavailable):
    """The address may not be fetched from."""

    code = "issuer_away"


class FetchFailed(Unavailable):
    """The address did not answer with a document."""

    code = "issuer_away"


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches over https from public addresses.

    With ``allow_private`` also from private ones, and over http.

    A name is resolved once, what it resolves to is judged, and the connection goes to that very
    address, so that a second answer of the name server cannot lead elsewhere. Redirects are not
    followed, and proxies of the environment are not used.
    """

    allow_private: bool = False
    tls: ssl.SSLContext | None = None
    """None: the system's certificate authorities."""

    def __call__(self, url: str) -> bytes:
        """The document.

        Raises:
            FetchRefused: the address may not be fetched from.
            FetchFailed: no document came, or not in time, or too large a one.
        """
        parts = self._parse(url)
        deadline = time.monotonic() + TOTAL_S
        failure: FetchFailed | None = None
        for address in self._resolve(parts):
            try:
                return self._get(parts, address, deadline)
            except (HTTPError, OSError) as error:
                failure = FetchFailed(f"{parts.hostname} did not answer: {error}")
        raise failure or FetchFailed(f"{parts.hostname} has no address")

    def _parse(self, url: str) -> SplitResult:
        parts = urlsplit(url)
        schemes = ("https", "http") if self.allow_private else ("https",)
        if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc:
            raise FetchRefused(f"key sets are fetched over {' or '.join(schemes)} only")
        return parts

    def _resolve(self, parts: SplitResult) -> list[Address]:
        port = _port(parts)
        try:
            found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise FetchFailed(f"{parts.hostname} cannot be resolved: {error}") from error
        addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
        # One bad address among good ones refuses all: which one is used must not be luck.
        for address in addresses:
            if not is_allowed(address, allow_private=self.allow_private):
                raise FetchRefused(
                    f"{parts.hostname} resolves to {address}, which is not a public address; "
                    "identity.allow_private_jwks permits private ones"
                )
        return addresses

    def _get(self, parts: SplitResult, address: Address, deadline: float) -> bytes:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Host": parts.netloc,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        with self._pool(parts, address) as pool:
            response = pool.urlopen(
                "GET", target, headers=headers, redirect=False, preload_content=False, retries=False
            )
            try:
                return _read(response, deadline)
            finally:
                response.close()

    def _pool(self, parts: SplitResult, address: Address) -> urllib3.HTTPConnectionPool:
        timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
        if parts.scheme == "http":
            return urllib3.HTTPConnectionPool(str(address), _port(parts), timeout=timeout)
        return urllib3.HTTPSConnectionPool(
            str(address),
            _port(parts),
            timeout=timeout,
            server_hostname=parts.hostname,
            cert_reqs="CERT_REQUIRED",
            ssl_context=self.tls,
        )


def is_allowed(address: Address, *, allow_private: bool) -> bool:
    """Whether a key set may be fetched from there.

    Link-local addresses and the metadata services of clouds never are: no key set lives there, and
    credentials do.
    """
    address = _inner(address)
    if address in _METADATA or address.is_link_local:
        return False
    if address.is_multicast or address.is_unspecified:
        return False
    return allow_private or address.is_global


def _inner(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only wraps it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    if response.status != 200:  # noqa: PLR2004 - the one status that carries a document
        raise FetchFailed(f"the key set's address answered with status {response.status}")
    body = b""
    # read1, because read would wait for a full buffer however slowly the bytes drip.
    while chunk := response.read1(65536):
        body += chunk
        if len(body) > BYTES_MAX:
            raise FetchFailed(f"the key set is larger than {BYTES_MAX} bytes")
        if time.monotonic() > deadline:
            raise FetchFailed("the key set did not arrive in time")
    return body
