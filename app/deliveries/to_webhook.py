"""Delivers to somebody's program over HTTP, signed as Standard Webhooks says.

Small files go along with the manifest, in one POST of multipart/form-data. Larger ones are PUT
before it, each to the address with the delivery's key and the file's name behind it, and signed by
their hash; the manifest comes last: who has it has all.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit, urlunsplit

from app import __version__
from app.alerts import signing
from app.deliveries.address import Address
from app.deliveries.carrying import Consignment, NotTaken
from app.deliveries.orders import DeliveredFile
from app.outbound import Answer, Request

PERMITTED_BY = "deliveries.allow_private_addresses"
_AGENT = {"User-Agent": f"shareauth/{__version__}"}
_GONE = 410

Call = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True)
class ToWebhook:
    """``call`` is for what fits into the memory, ``upload`` may take long."""

    call: Call
    upload: Call
    inline_bytes_max: int

    def carry(self, sent: Consignment) -> str:
        if sent.size <= self.inline_bytes_max:
            body, kind = _multipart(sent)
        else:
            for file in sent.files:
                self._put(sent, file)
            body, kind = _envelope("file.delivery", sent, "put"), "application/json"
        headers = {"Content-Type": kind, **_signed(sent.key, body, sent.address, sent.now)}
        sent.beat()
        _judge(self.upload(Request("POST", sent.address.url, headers, body)))
        return urlsplit(sent.address.url).netloc

    def probe(self, address: Address, now: datetime) -> str:
        body = _dumped({"type": "file.test", "version": 1, "timestamp": _iso(now)})
        headers = {
            "Content-Type": "application/json",
            **_signed(f"test-{int(now.timestamp())}", body, address, now),
        }
        _judge(self.call(Request("POST", address.url, headers, body)))
        return f"{urlsplit(address.url).netloc} took a signed test message."

    def _put(self, sent: Consignment, file: DeliveredFile) -> None:
        parts = urlsplit(sent.address.url)
        path = f"{parts.path.rstrip('/')}/{quote(sent.key)}/{quote(file.name)}"
        digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
        # Signed is the hash and not the bytes: they are not read twice.
        signed = _signed(f"{sent.key}/{file.name}", file.sha256.encode(), sent.address, sent.now)
        headers = {
            "Content-Type": file.media_type,
            "Content-Length": str(file.size),
            "Content-Digest": f"sha-256=:{digest}:",
            **signed,
        }
        body = (lambda: sent.chunks(file)) if file.size else b""
        url = urlunsplit(parts._replace(path=path))
        _judge(self.upload(Request("PUT", url, headers, body)), what=file.name)


def _signed(message_id: str, body: bytes, address: Address, now: datetime) -> dict[str, str]:
    return _AGENT | signing.webhook_headers(
        quote(message_id), body, epoch_s=int(now.timestamp()), secrets=address.live_secrets(now)
    )


def _envelope(event: str, sent: Consignment, transfer: str) -> bytes:
    return _dumped(
        {
            "type": event,
            "version": 1,
            "timestamp": _iso(sent.now),
            "data": {
                "key": sent.key,
                "subject": sent.subject,
                "transfer": transfer,
                "files": [one.told() for one in sent.files],
                "manifest": sent.manifest,
            },
        }
    )


def _multipart(sent: Consignment) -> tuple[bytes, str]:
    """The body and its type. The boundary is of the key, so that a second one is the same."""
    boundary = f"shareauth-{sent.key}"[:70].rstrip(".")
    event = _envelope("file.delivery", sent, "inline")
    parts: list[tuple[str, str | None, str, bytes]] = [("event", None, "application/json", event)]
    parts += [("file", one.name, one.media_type, b"".join(sent.chunks(one))) for one in sent.files]
    body = b""
    for field, name, kind, value in parts:
        shown = "" if name is None else f'; filename="{quote(name)}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"{shown}\r\n'
        body += f"{head}Content-Type: {kind}\r\n\r\n".encode() + value + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f'multipart/form-data; boundary="{boundary}"'


def _judge(answer: Answer, what: str = "it") -> None:
    status = answer.status
    if 200 <= status < 300:  # noqa: PLR2004 - the statuses of success
        return
    said = answer.headers.get("retry-after", "")
    wait_s = float(said) if said.isascii() and said.isdigit() else 0
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        raise NotTaken(f"HTTP {status}: redirects are not followed; give the address it leads to")
    raise NotTaken(f"HTTP {status}: {what} was not taken", wait_s=wait_s, is_final=status == _GONE)


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
