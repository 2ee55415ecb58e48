"""Signatures of outgoing messages: Standard Webhooks, Feishu's and DingTalk's. Pure.

They differ in what is the key: Standard Webhooks signs id, time and body with the secret,
DingTalk signs time and secret with the secret, Feishu signs nothing with time and secret.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from app.errors import Invalid

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public start of every such secret
_KEY_BYTES = (24, 64)


def webhook_secret(raw: bytes) -> str:
    """The form in which Standard Webhooks gives a key to people."""
    return SECRET_PREFIX + base64.b64encode(raw).decode()


def check_webhook_secret(secret: str) -> str:
    """The secret itself.

    Raises:
        Invalid: not ``whsec_`` and base64 of 24 to 64 bytes (``webhook_secret_invalid``).
    """
    try:
        size = len(_webhook_key(secret))
    except (binascii.Error, ValueError):
        size = 0
    if not secret.startswith(SECRET_PREFIX) or not _KEY_BYTES[0] <= size <= _KEY_BYTES[1]:
        raise Invalid(
            "a webhook's secret is whsec_ followed by 24 to 64 bytes in base64",
            code="webhook_secret_invalid",
        )
    return secret


def webhook_headers(
    message_id: str, body: bytes, *, epoch_s: int, secrets: Sequence[str]
) -> dict[str, str]:
    """The three headers of Standard Webhooks, with one signature for each secret in force."""
    signed = f"{message_id}.{epoch_s}.".encode() + body
    signatures = [_base64_hmac(_webhook_key(secret), signed) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(epoch_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def feishu_fields(secret: str, *, epoch_s: int) -> dict[str, str]:
    """What Feishu wants in the body beside the message."""
    key = f"{epoch_s}\n{secret}".encode()
    return {"timestamp": str(epoch_s), "sign": _base64_hmac(key, b"")}


def dingtalk_url(url: str, secret: str, *, epoch_ms: int) -> str:
    """The bot's address with the time and the signature that DingTalk wants in its query."""
    sign = _base64_hmac(secret.encode(), f"{epoch_ms}\n{secret}".encode())
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query), ("timestamp", str(epoch_ms)), ("sign", sign)]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _webhook_key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def _base64_hmac(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
