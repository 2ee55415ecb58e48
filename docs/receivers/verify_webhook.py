"""Verify an alert as Standard Webhooks says, with nothing but the standard library."""

import base64
import hashlib
import hmac
import time

TOLERANCE_S = 300


def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether `body`, as it came, was signed with `secret` lately. `headers` in lower case."""
    message_id, sent_at = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(sent_at)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # While a secret is rotated there is one signature for each of them.
    return any(
        hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split(" ")
    )
