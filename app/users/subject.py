"""The form in which a subject is kept: any text an issuer may name a person by, storable anywhere.

PostgreSQL refuses NUL and lone surrogates, and neither database indexes a text of any length.
"""

import hashlib
import json
import re

_ESCAPED = "~json:"
_DIGESTED = "~sha256:"
_ERASED = "~erased:"
STORED_BYTES_MAX = 1000
"""Well below what a B-tree entry of PostgreSQL holds (about 2,700 bytes)."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(subject: str) -> str:
    """Plain text as it is; anything else behind a marker. Different subjects stay different.

    Texts with NUL or lone surrogates, and those that begin like a marker, are escaped as JSON;
    what is longer than ``STORED_BYTES_MAX`` is kept as its digest.
    """
    kept = _escape(subject) if _needs_escape(subject) else subject
    if len(kept.encode()) <= STORED_BYTES_MAX:
        return kept
    return _DIGESTED + hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()


def pseudonym(user_id: int) -> str:
    """What stands in the place of an erased subject; no issuer's subject is stored like it."""
    return f"{_ERASED}{user_id}"


def _needs_escape(subject: str) -> bool:
    return (
        subject.startswith((_ESCAPED, _DIGESTED, _ERASED))
        or _UNSTORABLE.search(subject) is not None
    )


def _escape(subject: str) -> str:
    # Surrogates one by one: json.dumps(ensure_ascii=True) would write two lone ones and the
    # character they would make together alike.
    text = json.dumps(subject, ensure_ascii=False)
    return _ESCAPED + _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
