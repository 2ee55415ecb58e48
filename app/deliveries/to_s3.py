"""Delivers to S3-compatible storage, by Arrow's client; it is loaded when it is first needed.

An object appears when it is whole: large files go up in parts that only the end puts together. The
same delivery writes the same keys, so sending it twice leaves what sending it once does.
"""

import contextlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from app.deliveries.address import Address
from app.deliveries.carrying import Consignment, NotTaken, chunks
from app.deliveries.orders import DeliveredFile
from app.errors import ServiceError
from app.outbound import is_allowed

CONNECT_S = 5
REQUEST_S = 60
"""Of one request: a part of a large file, not the whole."""
ATTEMPTS = 3
"""Of each request, at once; a delivery that fails is tried again later."""
PERMITTED_BY = "deliveries.allow_private_addresses"
_PROBE = "shareauth-test.txt"

_MEANINGS = (
    # what stands in the client's message: what it means
    (("NO_SUCH_BUCKET", "NoSuchBucket"), "there is no bucket {bucket}"),
    (
        ("INVALID_ACCESS_KEY_ID", "InvalidAccessKeyId"),
        "the storage does not know the access key",
    ),
    (
        ("SIGNATURE_DOES_NOT_MATCH", "SignatureDoesNotMatch"),
        "the secret key is wrong, or the region is",
    ),
    (
        ("ACCESS_DENIED", "AccessDenied", "HTTP status 403", "code: 403"),
        "the storage does not let this key write to {bucket}",
    ),
    (
        ("PermanentRedirect", "HTTP status 301", "AuthorizationHeaderMalformed"),
        "the bucket is in another region",
    ),
    (
        ("NETWORK_CONNECTION", "curlCode", "Couldn't connect", "Timeout", "REQUEST_TIMEOUT"),
        "{host} does not answer",
    ),
)


@dataclass(frozen=True, slots=True)
class ToS3:
    allow_private: bool = False

    def carry(self, sent: Consignment) -> str:
        """Write the files, the manifest last: who sees it sees all."""
        address = sent.address
        storage = self._connected(address)
        for file in sent.files:
            place = _key(address, file.name)
            _put(storage, address, place, _steadily(sent, file), file.media_type)
            written = _asked(address, lambda place=place: storage.get_file_info(place).size)
            if written != file.size:
                raise NotTaken(f"{place} has {written} bytes there instead of {file.size}")
        place = _key(address, sent.manifest_name)
        _put(storage, address, place, [sent.manifest_bytes], "application/json")
        return f"s3://{place}"

    def probe(self, address: Address, now: datetime) -> str:
        storage, place = self._connected(address), _key(address, _PROBE)
        _put(storage, address, place, [f"shareauth {now.isoformat()}\n".encode()], "text/plain")
        _asked(address, lambda: storage.delete_file(place))
        return f"A small object was written to s3://{place} and removed again."

    def _connected(self, address: Address) -> Any:  # noqa: ANN401 - Arrow's file system
        from pyarrow import fs  # noqa: PLC0415 - half a second, and its own threads

        parts = urlsplit(address.endpoint)
        options: dict[str, Any] = {}
        if address.endpoint:
            self._check(parts.scheme, parts.hostname or "", parts.port)
            options = {"endpoint_override": parts.netloc, "scheme": parts.scheme}
        return _asked(
            address,
            lambda: fs.S3FileSystem(
                access_key=address.access_key,
                secret_key=address.secret_key,
                region=address.region or "us-east-1",
                connect_timeout=CONNECT_S,
                request_timeout=REQUEST_S,
                retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
                background_writes=False,
                allow_delayed_open=True,  # what is small goes up in one request
                **options,
            ),
        )

    def _check(self, scheme: str, host: str, port: int | None) -> None:
        """Hold the endpoint against the rules of ``outbound``.

        Arrow asks the name server again: this keeps out what is mistaken, not an operator whose
        own name server is against them.
        """
        if scheme == "http" and not self.allow_private:
            raise NotTaken(f"http is spoken only where {PERMITTED_BY} is set", is_final=True)
        try:
            found = socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NotTaken(f"{host} cannot be resolved: {error}") from error
        for entry in found:
            one = ip_address(entry[4][0])
            if not is_allowed(one, allow_private=self.allow_private):
                raise NotTaken(
                    f"{host} resolves to {one}, which is not a public address; "
                    f"{PERMITTED_BY} permits private ones"
                )


def _key(address: Address, name: str) -> str:
    return "/".join(part for part in (address.bucket, address.prefix, name) if part)


def _steadily(sent: Consignment, file: DeliveredFile) -> Iterator[bytes]:
    """The bytes, to the end whoever has taken the delivery over meanwhile.

    Arrow leaves an upload only by putting its parts together: a half one would become an object.
    """

    def beat() -> None:
        with contextlib.suppress(ServiceError):
            sent.beat()

    return chunks(file.path, beat)


def _put(
    storage: Any,  # noqa: ANN401 - Arrow's file system
    address: Address,
    place: str,
    pieces: Iterable[bytes],
    media_type: str,
) -> None:
    def write() -> None:
        out = storage.open_output_stream(place, metadata={"Content-Type": media_type})
        for piece in pieces:
            out.write(piece)
        out.close()

    _asked(address, write)


def _asked(address: Address, call: Any) -> Any:  # noqa: ANN401 - whatever it gives
    try:
        return call()
    except OSError as error:
        raise NotTaken(_sentence(str(error), address)) from error


def _sentence(said: str, address: Address) -> str:
    """What is wrong, for people. Arrow's own text names the request, never a secret."""
    host = urlsplit(address.endpoint).netloc or "AWS"
    for marks, meaning in _MEANINGS:
        if any(mark in said for mark in marks):
            return meaning.format(bucket=address.bucket, host=host)
    said = said.replace(address.secret_key, "…").replace(address.access_key, "…")
    return f"{host}: {said[:300]}"
