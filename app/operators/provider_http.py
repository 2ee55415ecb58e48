"""Talks to the OpenID Connect provider: small JSON documents, in bounded time."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from app.errors import Unavailable

BYTES_MAX = 512 * 1024
CONNECT_S = 2.0
READ_S = 5.0
TOTAL_S = 10.0


class ProviderAway(Unavailable):
    """The provider does not answer, or not with what it should."""

    code = "oidc_away"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    document: dict[str, Any]


def _pool() -> urllib3.PoolManager:
    timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
    return urllib3.PoolManager(num_pools=4, timeout=timeout, retries=False)


@dataclass(frozen=True, slots=True)
class ProviderHttp:
    """Follows no redirects and uses no proxies of the environment. Safe for threads."""

    _http: urllib3.PoolManager = field(default_factory=_pool)

    def get(self, url: str, *, bearer: str | None = None) -> dict[str, Any]:
        """The document at an address.

        Raises:
            ProviderAway: there came none.
        """
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        answer = self._send("GET", url, headers=headers, body=None)
        if answer.status != 200:  # noqa: PLR2004 - the one status that carries a document
            raise ProviderAway(f"{url} answered with status {answer.status}")
        return answer.document

    def post(self, url: str, *, headers: Mapping[str, str], body: str) -> Answer:
        """What the provider says to a form; refusals are answers, too.

        Raises:
            ProviderAway: there came none.
        """
        return self._send("POST", url, headers=headers, body=body)

    def _send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: str | None
    ) -> Answer:
        deadline = time.monotonic() + TOTAL_S
        asked = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        try:
            response = self._http.request(
                method, url, headers=asked, body=body, redirect=False, preload_content=False
            )
            try:
                return Answer(response.status, _document(url, _read(url, response, deadline)))
            finally:
                response.release_conn()
        except (HTTPError, OSError) as error:
            raise ProviderAway(f"{url} does not answer: {error}") from error


def _read(url: str, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    body = b""
    # read1, because read would wait for a full buffer however slowly the bytes drip.
    while chunk := response.read1(65536):
        body += chunk
        if len(body) > BYTES_MAX:
            raise ProviderAway(f"{url} sends more than {BYTES_MAX} bytes")
        if time.monotonic() > deadline:
            raise ProviderAway(f"{url} did not answer in time")
    return body


def _document(url: str, body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProviderAway(f"{url} answered with something else than a JSON object")
    return document
