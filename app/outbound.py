"""Calls addresses that an operator gave over HTTP, and goes nowhere else.

Key sets are fetched and alerts are posted through it. An address is somebody's text: it may lead
to the machine itself, to its neighbours, or to the metadata service of a cloud.
"""

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from app.errors import Unavailable

Address = IPv4Address | IPv6Address

_METADATA = frozenset({ip_address("169.254.169.254"), ip_address("100.100.100.200")}) | {
    ip_address("fd00:ec2::254")
}
_NAT64 = ip_network("64:ff9b::/96")


class AddressRefused(Unavailable):
    """The address may not be called."""

    code = "address_refused"


class NoAnswer(Unavailable):
    """Nothing came, or not in time, or too much."""

    code = "no_answer"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call may take."""

    bytes_max: int
    connect_s: float
    read_s: float
    """Between two pieces of the answer."""
    total_s: float


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | Callable[[], Iterable[bytes]] | None = None
    """What is too large for the memory is called for, anew at each address that is tried; then
    ``Content-Length`` is among the headers."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Outbound:
    """Speaks https with public addresses; with ``allow_private`` also http, and with private ones.

    A name is resolved once, what it resolves to is judged, and the connection goes to that very
    address, so that a second answer of the name server cannot lead elsewhere. Redirects are not
    followed, and proxies of the environment are not used.
    """

    bounds: Bounds
    permitted_by: str
    """The setting that permits private addresses, for messages."""
    allow_private: bool = False
    tls: ssl.SSLContext | None = None
    """None: the system's certificate authorities."""

    def __call__(self, request: Request) -> Answer:
        """The answer, whatever its status.

        Raises:
            AddressRefused: the address may not be called.
            NoAnswer: none came, or not in time, or too large a one.
        """
        parts = self._parse(request.url)
        deadline = time.monotonic() + self.bounds.total_s
        failure: NoAnswer | None = None
        for address in self._resolve(parts):
            try:
                return self._ask(request, parts, address, deadline)
            except (HTTPError, HTTPException, OSError) as error:
                if time.monotonic() > deadline:
                    raise NoAnswer(f"{parts.hostname} did not answer in time") from error
                failure = NoAnswer(f"{parts.hostname} did not answer: {error}")
        raise failure or NoAnswer(f"{parts.hostname} has no address")

    def _parse(self, url: str) -> SplitResult:
        parts = urlsplit(url)
        schemes = ("https", "http") if self.allow_private else ("https",)
        if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc:
            raise AddressRefused(
                f"the address must begin with {' or '.join(f'{one}://' for one in schemes)} and "
                "hold no user name"
            )
        return parts

    def _resolve(self, parts: SplitResult) -> list[Address]:
        try:
            found = socket.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
        except OSError as error:
            raise NoAnswer(f"{parts.hostname} cannot be resolved: {error}") from error
        addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
        # One bad address among good ones refuses all: which one is used must not be luck.
        for address in addresses:
            if not is_allowed(address, allow_private=self.allow_private):
                raise AddressRefused(
                    f"{parts.hostname} resolves to {address}, which is not a public address; "
                    f"{self.permitted_by} permits private ones"
                )
        return addresses

    def _ask(
        self, request: Request, parts: SplitResult, address: Address, deadline: float
    ) -> Answer:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc, "Accept-Encoding": "identity", **request.headers}
        connection = self._connection(parts, address)
        try:
            with _hung_up_on(connection, deadline):
                connection.connect()
                connection.timeout = self.bounds.read_s
                connection.request(
                    request.method,
                    target,
                    body=request.body() if callable(request.body) else request.body,
                    headers=headers,
                    preload_content=False,
                )
                response = connection.getresponse()
                body = self._read(response, deadline)
        finally:
            connection.close()
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, names, body)

    def _connection(self, parts: SplitResult, address: Address) -> HTTPConnection:
        port, connect_s = _port(parts), self.bounds.connect_s
        if parts.scheme == "http":
            return HTTPConnection(str(address), port, timeout=connect_s)
        return HTTPSConnection(
            str(address),
            port,
            timeout=connect_s,
            server_hostname=parts.hostname,
            cert_reqs="CERT_REQUIRED",
            ssl_context=self.tls,
        )

    def _read(self, response: HTTPResponse, deadline: float) -> bytes:
        body = b""
        # read1, because read would wait for a full buffer however slowly the bytes drip.
        while chunk := response.read1(65536):
            body += chunk
            if len(body) > self.bounds.bytes_max:
                raise NoAnswer(f"the answer is larger than {self.bounds.bytes_max} bytes")
        if time.monotonic() > deadline:  # then this may be the end that we made ourselves
            raise NoAnswer("the answer did not arrive in time")
        return body


@contextlib.contextmanager
def _hung_up_on(connection: HTTPConnection, deadline: float) -> Iterator[None]:
    """End the connection at the deadline: a byte now and then would outlast any other time-out."""

    def hang_up() -> None:
        # A twin, because shutting down a TLS socket under its reader is not safe.
        with (
            contextlib.suppress(OSError, AttributeError),
            socket.socket(fileno=os.dup(connection.sock.fileno())) as twin,
        ):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), 0), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_allowed(address: Address, *, allow_private: bool) -> bool:
    """Whether an address may be called.

    Link-local addresses and the metadata services of clouds never may: nothing that an operator
    wants to reach lives there, and credentials do.
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
