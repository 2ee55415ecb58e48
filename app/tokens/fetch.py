"""Fetches a key set from an address that an operator gave, and from nowhere else."""

import ssl
from dataclasses import dataclass

from app.errors import Unavailable
from app.outbound import AddressRefused, Bounds, NoAnswer, Outbound, Request

BYTES_MAX = 512 * 1024
CONNECT_S = 2.0
READ_S = 3.0
TOTAL_S = 6.0

_OK = 200


class FetchRefused(Unavailable):
    """The address may not be fetched from."""

    code = "issuer_away"


class FetchFailed(Unavailable):
    """The address did not answer with a document."""

    code = "issuer_away"


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches over https from public addresses.

    With ``allow_private`` also from private ones, and over http; see ``outbound``.
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
        ask = Outbound(
            Bounds(BYTES_MAX, CONNECT_S, READ_S, TOTAL_S),
            permitted_by="identity.allow_private_jwks",
            allow_private=self.allow_private,
            tls=self.tls,
        )
        try:
            answer = ask(Request("GET", url, {"Accept": "application/json"}))
        except AddressRefused as error:
            raise FetchRefused(f"the key set cannot be fetched: {error.message}") from error
        except NoAnswer as error:
            raise FetchFailed(f"the key set cannot be fetched: {error.message}") from error
        if answer.status != _OK:
            raise FetchFailed(f"the key set's address answered with status {answer.status}")
        return answer.body
